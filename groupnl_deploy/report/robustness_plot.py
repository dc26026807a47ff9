"""Errors under corruptions as a picture: a heat map for each network, a square for each corruption and severity."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.record import EvaluationRecord
from groupnl_deploy.images.corrupted import BY_CATEGORY, CORRUPTIONS, corruption_words
from groupnl_deploy.report.evaluations import headlines, names_of
from groupnl_deploy.report.pictures import picture_bytes

MOST_NETWORKS = 6
_SIDE, _BESIDE, _ABOVE = 0.34, 2.3, 1.5  # inches: of a square, for the corruptions' names, for title and axis
_DARK = 0.6  # an error from which on numbers are white


def draw_robustness(records: Sequence[EvaluationRecord], format: str = "png") -> bytes:
    """The darker, the more images were answered wrongly; one scale, from 0 to 100 %, for all networks.

    Args:
        records: with corrupted images, at most `MOST_NETWORKS`.
        format: one of `report.pictures.PICTURE_FORMATS`.

    Raises `UsageError` for none, and for more than fit.
    """
    if not 0 < len(records) <= MOST_NETWORKS:
        raise UsageError(
            f"A picture shows 1 to {MOST_NETWORKS} networks under corruptions, and there are {len(records)}.",
            "Name those that are to be drawn, and --corruptions where none was evaluated.",
        )
    corruptions = [name for name in BY_CATEGORY if any(name in record.errors for record in records)]
    levels = sorted({level for record in records for row in record.errors.values() for level in row})
    columns = min(len(records), 3)
    rows = math.ceil(len(records) / columns)
    width = max(2.6, 2 * _SIDE * (len(levels) + 1))
    size = (_BESIDE + columns * width + 1.0, rows * (_SIDE * len(corruptions) + _ABOVE))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, record, name in zip(panels, records, names_of(records), strict=False):
        image = _panel(axes, record, name, corruptions, levels, int(11 * width))
    for axes in panels[len(records) :]:
        axes.set_axis_off()
    figure.colorbar(image, ax=panels, label="top-1 error", shrink=0.6, format="{x:.0%}")
    return picture_bytes(figure, format)


def _panel(
    axes: Any, record: EvaluationRecord, name: str, corruptions: Sequence[str], levels: Sequence[int], letters: int
) -> Any:
    """One network; the last column is the mean over the severities."""
    errors = record.errors
    means = {} if record.robustness is None else record.robustness.corruption_errors
    table = np.array(
        [
            [*(errors.get(row, {}).get(level, math.nan) for level in levels), means.get(row, math.nan)]
            for row in corruptions
        ]
    )
    image = axes.imshow(np.ma.masked_invalid(table), cmap="Oranges", vmin=0, vmax=1, aspect="auto")
    for row, column in np.argwhere(~np.isnan(table)):
        value = table[row, column]
        colour = "white" if value > _DARK else "black"
        axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(levels) + 1), [*map(str, levels), "mean"], fontsize=8)
    axes.set_xlabel("severity", fontsize=8)
    axes.set_yticks(range(len(corruptions)), list(map(corruption_words, corruptions)), fontsize=8)
    axes.axvline(len(levels) - 0.5, color="white", linewidth=2)
    for place in range(1, len(corruptions)):
        if CORRUPTIONS[corruptions[place]] != CORRUPTIONS[corruptions[place - 1]]:
            axes.axhline(place - 0.5, color="black", linewidth=0.8)
    title = [line for text in (name, *headlines(record)) for line in textwrap.wrap(text, letters)]
    axes.set_title("\n".join(title), fontsize=9, parse_math=False)
    return image
