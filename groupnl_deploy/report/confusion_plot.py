"""Which class was taken for which, as a picture."""

import numpy as np
from matplotlib.figure import Figure

from groupnl_deploy.images.confusion import Confusion, interval_text
from groupnl_deploy.report.pictures import picture_bytes

_MOST_NUMBERS, _MOST_NAMES = 20, 60  # classes whose counts, or names, can still be read
_LONGEST_NAME = 20
_LEAST_SIDE, _MOST_SIDE, _PER_CLASS = 4.0, 14.0, 0.42  # inches
_DARK = 0.5  # a share above this has white text


def draw_confusion(confusion: Confusion, title: str, format: str) -> bytes:
    """A square for each true class and each answer, as dark as the share of the class's images that it holds.

    Args:
        confusion: the counts.
        title: of the picture.
        format: one of `PICTURE_FORMATS`.
    """
    counts = np.array(confusion.matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…" for name in confusion.class_names]
    side = min(_MOST_SIDE, max(_LEAST_SIDE, _PER_CLASS * len(names)))
    figure = Figure(figsize=(side + 1.5, side + 1), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="answer", ylabel="true class")
    axes.set_title(f"{title}\n{100 * confusion.accuracy:.1f} %, {interval_text(confusion.interval)}", fontsize=10)
    if len(names) <= _MOST_NAMES:
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
        axes.set_yticks(range(len(names)), names, fontsize=8)
    if len(names) <= _MOST_NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > _DARK else "black"
            axes.text(column, row, str(count) if count else "", ha="center", va="center", color=colour, fontsize=8)
    return picture_bytes(figure, format)
