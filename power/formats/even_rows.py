"""Rows that were measured evenly and stamped unevenly, as by a host that gives each packet one stamp. Pure.

A packet's rows lie evenly between its stamp and the next one's, and each row's value is what flowed since the row
before. So the joules are those that the logger itself counts.
"""

from dataclasses import replace

import numpy as np

from power.reading.measured import Measured
from power.trace import Samples

LATE_PACKETS = 3  # a wait of so many packets is a hole


def spread(measured: Measured, first: "np.ndarray[tuple[int], np.dtype[np.intp]]", packet_s: Samples) -> Measured:
    """With times of their own for all rows.

    Args:
        measured: the rows, (n,); their times are not looked at.
        first: the place of each packet's first row, (packets,), from 0 on.
        packet_s: how long each packet's rows took, seconds, (packets,). A wait that is longer than three packets is a
            hole in front of the next.
    """
    counts = np.diff(first, append=len(measured))
    usual_s = float(np.median(packet_s))
    is_late = packet_s > LATE_PACKETS * usual_s
    took_s = np.where(is_late, usual_s, packet_s)
    begins_s = np.concatenate(([0.0], np.cumsum(packet_s)[:-1]))
    within = np.arange(len(measured)) - np.repeat(first, counts) + 1
    t_s = np.repeat(begins_s, counts) + np.repeat(took_s / counts, counts) * within
    breaks = measured.breaks.copy()
    breaks[first[1:]] |= is_late[:-1]
    return with_beginning(replace(measured, t_s=t_s, breaks=breaks).of_means(), 0.0)


def with_beginning(measured: Measured, begin_s: float) -> Measured:
    """With a row in front, from which on the first row's value holds."""
    twice = measured.rows(np.concatenate(([0], np.arange(len(measured)))))
    t_s = np.concatenate(([begin_s], measured.t_s))
    breaks = np.concatenate(([False, False], measured.breaks[1:]))
    return replace(twice, t_s=t_s, breaks=breaks)


def even_within_stamps(measured: Measured) -> Measured:
    """With the rows of one stamp spread evenly until the next, as instants; the last ones as far apart as usual."""
    first = np.flatnonzero(np.diff(measured.t_s, prepend=-np.inf) > 0.0)
    counts = np.diff(first, append=len(measured))
    steps_s = np.diff(measured.t_s[first])
    if not len(steps_s):
        return measured
    took_s = np.append(steps_s, counts[-1] * float(np.median(steps_s / counts[:-1])))
    within = np.arange(len(measured)) - np.repeat(first, counts)
    return replace(measured, t_s=measured.t_s + np.repeat(took_s / counts, counts) * within)
