"""How often the meter renewed its reading, judged by the rows of a recording alone. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from power.errors import WindowNotCovered
from power.holes import MISSING_PERIODS
from power.trace import PowerTrace, Samples

_MANY = 10  # changes of value before their regularity means anything
_REGULAR = 0.75  # share of spacings near their median


def changes(voltage_v: Samples, current_a: Samples) -> NDArray[np.bool_]:
    """For each row, whether it differs from the row before; the first does."""
    # A first row differs from the NaN before it.
    differs: NDArray[np.bool_] = np.diff(voltage_v, prepend=np.nan) != 0.0
    differs |= np.diff(current_a, prepend=np.nan) != 0.0
    return differs


@dataclass(frozen=True)
class UpdatePeriod:
    """Seconds between two measurements, and whether changes of value show it or only the spacing of the rows.

    `usual_s` is the median of that spacing, repeats included.
    """

    period_s: float
    by_changes: bool
    usual_s: float


def estimate_update_period(trace: PowerTrace) -> UpdatePeriod:
    """Estimate the meter's update period; it comes out no shorter than one poll.

    A change of value is a new measurement for certain, so two changes in neighbouring rows are one period apart, unless
    they are further apart than rows usually are: then measurements are missing between them.
    A recording with few of them was either polled without dropping repeats, when the changes come at regular
    intervals, or had a steady load, when nothing but the spacing of the rows is known. Of the spacings chosen, the
    mean of those near their median counts: it sees through the grid of the polls, which the median does not.
    Raises `WindowNotCovered` for a trace of fewer than two measurements.
    """
    own = np.diff(trace.t_s, append=np.inf) > 0.0
    times = trace.t_s[own]
    if len(times) < 2:
        held = f"The trace holds {len(times) or 'no'} measurement{'' if len(times) else 's'}, and takes two at least."
        raise WindowNotCovered(
            " ".join((held, *trace.remarks)),
            "Record for several update periods of the meter, before the window and after it.",
        )
    # The recording begins somewhere within a period, so its first row is no change.
    changed = np.flatnonzero(changes(trace.voltage_v[own], trace.current_a[own])[1:]) + 1
    spacings = np.diff(times)
    usual_s = float(np.median(spacings))
    between = np.diff(times[changed])
    neighbouring = between[(np.diff(changed) == 1) & (between <= MISSING_PERIODS * usual_s)]
    if len(neighbouring) and 2 * len(neighbouring) >= len(between):
        return UpdatePeriod(_typical(neighbouring), True, usual_s)
    if len(between) >= _MANY and len(near_median(between)) >= _REGULAR * len(between):
        return UpdatePeriod(_typical(between), True, usual_s)
    return UpdatePeriod(_typical(spacings), False, usual_s)


def _typical(spacings: Samples) -> float:
    return float(np.mean(near_median(spacings)))


def near_median(spacings: Samples) -> Samples:
    """Those within half of their median of it: no measurement missed, none held. At least one, if any came in."""
    middle = (len(spacings) - 1) // 2
    median = np.partition(spacings, middle)[middle]
    near: Samples = spacings[np.abs(spacings - median) <= median / 2]
    return near
