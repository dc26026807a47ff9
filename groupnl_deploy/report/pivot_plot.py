"""A pivot as a picture: how a number changes with one trait, a line for each value of another, with its spread."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from matplotlib.figure import Figure

from groupnl_deploy.errors import UsageError
from groupnl_deploy.report.marks import doubts_of, marks
from groupnl_deploy.report.pictures import picture_bytes
from groupnl_deploy.report.pivot import Cells, Pivot, number_of, pivot_cells
from groupnl_deploy.report.power_plot import COLOURS
from groupnl_deploy.report.repeats import Group
from groupnl_deploy.words import harmless

MOST_LINES = len(COLOURS)
_MARKERS = "osD^vPX*"
_APART = 0.12  # of the distance of two values on the axis: lines stand beside each other, so that no bar hides another
_MEANINGS = {"*": "* has joules of an emulated meter", "!": "! has numbers of runs that were disturbed"}


def draw_pivot(groups: Sequence[Group], asked: Pivot, format: str = "png") -> bytes:
    """`pivot_figure` as a file in one of `PICTURE_FORMATS`."""
    return picture_bytes(pivot_figure(groups, asked), format)


def pivot_figure(groups: Sequence[Group], asked: Pivot) -> Figure:
    """A panel for each number: the median of each cell, a bar from the lowest to the highest, and a dot for each row.

    Args:
        groups: what was measured.
        asked: the trait along the axis, that of the lines, and the numbers.

    Raises `UsageError` as `pivot_cells` does, and for more lines than can be told apart.
    """
    cells = pivot_cells(groups, asked)
    across = list(dict.fromkeys(row for row, _ in cells))
    lines = list(dict.fromkeys(column for _, column in cells))
    if len(lines) > MOST_LINES:
        raise UsageError(
            f"{asked.columns} has {len(lines)} values here, and a picture shows {MOST_LINES} lines.",
            f"Name fewer runs, or turn it round: --pivot {asked.columns},{asked.rows}.",
        )
    figure = Figure(figsize=(max(6.4, 0.9 * len(across) + 2.5), 4.2 * len(asked.values)), layout="constrained")
    panels = figure.subplots(len(asked.values), 1, squeeze=False, sharex=True)[:, 0]
    seen: set[str] = set()
    for axes, name in zip(panels, asked.values, strict=True):
        seen |= _panel(axes, cells, name, across, lines)
    panels[-1].set_xticks(range(len(across)), [harmless(word) for word in across], parse_math=False)
    panels[-1].set_xlabel(_said(asked.rows, seen), fontsize=11)
    if asked.columns is not None:
        panels[0].legend(title=asked.columns, frameon=False, fontsize=9)
    return figure


def _panel(axes: Any, cells: Cells, name: str, across: list[str], lines: list[str]) -> set[str]:
    """One number; which marks it has."""
    scale, label = (100.0, f"{name} (%)") if name.endswith("accuracy") else (1.0, name)
    for number, column in enumerate(lines):
        aside = _APART * (number - (len(lines) - 1) / 2)
        found = {place: _values(cells.get((row, column), []), name, scale) for place, row in enumerate(across)}
        _line(axes, {place + aside: values for place, values in found.items() if values}, number, column)
    axes.set_ylabel(label, fontsize=11)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    doubts = doubts_of(name)
    return {mark for cell in cells.values() for group in cell for mark in marks(group.row, doubts)}


def _values(cell: Sequence[Group], name: str, scale: float) -> list[float]:
    return [scale * value for group in cell if (value := number_of(group, name)) is not None]


def _line(axes: Any, found: dict[float, list[float]], number: int, label: str) -> None:
    colour, places = COLOURS[number], list(found)
    middles = [median(values) for values in found.values()]
    below = [middle - min(values) for middle, values in zip(middles, found.values(), strict=True)]
    above = [max(values) - middle for middle, values in zip(middles, found.values(), strict=True)]
    look: dict[str, Any] = {"color": colour, "marker": _MARKERS[number], "markersize": 6, "capsize": 3}
    axes.errorbar(places, middles, yerr=[below, above], label=harmless(label), linewidth=1.5, **look)
    for place, values in found.items():
        if len(values) > 1:
            axes.plot([place] * len(values), values, ".", color=colour, markersize=4, alpha=0.5)


def _said(rows: str, seen: set[str]) -> str:
    return "\n".join([rows, *(text for mark, text in _MEANINGS.items() if mark in seen)])
