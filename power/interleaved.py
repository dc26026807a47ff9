"""Two recordings sorted into one: where both hold the same time, rows of one and the other come in turn. Pure.

A clock that is set back makes the time of a file fall, and sorting its rows mends the order and nothing else: what took
forty seconds becomes thirty. It shows where the rows suddenly come twice as often as before or after, each of one clock
with the row but one before it: by their values, which jump to and fro, or by their times, far and near in turn.
"""

import numpy as np
from numpy.typing import NDArray

from power.errors import ImplausibleTrace
from power.trace import Samples

RUN = 10  # rows in turn, before it is no chance
_OUTSIDE = 3  # spacings that tell of one recording's own period
_SAME = 0.3  # a row is as the one but one before: of the step between
_PERIOD = 0.1  # how far two periods may be apart that are one

Mask = NDArray[np.bool_]


def refuse_interleaved(what: str, t_s: Samples, voltage_v: Samples, current_a: Samples) -> None:
    """Raise `ImplausibleTrace` for columns of two recordings, (rows,) each in the order of time; `what` is the file."""
    spacings = np.diff(t_s)
    if len(spacings) < RUN + _OUTSIDE:
        return
    for in_turn in (_to_and_fro(voltage_v * current_a), _far_and_near(spacings)):
        inside = _long_runs(in_turn)
        if _doubles_there(t_s, spacings, inside):
            at_s = t_s[int(np.argmax(inside))]
            raise ImplausibleTrace(
                f"{what}: from {at_s:.9g} s on the rows come twice as often and belong by turns to two recordings that "
                "were sorted into one.",
                "Integrate each of the recordings by itself, as they were before they were sorted; if it is one, say "
                "--allow-implausible.",
            )


def _to_and_fro(power_w: Samples) -> Mask:
    """For each row but the last two, whether the next but one is at its height and the next is not."""
    step_w, two_w = np.abs(np.diff(power_w)), np.abs(power_w[2:] - power_w[:-2])
    found: Mask = two_w < _SAME * np.minimum(step_w[1:], step_w[:-1])
    return found


def _far_and_near(spacings: Samples) -> Mask:
    """For each row but the last two, whether the spacings behind it differ, and the next but one is as the first."""
    two_s = spacings[1:] + spacings[:-1]
    unlike = np.abs(spacings[1:] - spacings[:-1]) > _PERIOD * two_s
    alike = np.append(np.abs(spacings[2:] - spacings[:-2]) < _PERIOD / 2 * two_s[:-1], True)
    found: Mask = unlike & alike
    return found


def _long_runs(found: Mask) -> Mask:
    """Those that are among `RUN` behind one another."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], found, [False])))).reshape(-1, 2)
    begins, ends = edges[edges[:, 1] - edges[:, 0] >= RUN].T
    turns = np.zeros(len(found) + 1, dtype=np.int8)
    turns[begins], turns[ends] = 1, -1
    long: Mask = np.cumsum(turns[:-1], dtype=np.int8) > 0
    return long


def _doubles_there(t_s: Samples, spacings: Samples, inside: Mask) -> bool:
    """Whether a row and the next but one are as far apart there as neighbours are elsewhere."""
    touched = np.append(inside, [False])
    touched[1:] |= inside  # the spacings of a row that is in turn with its neighbours
    outside = spacings[~touched]
    if not inside.any() or len(outside) < _OUTSIDE:
        return False
    there = float(np.median((t_s[2:] - t_s[:-2])[inside]))
    return abs(there / float(np.median(outside)) - 1) < _PERIOD
