"""Drops of water and splashes of mud. Water needs OpenCV, whose operators the authors' generator is made of."""

from types import ModuleType

import numpy as np
from scipy import ndimage

from groupnl_deploy.errors import UsageError
from groupnl_deploy.robustness.values import Generators, Pixels, Values, truncated, unit

WATER, MUD = 0, 1
_COLOURS = {WATER: np.array([175, 238, 238]) / 255, MUD: np.array([63, 42, 20]) / 255}
_LIGHT = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])  # falls from the upper left
_FARTHEST = 20  # pixels from an edge beyond which water looks the same
_SEEN = 0.8  # of mud: what is thinner is not there


def spatter(
    images: Pixels,
    draws: Generators,
    mean: float,
    std: float,
    sigma: float,
    threshold: float,
    amount: float,
    kind: int,
) -> Pixels:
    """Smooth noise above a threshold is water (0) or mud (1).

    Raises `UsageError` for water where OpenCV is not installed.
    """
    noise = np.stack([mean + std * draw.standard_normal(images.shape[1:3]) for draw in draws])
    layer = ndimage.gaussian_filter(noise, (0, sigma, sigma), mode="nearest", truncate=4.0)
    values, colour = unit(images), _COLOURS[kind]
    if kind == WATER:
        layer[layer < threshold] = 0
        return truncated(values + amount * _wet(layer)[..., None] * colour)
    dirt = ndimage.gaussian_filter(
        (layer > threshold).astype(np.float64), (0, amount, amount), mode="nearest", truncate=4.0
    )[..., None]
    dirt[dirt < _SEEN] = 0
    return truncated(values * (1 - dirt) + dirt * colour)


def _wet(layer: Values) -> Values:
    """float64 (N, H, W) from 0 to 1: how much light the water of each layer throws back."""
    cv2 = opencv()
    pixels = (layer * 255).astype(np.int64).astype(np.uint8)  # beyond white it is black again, as in what was published
    light = pixels * np.stack([_reliefs(cv2, one) for one in pixels])
    strongest = light.max(axis=(1, 2), keepdims=True)
    return light / np.where(strongest > 0, strongest, 1)


def _reliefs(cv2: ModuleType, layer: Pixels) -> Values:
    """float32 (H, W): drops seen as hills, by how far each place is from their edges."""
    edges = 255 - cv2.Canny(layer, 50, 150)
    distance = np.minimum(cv2.distanceTransform(edges, cv2.DIST_L2, 5), _FARTHEST)
    level = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))
    lit: Values = cv2.blur(cv2.filter2D(level, cv2.CV_8U, _LIGHT), (3, 3)).astype(np.float32)
    return lit


def opencv() -> ModuleType:
    """Its module. Raises `UsageError` where it is not installed."""
    try:
        import cv2
    except ImportError as error:
        raise UsageError(
            "Water on images, which is spatter at its three mildest severities, needs OpenCV, which is not installed.",
            "Install it: `pip install opencv-python-headless`, or leave spatter out, as `--corruptions usual` does.",
        ) from error
    module: ModuleType = cv2
    return module
