"""Blurs that need no draw, and glass, behind which pixels are copied from near places."""

import functools
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from groupnl_deploy.robustness.values import Generators, Pixels, Values, truncated, unit

_GRID = 8  # pixels to either side of a disk's middle, unless its radius is larger
_DIRECT = 11  # side of a kernel up to which summing is faster than a Fourier transform


def gaussian_blur(images: Pixels, draws: Generators, sigma: float) -> Pixels:
    """A Gaussian filter."""
    return truncated(_gaussian(unit(images), sigma))


def defocus_blur(images: Pixels, draws: Generators, radius: float, alias_sigma: float) -> Pixels:
    """Each pixel becomes a disk of this radius, whose edge is smoothed."""
    return truncated(_correlated(unit(images), disk(radius, alias_sigma)))


def glass_blur(images: Pixels, draws: Generators, sigma: float, distance: int, passes: int) -> Pixels:
    """Smoothed, copied about, smoothed.

    The authors' line reads like a swap of two pixels. It acts on views of one array, so it copies one way: a pixel
    receives another's colour, and that one keeps its own. What was published was made so, and so it is made here.
    """
    copied = truncated(_gaussian(unit(images), sigma))
    for index, draw in enumerate(draws):
        copied[index] = _copied_about(copied[index], draw, distance, passes)
    return truncated(_gaussian(unit(copied), sigma))


def _gaussian(values: Values, sigma: float) -> Values:
    smooth: Values = ndimage.gaussian_filter(values, (0, sigma, sigma, 0), mode="nearest", truncate=4.0)
    return smooth


@functools.cache
def disk(radius: float, alias_sigma: float) -> Values:
    """float64 (K, K), K odd: a disk on a grid of pixels, smoothed over 3x3, and over 5x5 beyond a radius of 8.

    Rows and columns of zeros around it are left out. Its sum is 1 unless it reaches the end of the grid, which is
    mirrored there: 1.3 % more for a radius of 8, as in what was published.
    """
    reach = max(_GRID, int(radius))
    across = np.arange(-reach, reach + 1)
    inside = (across**2 + across[:, None] ** 2 <= radius**2).astype(np.float32)
    taps = np.exp(-0.5 * (np.arange(-1, 2) if radius <= _GRID else np.arange(-2, 3)) ** 2 / alias_sigma**2)
    taps = (taps / taps.sum()).astype(np.float32)
    kernel = inside / inside.sum()  # in single precision, as the authors have it: a flat area may lose a level by it
    for axis in (0, 1):
        kernel = ndimage.correlate1d(kernel, taps, axis, mode="mirror")
    kernel = kernel.astype(np.float64)
    used = int(np.abs(across)[kernel.any(axis=0)].max())
    trimmed: Values = kernel[reach - used : reach + used + 1, reach - used : reach + used + 1]
    return trimmed


def _correlated(values: Values, kernel: Values) -> Values:
    """Each channel with a symmetric kernel; the image is mirrored at its edges, whose pixels are not repeated."""
    if len(kernel) <= _DIRECT:
        direct: Values = ndimage.correlate(values, kernel[None, :, :, None], mode="mirror")
        return direct
    reach = len(kernel) // 2
    padded = np.pad(values, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="reflect")
    shape = tuple(fft.next_fast_len(side, real=True) for side in padded.shape[1:3])
    spectrum = fft.rfft2(kernel, shape)[None, :, :, None]
    full = fft.irfft2(fft.rfft2(padded, shape, axes=(1, 2)) * spectrum, shape, axes=(1, 2))
    height, width = values.shape[1:3]
    inner: Values = full[:, 2 * reach : 2 * reach + height, 2 * reach : 2 * reach + width]
    return inner


def _copied_about(image: Pixels, draw: np.random.Generator, distance: int, passes: int) -> Pixels:
    """uint8 (H, W, C): from the last row and column on, each pixel receives the one at a drawn offset.

    An offset is at least -distance and less than distance, so the first rows and columns, distance + 1 of them,
    receive nothing.
    """
    height, width, channels = image.shape
    rows, columns = np.arange(height - distance, distance, -1), np.arange(width - distance, distance, -1)
    targets = (rows[:, None] * width + columns).ravel()
    flat = image.reshape(height * width, channels)
    for _ in range(passes):
        across, down = draw.integers(-distance, distance, (2, len(rows), len(columns)))
        sources = ((rows[:, None] + down) * width + columns + across).ravel()
        flat = flat[_origins(height * width, targets, sources, in_order=distance > 1)]
    return flat.reshape(image.shape)


def _origins(
    count: int, targets: npt.NDArray[np.int64], sources: npt.NDArray[np.int64], in_order: bool
) -> npt.NDArray[np.int64]:
    """Where each pixel's colour comes from in the end. Order matters only where a source may be a target of before."""
    origins = np.arange(count)
    if not in_order:  # each source lies before its target, which is not written yet
        origins[targets] = sources
        return origins
    chain: list[int] = origins.tolist()
    pairs: Iterable[tuple[int, int]] = zip(targets.tolist(), sources.tolist(), strict=True)
    for target, source in pairs:
        chain[target] = chain[source]
    return np.array(chain)
