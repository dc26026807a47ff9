"""The nineteen corruptions by name, for batches of images. Imports nothing slow until one is applied."""

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from groupnl_deploy.errors import UsageError
from groupnl_deploy.robustness.constants import CONSTANTS
from groupnl_deploy.words import known_word

if TYPE_CHECKING:
    from groupnl_deploy.robustness.values import Pixels

OPERATORS = {
    "gaussian_noise": "noise",
    "shot_noise": "noise",
    "impulse_noise": "noise",
    "defocus_blur": "blur",
    "glass_blur": "blur",
    "motion_blur": "motion",
    "zoom_blur": "zoom",
    "snow": "weather",
    "frost": "frost",
    "fog": "weather",
    "brightness": "weather",
    "contrast": "digital",
    "elastic_transform": "elastic",
    "pixelate": "digital",
    "jpeg_compression": "digital",
    "speckle_noise": "noise",
    "gaussian_blur": "blur",
    "spatter": "spatter",
    "saturate": "digital",
}
"""The file of this room that has a function of the same name, from uint8 (N, H, W, C), a generator for each image and
the constants of a severity to as many pixels.

To add one: its line here, its constants in `CONSTANTS`, its category in `images.corrupted.CORRUPTIONS`.
"""
_IN_COLOUR = ("brightness", "saturate", "spatter")
SMALLEST = 16  # pixels of a side: below, a blur is wider than the image
_PIXELS_AT_ONCE = 1 << 16  # of all images of a chunk: their numbers fit a processor's cache


def corrupted(
    images: "Pixels",
    name: str,
    severity: int,
    indices: Sequence[int],
    seed: int = 0,
    frost: str | None = None,
) -> "Pixels":
    """uint8 (N, H, W, C): these images, corrupted. An image comes out the same whatever others are there.

    Args:
        images: uint8 (N, H, W, C), of one channel or three.
        name: of the corruption, a key of `OPERATORS`.
        severity: from 1 to 5.
        indices: of these images in their data set; with the seed they say what is drawn.
        seed: from 0 to 2**64 - 1.
        frost: a folder with the authors' photographs; None makes textures of our own.

    Raises `UsageError` for an unknown name, another severity, images that are too small or have other channels, and
    where a library is missing.
    """
    import numpy as np

    from groupnl_deploy.robustness.draws import generators

    constants = constants_of(name, severity, images.shape[1:])
    module = importlib.import_module(f"groupnl_deploy.robustness.{OPERATORS[name]}")
    operator: Callable[..., Pixels] = getattr(module, name)
    more = {"folder": frost} if name == "frost" else {}
    apply = _of_grey(operator) if name in _IN_COLOUR and images.shape[-1] == 1 else operator
    result, step = np.empty_like(images), max(1, _PIXELS_AT_ONCE // (images.shape[1] * images.shape[2]))
    for first in range(0, len(images), step):
        part = slice(first, first + step)
        result[part] = apply(images[part], generators(seed, name, severity, indices[part]), *constants, **more)
    return result


def constants_of(name: str, severity: int, shape: Sequence[int]) -> tuple[float, ...]:
    """What the function of a corruption takes, at a severity, for images (H, W, C). Raises as `corrupted` does."""
    known_word("corruption", name, OPERATORS)
    if severity not in range(1, 6):
        raise UsageError(f"There is no severity {severity}.", "Name one from 1 to 5.")
    height, width, channels = shape
    if channels not in (1, 3):
        raise UsageError(f"Images of {channels} channels cannot be corrupted.", "Take images of 1 or 3 channels.")
    if min(height, width) < SMALLEST:
        raise UsageError(
            f"Images of {height}x{width} pixels are too small to be corrupted.",
            f"Take images of at least {SMALLEST}x{SMALLEST} pixels.",
        )
    return CONSTANTS[name][table_of(height, width)][severity - 1]


def require_possible(
    names: Sequence[str], severities: Sequence[int], shape: tuple[int, int, int], frost: str | None = None
) -> None:
    """Raise what `corrupted` would raise for images (C, H, W), before any is made."""
    from groupnl_deploy.robustness.frost import textures
    from groupnl_deploy.robustness.spatter import WATER, opencv

    for name in names:
        for severity in severities:
            constants = constants_of(name, severity, (*shape[1:], shape[0]))
            if name == "frost":
                textures(constants[-1], max(shape[1:]), frost)
            if name == "spatter" and constants[-1] == WATER:
                opencv()


def table_of(height: int, width: int) -> int:
    """32, 64 or 224: the constants that images of this size get, those of the nearest size by its ratio.

    The shorter side decides. So 45 pixels are the last that get those of 32, and 119 the last that get those of 64.
    """
    side = min(height, width)
    return min((32, 64, 224), key=lambda known: max(side / known, known / side))


def _of_grey(operator: "Callable[..., Pixels]") -> "Callable[..., Pixels]":
    """The operator for images of one channel: they stand for three equal ones, and the result for its luma."""
    import numpy as np

    from groupnl_deploy.robustness.values import grey

    def applied(images: "Pixels", *rest: object) -> "Pixels":
        coloured = operator(np.repeat(images, 3, axis=-1), *rest)
        return np.round(grey(coloured.astype(np.float64))).astype(np.uint8)

    return applied
