"""How wrong a window's joules can be because nobody knows exactly when the meter measured. Pure.

A row says which value the meter showed, up to one poll late, and the value of a meter that averages is spread over a
whole update period. So a step of power is known to no better than one *reach*: the longest spacing of the rows or the
update period, whichever is longer, plus the polls' jitter. From this come the terms of the bound, in joules:

- at each edge, reach x the range of power in the rows from one reach before it to two behind it, where a step nearby
  shows, which may lie on its other side;
- reach x the difference of power between the edges (all rows may be late by the same, so that the window that
  was integrated lies earlier than the one that was asked for);
- inside, each change of power x the jitter. The rows of many changes are not all late together: these terms count at
  most with four times the root of their squares' sum, as independent ones do with room to spare;
- inside, each change of power x the whole wait for it, where rows before it repeat one value or a row that was due
  did not come: nothing then tells when the value before it ended.

Rows look back, so a window may begin at the first of them. But where it ends less than two reaches before the last, or
before a hole, no bound is known: a step at its end would show in rows that there are not.

It bounds neither what no row shows, such as a peak within an instantaneous meter's period or the power while
measurements are missing, nor the meter's own accuracy. It supposes what `ASSUMES` says.
"""

import numpy as np
from numpy.typing import NDArray

from power.holes import MISSING_PERIODS
from power.trace import Samples
from power.update_period import UpdatePeriod, near_median

ASSUMES = "a load that keeps each level for two update periods"
# A step so many update periods away is in no bound, as long as two reaches are no longer: polls, jitter included, may
# then delay a row by half a period.
CLEAR_PERIODS = 3
_BEHIND = 2  # reaches behind an edge in which a step at it shows
_SPREAD = 4  # an even spread over [0, u] has a standard deviation of 0.29 u: this is fourteen of them


def edge_error_j(
    t_s: Samples,
    power_w: Samples,
    changed: NDArray[np.bool_],
    window_s: tuple[float, float],
    seen: UpdatePeriod,
    row_period_s: float,
) -> float | None:
    """The bound for a window that the rows enclose; None where they end too soon after it to tell.

    Args:
        t_s: the rows without a hole that the window lies among, seconds, (n,).
        power_w: their watts, (n,).
        changed: whether each row's value differs from the row before, (n,).
        window_s: its start and end on the same clock.
        seen: seconds between two measurements, as the rows show it.
        row_period_s: how long a value may have been repeated without a row.
    """
    reach_s, jitter_s = _reach_s(t_s, window_s, seen, row_period_s)
    if window_s[1] > t_s[-1] - _BEHIND * reach_s:
        return None
    first, last = _around(t_s, window_s)
    spacings = np.diff(t_s[first : last + 1])
    near_w = sum(_range_w(t_s, power_w, at_s - reach_s, at_s + _BEHIND * reach_s) for at_s in window_s)
    between_w = abs(float(power_w[last] - power_w[first + 1]))
    steps_w = np.abs(np.diff(power_w[first : last + 1]))
    prompt = changed[first:last] & (spacings <= MISSING_PERIODS * seen.period_s)
    late_j = steps_w[prompt] * jitter_s
    inside_j = min(float(np.sum(late_j)), _SPREAD * float(np.linalg.norm(late_j)))
    waits_s = np.maximum(spacings[~prompt], row_period_s)
    return reach_s * (near_w + between_w) + inside_j + float(waits_s @ steps_w[~prompt])


def known_until_s(t_s: Samples, window_s: tuple[float, float], seen: UpdatePeriod, row_period_s: float) -> float:
    """The latest end for which the bound would be known, were the reach that of this window. Args as above."""
    return float(t_s[-1]) - _BEHIND * _reach_s(t_s, window_s, seen, row_period_s)[0]


def _around(t_s: Samples, window_s: tuple[float, float]) -> tuple[int, int]:
    """The last row at or before the start, and the first at or after the end."""
    first = int(np.searchsorted(t_s, window_s[0], side="right")) - 1
    return first, int(np.searchsorted(t_s, window_s[1], side="left"))


def _reach_s(
    t_s: Samples, window_s: tuple[float, float], seen: UpdatePeriod, row_period_s: float
) -> tuple[float, float]:
    """The reach, and the jitter in it. The longest spacing is looked for in the rows behind the end as well."""
    first, last = _around(t_s, window_s)
    spacings = np.diff(t_s[first : last + 1])
    jitter_s = float(np.ptp(near_median(spacings[spacings > 0.0])))
    # Rows that are polls come more often than the meter measures: then its period counts, as far as it is known.
    period_s = seen.period_s if seen.by_changes else max(seen.period_s, row_period_s)
    longest_s = max(float(np.max(spacings)), period_s)
    behind = int(np.searchsorted(t_s, window_s[1] + _BEHIND * (longest_s + jitter_s), side="left"))
    longest_s = float(np.max(np.diff(t_s[last : behind + 1]), initial=longest_s))
    return longest_s + jitter_s, jitter_s


def _range_w(t_s: Samples, power_w: Samples, from_s: float, to_s: float) -> float:
    """Largest minus smallest power of the rows between two instants, watts."""
    begin, end = np.searchsorted(t_s, from_s, side="left"), np.searchsorted(t_s, to_s, side="right")
    return float(np.ptp(power_w[begin:end]))
