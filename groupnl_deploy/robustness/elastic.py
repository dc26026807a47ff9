"""An image warped: first as a whole, then here and there."""

import numpy as np
from scipy import ndimage

from groupnl_deploy.robustness.values import Generators, Pixels, Values, truncated, unit


def elastic_transform(
    images: Pixels, draws: Generators, amplitude: float, sigma: float, shift: float, longer: float
) -> Pixels:
    """A random affine map, then a smooth random displacement; both sample linearly and mirror the edges.

    Args:
        images: uint8 (N, H, W, C).
        draws: one generator for each image.
        amplitude: of the displacement; this and the next two are shares of the shorter side.
        sigma: of the Gaussian that makes it smooth.
        shift: by how much three points may move to make the affine map.
        longer: the side is taken to be so many times as long.
    """
    side = min(images.shape[1:3]) * longer
    warped = [_warped(image, draw, side * shift) for image, draw in zip(unit(images), draws, strict=True)]
    if amplitude > 0:
        warped = [
            _displaced(image, draw, side * amplitude, side * sigma) for image, draw in zip(warped, draws, strict=True)
        ]
    return truncated(np.stack(warped))


def _warped(image: Values, draw: np.random.Generator, shift: float) -> Values:
    """float64 (H, W, C): three points around the middle go each to a random place nearby, and all others with them."""
    height, width = image.shape[:2]
    away = min(height, width) // 3
    middle = np.array([width // 2, height // 2])  # a point is (x, y)
    points = middle + np.array([[away, away], [away, -away], [-away, -away]])
    moved = points + draw.uniform(-shift, shift, (3, 2))
    # Where a pixel comes from: the map that takes the moved points back.
    (a, b), (c, d) = moved[0] - moved[1], moved[1] - moved[2]
    (e, f), (g, h) = points[0] - points[1], points[1] - points[2]
    determinant = a * d - b * c
    xx, xy = (e * d - g * b) / determinant, (g * a - e * c) / determinant
    yx, yy = (f * d - h * b) / determinant, (h * a - f * c) / determinant
    x, y = np.arange(width) - moved[1, 0], np.arange(height)[:, None] - moved[1, 1]
    from_x, from_y = xx * x + xy * y + points[1, 0], yx * x + yy * y + points[1, 1]
    return _sampled(image, from_y, from_x, "mirror")


def _displaced(image: Values, draw: np.random.Generator, amplitude: float, sigma: float) -> Values:
    """float64 (H, W, C): each pixel comes from somewhere near, and its neighbours from nearly as far."""
    height, width = image.shape[:2]
    noise = draw.uniform(-1, 1, (2, height, width))
    across, down = ndimage.gaussian_filter(noise, (0, sigma, sigma), mode="reflect", truncate=3.0) * amplitude
    return _sampled(image, np.arange(height)[:, None] + down, np.arange(width) + across, "reflect")


def _sampled(image: Values, rows: Values, columns: Values, edge: str) -> Values:
    """float64 (H, W, C): `image` at these places, linearly between pixels. `edge` is scipy's word."""
    at = np.stack([rows, columns])
    channels = [
        ndimage.map_coordinates(image[..., channel], at, order=1, mode=edge) for channel in range(image.shape[2])
    ]
    return np.stack(channels, axis=-1)
