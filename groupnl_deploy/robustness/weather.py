"""Weather that covers an image with a layer: snow and fog, and a brighter day."""

import numpy as np

from groupnl_deploy.robustness.colour import from_hsv, to_hsv
from groupnl_deploy.robustness.motion import layer_moved
from groupnl_deploy.robustness.values import Generators, Pixels, Values, grey, truncated, unit
from groupnl_deploy.robustness.zoom import enlarged


def snow(
    images: Pixels,
    draws: Generators,
    mean: float,
    std: float,
    zoom: float,
    threshold: float,
    radius: float,
    sigma: float,
    own: float,
) -> Pixels:
    """Flakes: noise, enlarged, its faint part left out, blurred along a steep line, and added from two directions.

    Under them the image is whitened: it keeps the share `own` of its colours.
    """
    values, size = unit(images), images.shape[1:3]
    layer = np.stack([mean + std * draw.standard_normal(size) for draw in draws])
    layer = enlarged(layer, zoom)
    layer[layer < threshold] = 0
    layer = layer_moved(layer, [draw.uniform(-135, -45) for draw in draws], radius, sigma)
    white = np.maximum(values, 1.5 * grey(values) + 0.5)
    fallen = (layer + layer[:, ::-1, ::-1])[..., None]
    return truncated(own * values + (1 - own) * white + fallen)


def fog(images: Pixels, draws: Generators, amount: float, decay: float) -> Pixels:
    """A plasma of white is added, and the whole made darker so that the lightest value stays what it was."""
    values = unit(images)
    side = 1 << (max(images.shape[1:3]) - 1).bit_length()
    haze = plasma(draws, side, decay)[:, : images.shape[1], : images.shape[2], None]
    lightest = values.max(axis=(1, 2, 3), keepdims=True)
    return truncated((values + amount * haze) * lightest / (lightest + amount))


def plasma(draws: Generators, side: int, decay: float) -> Values:
    """float64 (N, side, side) from 0 to 1, periodic, by diamonds and squares from the largest scale to the smallest.

    Args:
        draws: one for each field.
        side: a power of two.
        decay: by which the noise's scale is divided at each step; the noise itself is the square of it.
    """
    field = np.zeros((len(draws), side, side))
    uniform = np.stack([draw.uniform(-1, 1, side * side - 1) for draw in draws])
    step, scale, used = side, 100.0, 0
    while step >= 2:
        half, cells = step // 2, (side // step) ** 2
        noise = scale * scale * uniform[:, used : used + 3 * cells].reshape(-1, 3, side // step, side // step)
        corners = field[:, ::step, ::step]
        middles = (corners + _next(corners, 1) + _next(corners, 2) + _next(_next(corners, 1), 2)) / 4 + noise[:, 0]
        field[:, half::step, half::step] = middles
        beside = (corners + _next(corners, 2) + middles + _before(middles, 1)) / 4 + noise[:, 1]
        below = (corners + _next(corners, 1) + middles + _before(middles, 2)) / 4 + noise[:, 2]
        field[:, ::step, half::step], field[:, half::step, ::step] = beside, below
        step, scale, used = half, scale / decay, used + 3 * cells
    field -= field.min(axis=(1, 2), keepdims=True)
    field /= field.max(axis=(1, 2), keepdims=True)
    return field


def _next(field: Values, axis: int) -> Values:
    return np.roll(field, -1, axis)


def _before(field: Values, axis: int) -> Values:
    return np.roll(field, 1, axis)


def brightness(images: Pixels, draws: Generators, shift: float) -> Pixels:
    """The value of each colour (HSV) is raised."""
    colours = to_hsv(unit(images))
    return truncated(from_hsv(colours._replace(value=np.clip(colours.value + shift, 0, 1))))
