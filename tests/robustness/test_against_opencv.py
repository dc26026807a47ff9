"""The same draws through OpenCV's own calls, of which the authors' generators are made: a level apart at most."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from groupnl_deploy.robustness.constants import CONSTANTS
from groupnl_deploy.robustness.corruptions import corrupted
from groupnl_deploy.robustness.draws import generators
from groupnl_deploy.robustness.values import Pixels, Values, truncated

cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
SEVERITIES = range(1, 6)


def sized(photos: Pixels, side: int) -> Pixels:
    chosen = photos[: 12 if side == 32 else 2]
    return np.stack([np.asarray(Image.fromarray(image).resize((side, side))) for image in chosen])


def require_near(made: Pixels, wanted: Pixels, share: float) -> None:
    apart = np.abs(made.astype(int) - wanted)
    assert apart.max() <= 1 and (apart > 0).mean() <= share, (apart.max(), (apart > 0).mean())


@pytest.mark.parametrize("side", [32, 224])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_defocus(photos, side, severity):
    images, (radius, alias_sigma) = sized(photos, side), CONSTANTS["defocus_blur"][side][severity - 1]
    across = np.arange(-8, 9) if radius <= 8 else np.arange(-radius, radius + 1)
    disk = (across**2 + across[:, None] ** 2 <= radius**2).astype(np.float32)
    size = (3, 3) if radius <= 8 else (5, 5)
    kernel = cv2.GaussianBlur(disk / disk.sum(), size, sigmaX=alias_sigma)
    wanted = [
        np.stack([cv2.filter2D(image[..., channel] / 255.0, -1, kernel) for channel in range(3)], axis=-1)
        for image in images
    ]
    require_near(corrupted(images, "defocus_blur", severity, range(len(images))), truncated(np.stack(wanted)), 0.02)


@pytest.mark.parametrize(("side", "severity"), [*((32, severity) for severity in SEVERITIES), (224, 3), (224, 5)])
def test_elastic(photos, side, severity):
    images, constants = sized(photos, side), CONSTANTS["elastic_transform"][side][severity - 1]
    draws = generators(0, "elastic_transform", severity, range(len(images)))
    wanted = [warped(image / np.float32(255), draw, *constants) for image, draw in zip(images, draws, strict=True)]
    require_near(
        corrupted(images, "elastic_transform", severity, range(len(images))), truncated(np.stack(wanted)), 0.05
    )


def warped(
    image: Values, draw: np.random.Generator, amplitude: float, sigma: float, shift: float, longer: float
) -> Values:
    side = len(image)
    away, middle, length = side // 3, side // 2, side * longer
    points = middle + np.array([[away, away], [away, -away], [-away, -away]], np.float32)
    moved = (points + draw.uniform(-length * shift, length * shift, (3, 2))).astype(np.float32)
    matrix = cv2.getAffineTransform(points, moved)
    image = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    if not amplitude:
        return image
    noise = draw.uniform(-1, 1, (2, side, side))
    across, down = (
        ndimage.gaussian_filter(layer, length * sigma, mode="reflect", truncate=3) * length * amplitude
        for layer in noise
    )
    rows, columns, channels = np.meshgrid(np.arange(side), np.arange(side), np.arange(3), indexing="ij")
    at = [rows + down[..., None], columns + across[..., None], channels]
    displaced: Values = ndimage.map_coordinates(image, at, order=1, mode="reflect")
    return displaced


@pytest.mark.parametrize("side", [32, 224])
@pytest.mark.parametrize("severity", [1, 2, 3])
def test_water(photos, side, severity):
    images, (mean, std, sigma, threshold, strength, _) = sized(photos, side), CONSTANTS["spatter"][side][severity - 1]
    draws = generators(0, "spatter", severity, range(len(images)))
    wanted = []
    for image, draw in zip(images, draws, strict=True):
        layer = ndimage.gaussian_filter(mean + std * draw.standard_normal((side, side)), sigma, mode="nearest")
        pixels = (np.where(layer < threshold, 0, layer) * 255).astype(np.int64).astype(np.uint8)
        distance = cv2.distanceTransform(255 - cv2.Canny(pixels, 50, 150), cv2.DIST_L2, 5)
        level = cv2.blur(cv2.threshold(distance, 20, 20, cv2.THRESH_TRUNC)[1], (3, 3)).astype(np.uint8)
        kernel = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
        lit = cv2.blur(cv2.filter2D(cv2.equalizeHist(level), cv2.CV_8U, kernel), (3, 3)).astype(np.float32)
        water = pixels * lit / (pixels * lit).max() * strength
        wanted.append(image / 255 + water[..., None] * np.array([175, 238, 238]) / 255)
    require_near(corrupted(images, "spatter", severity, range(len(images))), truncated(np.stack(wanted)), 0.001)
