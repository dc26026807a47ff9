"""RGB to HSV and back, to the bits of scikit-image and of `matplotlib.colors`, which takes nine times as long."""

from typing import NamedTuple

import numpy as np

from groupnl_deploy.robustness.values import Values


class HSV(NamedTuple):
    """float64 (N, H, W) each, from 0 to 1. What is grey has hue 0, which is red's."""

    hue: Values
    saturation: Values
    value: Values


def to_hsv(values: Values) -> HSV:
    """Of float64 (N, H, W, 3)."""
    red, green, blue = (np.ascontiguousarray(values[..., channel]) for channel in range(3))
    value = np.maximum(np.maximum(red, green), blue)
    spread = value - np.minimum(np.minimum(red, green), blue)
    divisor = np.where(spread == 0, 1, spread)
    sixths = np.where(
        value == blue,
        4 + (red - green) / divisor,
        np.where(value == green, 2 + (blue - red) / divisor, (green - blue) / divisor),
    )
    hue = np.where(spread == 0, 0, sixths / 6 % 1)
    return HSV(hue, spread / np.where(value == 0, 1, value), value)


def from_hsv(colours: HSV) -> Values:
    """float64 (N, H, W, 3)."""
    hue, saturation, value = colours
    sixths = hue * 6
    sector = np.floor(sixths)
    part = sixths - sector
    least = value * (1 - saturation)
    falling, rising = value * (1 - part * saturation), value * (1 - (1 - part) * saturation)
    between = np.where(sector % 2 == 1, falling, rising)
    values = np.empty((*value.shape, 3))
    # Sector by sector the largest value is red, green, green, blue, blue, red, and the least lies opposite.
    for channel, first in enumerate((0, 2, 4)):
        turned = (sector - first) % 6
        highest = (turned == 0) | (turned == 5)
        lowest = (turned == 2) | (turned == 3)
        values[..., channel] = np.where(highest, value, np.where(lowest, least, between))
    return values
