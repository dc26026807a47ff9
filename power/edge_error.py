"""How wrong a window's joules can be because nobody knows exactly when the meter measured. Pure.

A reply comes late, and the value of a meter that averages is spread over a period. So a step of power is known to no
better than one *reach* of time: the longest spacing of the rows or the update period, plus the lateness. The bound sums
what steps may cost at the edges, inside and where measurements are missing. docs/measuring-energy.md derives each term.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from power.holes import MISSING_PERIODS, row_period_s
from power.integration import IntegrationMethod
from power.trace import PowerTrace, Samples
from power.update_period import UpdatePeriod, near_median

LEVEL_PERIODS = 2  # those of the next line
ASSUMES = "a load that keeps each level for two update periods"
ASSUMES_OF_GAPS = (
    f"{ASSUMES} and, while measurements are missing, stays between nothing and the largest power of the recording"
)
# A step so many update periods away is in no bound, as long as two reaches are no longer: polls, jitter included, may
# then delay a row by half a period.
CLEAR_PERIODS = 3
_REACHES_BEHIND = 2  # behind an edge in which a step at it shows


@dataclass(frozen=True)
class Timing:
    """What a recording's rows tell of time, and what they may hide.

    `seen` is the time between two measurements as the rows show it, `row_period_s` how long a value may have been
    repeated without a row, `poll_period_s` how often the meter was asked. `exact_means` says that each value is a mean
    and is integrated as one, `of_instants` that none is. `hidden_w` is how far apart two powers may be of which no row
    tells.
    """

    seen: UpdatePeriod
    row_period_s: float
    poll_period_s: float
    exact_means: bool
    of_instants: bool
    hidden_w: float

    @classmethod
    def of(cls, trace: PowerTrace, seen: UpdatePeriod, method: IntegrationMethod) -> "Timing":
        """That of a recording which is integrated by `method`."""
        facts, power_w = trace.facts, trace.power_w
        return cls(
            seen=seen,
            row_period_s=row_period_s(facts, seen.usual_s),
            poll_period_s=facts.poll_period_s or seen.usual_s,
            exact_means=method == "interval" and facts.averaging != "instant",
            of_instants=facts.averaging == "instant",
            hidden_w=float(np.max(power_w, initial=0.0) - np.min(power_w, initial=0.0)),
        )

    def missing(self, spacings: Samples) -> NDArray[np.bool_]:
        """For each time between two rows, seconds, whether at least one measurement is missing in it."""
        lacking: NDArray[np.bool_] = spacings > MISSING_PERIODS * self.row_period_s
        return lacking

    def hides(self, spacings: Samples) -> NDArray[np.bool_]:
        """Whether a level may have come and gone, or may show in part alone, between two rows so far apart."""
        if not self.of_instants:
            return self.missing(spacings)
        hiding: NDArray[np.bool_] = spacings > LEVEL_PERIODS * self.row_period_s
        return hiding


@dataclass(frozen=True)
class EdgeError:
    """The bound in joules, None where the rows end too soon behind the window to tell, and what it supposes."""

    bound_j: float | None
    assumes: str


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows without a hole that a window lies among, (n,); `changed`: the value is not that of the row before."""

    t_s: Samples
    power_w: Samples
    changed: NDArray[np.bool_]


def edge_error(rows: Rows, window_s: tuple[float, float], timing: Timing) -> EdgeError:
    """The bound for the window from `window_s[0]` to `window_s[1]`, on the rows' clock, which they enclose."""
    reach_s, late_s = _reach_s(rows.t_s, window_s, timing)
    if window_s[1] > rows.t_s[-1] - _REACHES_BEHIND * reach_s:
        return EdgeError(None, ASSUMES)
    first, last = _around(rows.t_s, window_s)
    edges = [_near(rows, at_s, reach_s, timing) for at_s in window_s]
    between_w = abs(float(rows.power_w[last] - rows.power_w[first + 1]))
    within = slice(first, last + 1)
    inside_j = _inside_j(Rows(rows.t_s[within], rows.power_w[within], rows.changed[within]), late_s, timing)
    bound_j = reach_s * (sum(near_w for near_w, _ in edges) + between_w) + inside_j
    blind = any(hidden for _, hidden in edges) or bool(np.any(timing.hides(np.diff(rows.t_s[within]))))
    return EdgeError(bound_j, ASSUMES_OF_GAPS if blind else ASSUMES)


def known_until_s(t_s: Samples, window_s: tuple[float, float], timing: Timing) -> float:
    """The latest end for which the bound would be known, were the reach that of this window. Rows are `t_s`, (n,)."""
    return float(t_s[-1]) - _REACHES_BEHIND * _reach_s(t_s, window_s, timing)[0]


def _around(t_s: Samples, window_s: tuple[float, float]) -> tuple[int, int]:
    """The last row at or before the start, and the first at or after the end."""
    first = int(np.searchsorted(t_s, window_s[0], side="right")) - 1
    return first, int(np.searchsorted(t_s, window_s[1], side="left"))


def _reach_s(t_s: Samples, window_s: tuple[float, float], timing: Timing) -> tuple[float, float]:
    """The reach, and the lateness in it. The longest spacing is looked for in the rows behind the end as well."""
    first, last = _around(t_s, window_s)
    spacings = np.diff(t_s[first : last + 1])
    late_s = timing.poll_period_s + float(np.ptp(near_median(spacings[spacings > 0.0])))
    # Rows that are polls come more often than the meter measures: then its period counts, as far as it is known.
    seen = timing.seen
    period_s = seen.period_s if seen.by_changes else max(seen.period_s, timing.row_period_s)
    # What a long wait inside the window hides counts whole, and makes nothing near its edges doubtful.
    longest_s = float(np.max(spacings[~timing.hides(spacings)], initial=period_s))
    behind = int(np.searchsorted(t_s, window_s[1] + _REACHES_BEHIND * (longest_s + late_s), side="left"))
    longest_s = float(np.max(np.diff(t_s[last : behind + 1]), initial=longest_s))
    return longest_s + late_s, late_s


def _near(rows: Rows, at_s: float, reach_s: float, timing: Timing) -> tuple[float, bool]:
    """How far apart the powers near an edge are, watts, and whether measurements of them are missing."""
    begin = int(np.searchsorted(rows.t_s, at_s - reach_s, side="left"))
    end = int(np.searchsorted(rows.t_s, at_s + _REACHES_BEHIND * reach_s, side="right"))
    if np.any(timing.hides(np.diff(rows.t_s[max(begin - 1, 0) : end + 1]))):
        return timing.hidden_w, True
    return float(np.ptp(rows.power_w[begin:end])), False


def _inside_j(rows: Rows, late_s: float, timing: Timing) -> float:
    """What the changes among the window's own rows may have been too early or too late by, joules."""
    spacings, steps_w = np.diff(rows.t_s), np.abs(np.diff(rows.power_w))
    hidden = timing.hides(spacings)
    prompt = ~hidden & rows.changed[:-1] & (spacings <= MISSING_PERIODS * timing.seen.period_s)
    # An instant that rows repeat lies up to the meter's own period back; a mean began that long before it came.
    wait_s = timing.row_period_s if timing.exact_means else max(timing.row_period_s, timing.seen.period_s)
    unsure_s = np.maximum(spacings, wait_s) + late_s
    unsure_s[prompt] = (late_s if timing.exact_means else spacings[prompt] + late_s) / 2
    steps_w[hidden] = timing.hidden_w
    return float(unsure_s @ steps_w)
