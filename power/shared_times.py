"""Several rows at one time stamp: which of them count. Pure.

A clock with few digits, or a program that stamps a whole packet, gives many rows one time. By the time alone each but
the last of them held for nothing, so that joules would be made of one row in each packet. Two things are no such rows:
the same row written twice, which says nothing new, and a *step*, the value before it and the value after it at one
instant, as in a load drawn by hand.
"""

import numpy as np
from numpy.typing import NDArray

from power.errors import TraceFormatError
from power.trace import Samples
from power.update_period import changes

_REMEDY = (
    "Give each row a time of its own: where the rows were measured evenly, say the seconds between two of them: "
    "--every 0.01, here or with groupnl power import."
)
Places = NDArray[np.intp]


def refuse_shared_times(what: str, t_s: Samples, voltage_v: Samples, current_a: Samples) -> None:
    """Raise `TraceFormatError` where rows of one time differ and are no step.

    The columns are (rows,) each, in the order of time; `what` names their file.
    """
    first = np.flatnonzero(np.diff(t_s, prepend=-np.inf) > 0.0)  # where each stamp begins
    if len(first) == len(t_s):
        return
    counts = np.diff(first, append=len(t_s))
    differs = changes(voltage_v, current_a)
    differs[first] = False
    several = np.add.reduceat(differs, first) > 0
    wrong = several & ~_are_steps(several, counts, first, voltage_v, current_a)
    wrong |= several & (len(first) == 1)  # a step of no duration before it or after it
    if np.any(wrong):
        raise _refusal(what, t_s, first, counts, int(np.argmax(wrong)))


def _are_steps(
    several: NDArray[np.bool_], counts: Places, first: Places, voltage_v: Samples, current_a: Samples
) -> NDArray[np.bool_]:
    """For each stamp whether its rows can be the two sides of a step: a pair, and where the next stamp has another,
    the level between the two is one."""
    pairs: NDArray[np.bool_] = several & (counts == 2)
    level_ends = (first + 1)[:-1]  # the second row of a pair, where one is
    level_ends = np.minimum(level_ends, len(voltage_v) - 1)
    next_begins = first[1:]
    held = (voltage_v[level_ends] == voltage_v[next_begins]) & (current_a[level_ends] == current_a[next_begins])
    apart = held | ~(several[:-1] & several[1:])
    steps = pairs.copy()
    steps[:-1] &= apart
    steps[1:] &= apart
    return steps


def _refusal(what: str, t_s: Samples, first: Places, counts: Places, stamp: int) -> TraceFormatError:
    at_s = t_s[first[stamp]]
    if len(first) == 1:
        return TraceFormatError(
            f"{what}: all its {len(t_s)} rows have the one time {at_s:.9g} s.",
            "Export t_s with all its digits: a spreadsheet shortens the times that it shows. " + _REMEDY,
        )
    shared = int(np.count_nonzero(counts > 1)) - 1
    others = f", as have those of {shared} other time stamps" if shared else ""
    return TraceFormatError(
        f"{what}: {counts[stamp]} rows that differ have the one time {at_s:.9g} s{others}; which of them held for how "
        "long is not known.",
        f"{_REMEDY} If two recordings were sorted into one, integrate each by itself.",
    )
