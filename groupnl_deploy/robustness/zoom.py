"""The middle of an image enlarged to its size, by linear interpolation."""

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from groupnl_deploy.robustness.values import Generators, Pixels, Values, unit

_LARGEST_MATRIX = 256 * 256  # pixels: beyond, the matrix would take more memory than all images
_CARE = 1e-6  # of a grey level: an image of one colour keeps it, though its sums are rounded


class Line(NamedTuple):
    """Which places of a line each place of the enlarged line lies between: `low` and the next, and how far beyond."""

    low: npt.NDArray[np.int64]
    beyond: Values


@functools.cache
def enlarged_line(side: int, factor: float) -> Line:
    """`side` places in the middle of the enlarged line.

    The middle ceil(side / factor) places of a line become round(that * factor), corner upon corner; what is more than
    `side` is left out at both ends.
    """
    kept = int(np.ceil(side / factor))
    enlarged = round(kept * factor)
    place = np.arange(side) + (enlarged - side) // 2
    at = place * ((kept - 1) / (enlarged - 1)) + (side - kept) // 2
    low = np.minimum(at.astype(np.int64), side - 2)
    return Line(low, np.asarray(at - low, np.float64))


def enlarged(layer: Values, factor: float) -> Values:
    """float64 (N, H, W): the middle of each, enlarged."""
    rows, columns = (enlarged_line(side, factor) for side in layer.shape[1:])
    tall = _between(layer[:, rows.low], layer[:, rows.low + 1], rows.beyond[:, None])
    return _between(tall[:, :, columns.low], tall[:, :, columns.low + 1], columns.beyond)


def _between(low: Values, high: Values, beyond: Values) -> Values:
    return low * (1 - beyond) + high * beyond


def zoom_blur(images: Pixels, draws: Generators, step: float, count: int) -> Pixels:
    """The mean of an image and all its enlargements, of which the first, by 1, is the image again."""
    height, width = images.shape[1:3]
    mean = one_by_one if height * width > _LARGEST_MATRIX else all_at_once
    blurred = mean(np.moveaxis(unit(images), 3, 1).reshape(-1, height, width), step, count)
    blurred = np.moveaxis(blurred.reshape(len(images), -1, height, width), 1, 3)
    pixels: Pixels = (np.clip(blurred, 0, 1) * 255 + _CARE).astype(np.uint8)
    return pixels


def one_by_one(planes: Values, step: float, count: int) -> Values:
    """float64 (M, H, W) of as many: each enlargement is made and added."""
    total = planes.copy()
    for index in range(count):
        total += enlarged(planes, 1 + step * index) if index else planes
    return total / (count + 1)


def all_at_once(planes: Values, step: float, count: int) -> Values:
    """float64 (M, H, W) of as many: by a matrix, which is kept. Its sums have one order, however many planes."""
    height, width = planes.shape[1:]
    summed = mean_of_zooms(height, width, step, count) @ np.ascontiguousarray(planes.reshape(len(planes), -1).T)
    return np.asarray(summed).T.reshape(planes.shape)


@functools.lru_cache(maxsize=2)  # 40 MB each for 224x224; severities follow one another
def mean_of_zooms(height: int, width: int, step: float, count: int) -> sparse.csr_array:
    """(H * W, H * W): a pixel of the blurred image in each row."""
    total = sparse.eye_array(height * width, format="csr")
    for factor in 1 + step * np.arange(count):
        total = total + sparse.kron(*(_matrix(enlarged_line(side, factor)) for side in (height, width)), format="csr")
    return sparse.csr_array(total / (count + 1))


def _matrix(line: Line) -> sparse.csr_array:
    side = len(line.low)
    places = np.arange(side)
    weights = np.concatenate([1 - line.beyond, line.beyond])
    at = (np.concatenate([places, places]), np.concatenate([line.low, line.low + 1]))
    return sparse.coo_array((weights, at), (side, side)).tocsr()
