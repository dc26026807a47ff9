"""Fewer points for the same picture: in each column of dots the first, last, lowest and highest are kept. Pure.

What is left out would fall on a dot that is drawn anyway (Jugel et al., M4: A Visualization-Oriented Time Series Data
Aggregation, VLDB 2014). Nothing is averaged, so no peak is lost. No number is ever computed from what is left.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from power.trace import Samples

Rows = npt.NDArray[np.intp]
KEPT = 4  # points of a column


def rows_to_draw(t_s: Samples, values: Samples, holes_s: Sequence[tuple[float, float]], columns: int) -> Rows:
    """The rows that give the same picture as all: in each column of dots the first, last, lowest and highest.

    The rows on both sides of every hole are among them. All rows, where they are few.
    """
    if len(t_s) <= KEPT * columns:
        return np.arange(len(t_s))
    borders = np.searchsorted(t_s, np.linspace(t_s[0], t_s[-1], columns + 1)[:-1])
    at_holes = np.searchsorted(t_s, [begin for begin, _ in holes_s], side="right")
    kept: list[Rows] = [at_holes - 1, at_holes, np.array([len(t_s) - 1])]
    for begin, end in pairwise([*borders, len(t_s)]):
        if begin < end:
            part = values[begin:end]
            kept.append(np.array([begin, begin + np.argmin(part), begin + np.argmax(part), end - 1]))
    return np.unique(np.concatenate(kept))


def broken_at_holes(
    t_s: Samples, holes_s: Sequence[tuple[float, float]], *values: Samples, at: float = 1.0
) -> tuple[Samples, tuple[Samples, ...]]:
    """With a NaN in each hole, where a drawing lifts its pen.

    It stands at the hole's end, where matplotlib's steps would begin; `at` is another share of the way there.
    """
    after = np.searchsorted(t_s, [begin for begin, _ in holes_s], side="right")
    times = np.insert(t_s, after, [begin + at * (end - begin) for begin, end in holes_s])
    return times, tuple(np.insert(one, after, np.nan) for one in values)
