"""Which inputs reach which outputs of sparse layers, as a picture."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from groupnl_deploy.models.mixing import Mixing, Reach
from groupnl_deploy.report.pictures import picture_bytes

MOST_LAYERS = 4
_SIDE = 2.6  # inches, of a panel


def draw_mixing(found: Sequence[Mixing], format: str = "png") -> bytes:
    """The first layers that differ in shape, a row each: alone on the left, through the next one on the right.

    A dark point is a path from an input (across) to an output (down).

    Args:
        found: the sparse layers of a network, one at least.
        format: one of `report.pictures.PICTURE_FORMATS`.
    """
    shown = list({(one.alone.shape, one.both.shape): one for one in reversed(found)}.values())[::-1][:MOST_LAYERS]
    figure = Figure(figsize=(2 * _SIDE + 2.4, (_SIDE + 0.7) * len(shown)), layout="constrained")
    for (left, right), one in zip(figure.subplots(len(shown), 2, squeeze=False), shown, strict=True):
        _panel(left, one.alone, f"{one.name}")
        behind = "nothing behind it" if one.next is None else f"and {one.next}"
        _panel(right, one.both, f"{behind}: rank {one.rank}, {one.islands} part{'s' if one.islands > 1 else ''}")
    return picture_bytes(figure, format)


def _panel(axes: Any, reach: Reach, title: str) -> None:
    axes.imshow(reach.numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.set_title(title, fontsize=9, parse_math=False)
    axes.set_xlabel("input", fontsize=8)
    axes.set_ylabel("output", fontsize=8)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4, integer=True))
    axes.tick_params(labelsize=7)
