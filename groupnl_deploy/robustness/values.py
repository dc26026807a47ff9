"""Pixels as numbers from 0 to 1 and back, as the authors' generators have it: nothing is rounded."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]
Generators = Sequence[np.random.Generator]
"""One for each image of a batch, drawn from by nobody else."""


def unit(images: Pixels) -> Values:
    """float64 from 0 to 1."""
    return images / 255.0


def truncated(values: Values) -> Pixels:
    """uint8 of values from 0 to 1. What lies beyond is cut; nothing is rounded, and k / 255 comes back as k."""
    return (np.clip(values, 0, 1) * 255).astype(np.uint8)


def grey(values: Values) -> Values:
    """float64 (N, H, W, 1) of (N, H, W, C): a colour's luma by ITU-R 601, and what is grey as it is."""
    if values.shape[-1] == 1:
        return values
    red, green, blue = (values[..., channel, None] for channel in range(3))
    return 0.299 * red + 0.587 * green + 0.114 * blue
