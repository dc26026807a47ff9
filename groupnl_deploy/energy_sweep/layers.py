"""Which layers a sweep measures, each with which numbers of groups. Pure."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.model import require_enough
from groupnl_deploy.errors import UsageError

COPIES = 20
"""Of a layer in one graph: one alone is too short to be measured. What a call costs beside them is divided by them."""

LEAST_COUNTS = 9
_LARGEST_BYTES = 2**31 - 2**20  # of the weights: an ONNX file of 2 GiB is read by nobody
_FORM = re.compile(r"(\d+)x(\d+)x(\d+)x(\d+)")
_HOW = "Write channels x height x width x kernel, with commas between layers: --shapes 64x28x28x3,128x14x14x3."

DEFAULT_SHAPES = (
    *("96x56x56x3", "96x28x28x3", "192x28x28x3", "256x28x28x3"),
    *("256x14x14x3", "512x14x14x3", "256x7x7x3", "512x7x7x3"),
)
"""Each has nine numbers of groups or more; widths and maps vary apart, so that a law can tell them from each other."""


def shapes_of(text: str) -> tuple[LayerShape, ...]:
    """The layers behind --shapes, each with as many outputs as inputs. Raises `UsageError`."""
    return tuple(_shape_of(part.strip()) for part in text.split(","))


def _shape_of(text: str) -> LayerShape:
    found = _FORM.fullmatch(text)
    if found is None:
        raise UsageError(f"--shapes has “{text}”, which is no layer.", _HOW)
    channels, height, width, kernel = map(int, found.groups())
    try:
        shape = LayerShape(channels, channels, kernel, height, width)
    except ValueError as error:
        raise UsageError(f"--shapes has “{text}”: {error}.", _HOW) from error
    if kernel % 2 == 0:
        raise UsageError(
            f"--shapes has “{text}”: a kernel of {kernel}x{kernel} pixels has no middle, so its maps would not keep "
            "their size.",
            "Choose an odd kernel, such as 3.",
        )
    if (size := COPIES * 4 * shape.params(1)) > _LARGEST_BYTES:
        raise UsageError(
            f"--shapes has “{text}”: {COPIES} copies of it without groups have {size / 2**30:.1f} GiB of weights, and "
            "an ONNX file holds 2.",
            "Choose fewer channels.",
        )
    return shape


def group_counts(shape: LayerShape) -> tuple[int, ...]:
    """The numbers of groups that are measured, from 1 to as many as channels (depthwise).

    Those that leave a group a power of two of channels, which is what runtimes' blocks are; and where these are fewer
    than nine, the smallest of the others.
    """
    known = shape.group_counts
    first = {groups for groups in known if groups == 1 or _is_power_of_two(shape.in_channels // groups)}
    others = [groups for groups in known if groups not in first]
    return tuple(sorted([*first, *others[: max(0, LEAST_COUNTS - len(first))]]))


def cells_of(shapes: Iterable[LayerShape]) -> Iterator[tuple[LayerShape, int]]:
    """Every layer with every number of groups."""
    for shape in shapes:
        for groups in group_counts(shape):
            yield shape, groups


def require_fit_for_a_fit(shapes: Sequence[LayerShape]) -> None:
    """Raise `UsageError` for a layer that is named twice, `TooFewLayers` for what nothing could be fitted to."""
    twice = next((shape for shape in shapes if shapes.count(shape) > 1), None)
    if twice is not None:
        raise UsageError(f"--shapes has {text_of(twice)} twice.", "Name it once; --repeats measures it again.")
    require_enough({shape: dict.fromkeys(group_counts(shape), math.nan) for shape in shapes})


def text_of(shape: LayerShape) -> str:
    """As --shapes has it."""
    return f"{shape.in_channels}x{shape.height}x{shape.width}x{shape.kernel}"


def label_of(shape: LayerShape, groups: int) -> str:
    """Names the network that is a chain of it."""
    return f"conv-{text_of(shape)}-g{groups}"


def weights_bytes(shapes: Iterable[LayerShape]) -> int:
    """Of all the chains together."""
    return round(sum(COPIES * 4 * shape.params(groups) for shape, groups in cells_of(shapes)))


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0
