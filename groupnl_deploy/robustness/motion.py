"""Motion blur as ImageMagick defines it, which the authors' generator calls."""

import numpy as np

from groupnl_deploy.robustness.values import Generators, Pixels, Values

_CARE = 1e-3  # ImageMagick truncates sums that are whole numbers but for rounding


def motion_blur(images: Pixels, draws: Generators, radius: float, sigma: float) -> Pixels:
    """Blurred along a line, at an angle of -45 to 45 degrees."""
    return moved(images, [draw.uniform(-45, 45) for draw in draws], radius, sigma)


def moved(images: Pixels, degrees: list[float], radius: float, sigma: float) -> Pixels:
    """uint8 (N, H, W, C): each image blurred along a line at its own angle.

    Args:
        images: uint8 (N, H, W, C); edges go on with their last pixel.
        degrees: angle of each, clockwise from the right.
        radius: half of how many pixels count, upwards to a whole number.
        sigma: of the Gaussian by which they count less and less; it has one side.
    """
    weights = np.exp(-(np.arange(2 * int(np.ceil(radius)) + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    height, width = images.shape[1:3]
    reach = len(weights)
    padded = np.pad(images.astype(np.float64), ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
    sums = np.full(images.shape, _CARE)
    for image, total, angle in zip(padded, sums, np.radians(degrees), strict=True):
        for weight, down, across in zip(weights, *_line(angle, len(weights)), strict=True):
            np.add(total, weight * image[down : down + height, across : across + width], out=total)
    return sums.astype(np.uint8)


def _line(angle: float, count: int) -> tuple[list[int], list[int]]:
    """Rows and columns, counted from the corner of the padding, of the pixels along a line."""
    steps = np.arange(count)
    down, across = (np.ceil(steps * along - 0.5).astype(int) + count for along in (np.sin(angle), np.cos(angle)))
    return down.tolist(), across.tolist()


def layer_moved(layer: Values, degrees: list[float], radius: float, sigma: float) -> Values:
    """float64 (N, H, W) from 0 to 1: a layer of greys, turned into pixels and blurred along a line."""
    pixels = (np.clip(layer, 0, 1) * 255).astype(np.uint8)
    return moved(pixels[..., None], degrees, radius, sigma)[..., 0] / 255.0
