"""Random draws that depend on seed, corruption, severity and image alone, not on what else is drawn or where."""

import zlib
from collections.abc import Iterable

import numpy as np


def generators(seed: int, name: str, severity: int, indices: Iterable[int]) -> list[np.random.Generator]:
    """A generator for each image of these indices.

    Philox is made for this: its key is of seed and corruption, and its counter begins for every severity and image at
    a number of its own, 2**128 blocks apart from the next. So no two of them ever give the same numbers.

    Args:
        seed: from 0 to 2**64 - 1.
        name: of the corruption.
        severity: from 1 to 5.
        indices: of the images in their data set.
    """
    key = np.array([seed, zlib.crc32(name.encode())], np.uint64)
    counters = (np.array([0, 0, severity, index], np.uint64) for index in indices)
    return [np.random.Generator(np.random.Philox(key=key, counter=counter)) for counter in counters]
