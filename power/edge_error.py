"""How wrong a window's joules can be because nobody knows exactly when the meter measured. Pure.

A row says which value the meter showed, up to one poll late, and the value of a meter that averages is spread over a
whole update period. So a step of power is known to no better than one *reach*: the longest spacing of the window's
rows, plus the polls' jitter. From this come the terms of the bound, in joules:

- at each edge, reach x the range of power within two reaches of it (a step nearby may lie on its other side);
- reach x the difference of power between the edges (all rows may be late by the same, so that the window that
  was integrated lies earlier than the one that was asked for);
- inside, each change of power x the jitter. The rows of many changes are not all late together: these terms count at
  most with four times the root of their squares' sum, as independent ones do with room to spare;
- inside, each change of power x the whole wait for it, where rows before it repeat one value or a row that was due
  did not come: nothing then tells when the value before it ended.

It bounds neither what no row shows, such as a peak within an instantaneous meter's period or the power during a hole
that was allowed, nor the meter's own accuracy. It supposes a load that keeps a level for two update periods.
"""

import numpy as np
from numpy.typing import NDArray

from power.trace import Samples
from power.update_period import MISSING_PERIODS, near_median

_NEAR = 2  # reaches
_SPREAD = 4  # an even spread over [0, u] has a standard deviation of 0.29 u: this is fourteen of them


def edge_error_j(
    t_s: Samples,
    power_w: Samples,
    changed: NDArray[np.bool_],
    window_s: tuple[float, float],
    update_period_s: float,
    row_period_s: float,
) -> float:
    """The bound for a window that the rows enclose.

    Args:
        t_s: the recording's rows, seconds, (n,).
        power_w: their watts, (n,).
        changed: whether each row's value differs from the row before, (n,).
        window_s: its start and end on the same clock.
        update_period_s: seconds between two measurements, as the rows show it.
        row_period_s: how long a value may have been repeated without a row.
    """
    first = int(np.searchsorted(t_s, window_s[0], side="right")) - 1
    last = int(np.searchsorted(t_s, window_s[1], side="left"))
    spacings = np.diff(t_s[first : last + 1])
    jitter_s = float(np.ptp(near_median(spacings[spacings > 0.0])))
    reach_s = float(np.max(spacings)) + jitter_s
    near_w = sum(_range_w(t_s, power_w, edge_s, _NEAR * reach_s) for edge_s in window_s)
    between_w = abs(float(power_w[last] - power_w[first + 1]))
    steps_w = np.abs(np.diff(power_w[first : last + 1]))
    prompt = changed[first:last] & (spacings <= MISSING_PERIODS * update_period_s)
    late_j = steps_w[prompt] * jitter_s
    inside_j = min(float(np.sum(late_j)), _SPREAD * float(np.linalg.norm(late_j)))
    waits_s = np.maximum(spacings[~prompt], row_period_s)
    return reach_s * (near_w + between_w) + inside_j + float(waits_s @ steps_w[~prompt])


def _range_w(t_s: Samples, power_w: Samples, edge_s: float, within_s: float) -> float:
    """Largest minus smallest power of the rows around an edge, watts."""
    begin = np.searchsorted(t_s, edge_s - within_s, side="left")
    end = np.searchsorted(t_s, edge_s + within_s, side="right")
    return float(np.ptp(power_w[begin:end]))
