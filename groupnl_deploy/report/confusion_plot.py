"""What models took for what, as a picture: a square for each pair of classes, as bytes of a picture file."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from groupnl_deploy.errors import UsageError
from groupnl_deploy.report.classes import ClassSection, shortened
from groupnl_deploy.report.pictures import picture_bytes

MOST_MODELS = 6
_MOST_NUMBERS, _MOST_NAMES = 25, 60  # classes; of more the squares are too small for numbers, and then for names
_LONGEST_NAME = 18
_SMALLEST, _LARGEST = 4.2, 14.0  # inches, of a model's square
_DARK = 0.55  # a share from which on numbers are white


def draw_confusion(sections: Sequence[ClassSection], format: str = "png") -> bytes:
    """One square of squares for each model; the darker, the larger the share of a true class that was answered so.

    Args:
        sections: the models, at most `MOST_MODELS`.
        format: one of `report.pictures.PICTURE_FORMATS`.

    Raises `UsageError` for none, and for more than fit.
    """
    if not 0 < len(sections) <= MOST_MODELS:
        raise UsageError(
            f"A picture shows 1 to {MOST_MODELS} models, and these runs have {len(sections)} with labels.",
            "Name the runs that are to be drawn.",
        )
    columns = min(len(sections), 2 if len(sections) <= 4 else 3)
    rows = math.ceil(len(sections) / columns)
    side = min(_LARGEST, max(_SMALLEST, 1.6 + 0.38 * max(len(one.confusion.class_names) for one in sections)))
    figure = Figure(figsize=(side * columns + 1, (side + 0.7) * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, section in zip(panels, sections, strict=False):
        image = _panel(axes, section, side)
    for axes in panels[len(sections) :]:
        axes.set_axis_off()
    figure.colorbar(image, ax=panels, label="share of the true class", shrink=0.6, format="{x:.0%}")
    return picture_bytes(figure, format)


def _panel(axes: Any, section: ClassSection, side: float) -> Any:
    confusion = section.confusion
    counts = np.array(confusion.matrix)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    _name_axes(axes, confusion.class_names)
    if len(counts) <= _MOST_NUMBERS:
        for true, answered in np.argwhere(counts):
            colour = "white" if shares[true, answered] > _DARK else "black"
            axes.text(answered, true, counts[true, answered], ha="center", va="center", color=colour, fontsize=8)
    said = (section.model, str(confusion))
    lines = [line for text in said for line in textwrap.wrap(_drawable(text), int(10 * side))]
    axes.set_title("\n".join(lines), fontsize=9, parse_math=False)
    return image


def _name_axes(axes: Any, names: Sequence[str]) -> None:
    axes.set_xlabel("answered")
    axes.set_ylabel("true class")
    if len(names) > _MOST_NAMES:
        return
    drawn = [name if name == _drawable(name) else str(label) for label, name in enumerate(names)]
    places, words = range(len(names)), shortened(drawn, _LONGEST_NAME)
    long = max(map(len, words)) > 2
    turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if long else {}
    axes.set_xticks(places, words, fontsize=8, parse_math=False, **turned)
    axes.set_yticks(places, words, fontsize=8, parse_math=False)


def _drawable(text: str) -> str:
    """With a question mark for each letter that the font lacks; a class is drawn as its number then."""
    known = get_font(findfont(FontProperties())).get_charmap()
    return "".join(letter if ord(letter) in known else "?" for letter in text)
