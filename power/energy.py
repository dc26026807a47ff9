"""Pure: a trace and a window of time → joules, or an error that says why not.

Which of the two rules of `power.integration` is used follows from what the meter's values are, unless the caller
chooses; the result names it. A window must lie between two measurements, and none of the spacings it touches may be
longer than the limit. Nothing is rectified, bridged or made up.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from power.edge_error import ASSUMES, EdgeError, Rows, Timing, edge_error, known_until_s
from power.errors import MeterSettingError, MethodUnclear, SampleGap, TraceFormatError, WindowNotCovered
from power.holes import longest_wait_s
from power.integration import METHODS, RULE_FOR, EnergySum, IntegrationMethod, block_ends
from power.renewal import renewed_too_fast
from power.rows_on_change import are_changes
from power.trace import MeterFacts, PowerTrace, Samples
from power.update_period import changes, estimate_update_period

JOULES_IN_WH = 3600.0

RowNumbers = NDArray[np.intp]

ASSUMES_OF_HELD = "that a row was written at the moment of every change"


@dataclass(frozen=True)
class Energy:
    """What a window cost. Times are seconds since the trace's `t0_s`; signs are the trace's own.

    `edge_error_j` bounds what edges and changes inside can be wrong by (`power.edge_error`), for a load of which
    `edge_error_assumes` is true; it is None where too little was recorded behind the end to tell, and where the meter
    `renews_too_fast` (`power.renewal`). `peak_power_w` and
    `min_voltage_v` are those of the values that the energy is made of. `samples` counts the distinct measurements
    inside the window, edges included. `update_period_s` is estimated from the whole trace. `max_gap_s` is the largest
    spacing of measurements that touches the window; `gaps` of them, `gaps_s` long together, lack at least one
    measurement. `emulated` is None where the recording does not say, and `min_voltage_v` where it is of watts alone.
    `skipped_gaps` holes, `skipped_s` long together, are in no number (`power.skipped_gaps`); else there is none.
    """

    start_s: float
    end_s: float
    duration_s: float
    energy_j: float
    edge_error_j: float | None
    mean_power_w: float
    peak_power_w: float
    min_voltage_v: float | None
    samples: int
    update_period_s: float
    max_gap_s: float
    gaps: int
    gaps_s: float
    method: str
    sign: int
    emulated: bool | None
    edge_error_assumes: str = ASSUMES
    renews_too_fast: bool = False
    skipped_gaps: int = 0
    skipped_s: float = 0.0

    @property
    def energy_wh(self) -> float:
        """The same in watt-hours."""
        return self.energy_j / JOULES_IN_WH


@dataclass(frozen=True)
class NetEnergy:
    """A window's energy beyond what idling as long would have cost. To be shown with the gross, not alone.

    `edge_error_j` adds the gross window's and what the idle windows' make of the net; None where any is unknown.
    """

    idle_power_w: float
    idle_energy_j: float
    net_energy_j: float
    edge_error_j: float | None
    emulated: bool | None
    edge_error_assumes: str = ASSUMES


class EnergyIndex:
    """A trace made ready for many windows: built once in O(rows), it answers each in O(log rows).

    `method` None takes the rule that fits the meter's values; `max_gap_s` None allows three update periods, the
    meter's nominal ones or, where these are unknown, as many times the usual spacing of rows.
    `renews_too_fast` says that no bound of any window is known (`power.renewal`).
    Raises `WindowNotCovered` for a trace of fewer than two measurements, `TraceFormatError` for joules without end, and
    `MethodUnclear` where no method is given and the rows may hold until the next.
    """

    def __init__(
        self, trace: PowerTrace, *, method: IntegrationMethod | None = None, max_gap_s: float | None = None
    ) -> None:
        self.trace = trace = _each_row_once(trace)
        self.method: IntegrationMethod = method or _rule_for(trace)
        self._seen = estimate_update_period(trace)
        self.renews_too_fast = renewed_too_fast(trace)
        self._timing = Timing.of(trace, self._seen, self.method)
        self._limit_s = self._longest_wait_s() if max_gap_s is None else max_gap_s
        # Written so that a limit of NaN makes every spacing a hole.
        is_hole = ~(np.diff(trace.t_s) <= self._limit_s)
        is_hole[[row - 1 for row in trace.breaks]] = True
        self._holes_before = np.concatenate(([0], np.cumsum(is_hole)))
        self._changed = changes(trace.voltage_v, trace.current_a)
        with np.errstate(over="ignore", invalid="ignore"):
            self._sum = EnergySum.of(self.method, self._knots_s(), trace.power_w)
        if not np.isfinite(self._sum.sum_j).all():
            raise TraceFormatError("The joules of this trace are beyond all numbers.", "Check its times and powers.")

    @property
    def update_period_s(self) -> float:
        """Seconds between two measurements of the meter, estimated from the whole trace."""
        return self._seen.period_s

    @property
    def holes_s(self) -> list[tuple[float, float]]:
        """From when to when the trace has no measurement for longer than is allowed."""
        before = np.flatnonzero(np.diff(self._holes_before))
        return [(float(self.trace.t_s[row]), float(self.trace.t_s[row + 1])) for row in before]

    def energy_j(self, start_s: ArrayLike, end_s: ArrayLike) -> Samples:
        """Joules of many windows at once: (windows,) from their starts and ends, each (windows,) or one number.

        Raises `WindowNotCovered` or `SampleGap` for the first window that no answer can be given for.
        """
        starts, ends = np.broadcast_arrays(np.atleast_1d(start_s).astype(float), np.atleast_1d(end_s).astype(float))
        self._enclosing(starts, ends)
        return self._sum.until(ends) - self._sum.until(starts)

    def window(self, start_s: float, end_s: float) -> Energy:
        """One window with all that is known of it. Raises as `energy_j` does."""
        energy_j = float(self.energy_j(start_s, end_s)[0])
        rows = self._enclosing(np.array([start_s]), np.array([end_s]))
        times = self.trace.t_s[int(rows[0][0]) : int(rows[1][0]) + 1]
        spacings = np.diff(times)
        missing = np.zeros_like(spacings, dtype=bool) if self.method == "hold" else self._timing.missing(spacings)
        edges = self._edge_error(start_s, end_s)
        return Energy(
            start_s=start_s,
            end_s=end_s,
            duration_s=end_s - start_s,
            energy_j=energy_j,
            edge_error_j=edges.bound_j,
            mean_power_w=energy_j / (end_s - start_s),
            peak_power_w=float(np.max(self._sum.at_work(self.trace.power_w, start_s, end_s))),
            min_voltage_v=self._lowest_v(start_s, end_s),
            samples=_distinct(times[(times >= start_s) & (times <= end_s)]),
            update_period_s=self.update_period_s,
            max_gap_s=float(np.max(spacings)),
            gaps=int(np.count_nonzero(missing)),
            gaps_s=float(np.sum(spacings[missing])),
            method=METHODS[self.method],
            sign=self.trace.facts.sign,
            emulated=self.trace.facts.emulated,
            edge_error_assumes=edges.assumes,
            renews_too_fast=self.renews_too_fast,
        )

    def widest_s(self, start_s: float | None = None, end_s: float | None = None) -> tuple[float, float]:
        """Start and end of the longest window with a known edge error; an edge that is given stays where it is.

        In a recording too short for one, or of a meter that renews too fast, it ends at the last row. Raises as
        `energy_j` does for the rows from the start to the last, so that a hole is never left out in silence.
        """
        start_s = float(self.trace.t_s[0]) if start_s is None else start_s
        if end_s is not None:
            return start_s, end_s
        last_s = end_s = float(self.trace.t_s[-1])
        self._enclosing(np.array([start_s]), np.array([end_s]))
        if self.method == "hold" or self.renews_too_fast:
            return start_s, end_s
        t_s = self.trace.t_s[self._unbroken(start_s)]
        # A shorter window may have more jitter, as its rows have another median: then the end moves once more.
        while (known_s := known_until_s(t_s, (start_s, end_s), self._timing)) < end_s:
            if known_s <= start_s:
                return start_s, last_s
            end_s = known_s
        return start_s, end_s

    def require_within(self, start_s: float, end_s: float) -> None:
        """Raise `WindowNotCovered` unless measurements lie at or before the start and at or after the end."""
        self._bracketing(np.array([start_s]), np.array([end_s]))

    def _lowest_v(self, start_s: float, end_s: float) -> float | None:
        if self.trace.facts.watts_alone:
            return None
        return float(np.min(self._sum.at_work(self.trace.voltage_v, start_s, end_s)))

    def _knots_s(self) -> Samples:
        if self.method != "interval" or self.trace.facts.averaging == "row":
            return self.trace.t_s
        # A meter that another program left at a faster rate renews more often than it is known to.
        known_s = (self.trace.facts.update_period_s, self._seen.period_s if self._seen.by_changes else None)
        period_s = min((period_s for period_s in known_s if period_s is not None), default=self._timing.row_period_s)
        return block_ends(self.trace.t_s, self._changed, period_s)

    def _longest_wait_s(self) -> float:
        """Between two rows; where a value holds until the next, no row is missing however late that comes."""
        return np.inf if self.method == "hold" else longest_wait_s(self.trace.facts, self._seen.usual_s)

    def _edge_error(self, start_s: float, end_s: float) -> EdgeError:
        if self.renews_too_fast:
            return EdgeError(None, ASSUMES)
        if self.method == "hold":
            return EdgeError(None, ASSUMES_OF_HELD)
        near, trace = self._unbroken(start_s), self.trace
        rows = Rows(trace.t_s[near], trace.power_w[near], self._changed[near])
        return edge_error(rows, (start_s, end_s), self._timing)

    def _unbroken(self, at_s: float) -> slice:
        """The rows around an instant, as far as no hole lies between."""
        row = int(np.searchsorted(self.trace.t_s, at_s, side="right")) - 1
        holes = self._holes_before[row]
        begin, end = (int(np.searchsorted(self._holes_before, holes, side=side)) for side in ("left", "right"))
        return slice(begin, end)

    def _enclosing(self, starts: Samples, ends: Samples) -> tuple[RowNumbers, RowNumbers]:
        """As `_bracketing` has them, without a hole between."""
        first, last = self._bracketing(starts, ends)
        self._refuse_holes(first, last)
        return first, last

    def _bracketing(self, starts: Samples, ends: Samples) -> tuple[RowNumbers, RowNumbers]:
        """Rows that bracket each window: the last at or before its start, the first at or after its end."""
        times = self.trace.t_s
        backward = ~(starts < ends)
        if np.any(backward):
            at = int(np.argmax(backward))
            raise WindowNotCovered(
                f"The window from {starts[at]} s to {ends[at]} s has no duration.",
                "Give an end that is after the start.",
            )
        first = np.searchsorted(times, starts, side="right") - 1
        last = np.searchsorted(times, ends, side="left")
        outside = (first < 0) | (last >= len(times))
        if np.any(outside):
            at = int(np.argmax(outside))
            raise WindowNotCovered(
                f"The window from {starts[at]:.3f} s to {ends[at]:.3f} s is not covered; the trace holds from "
                f"{times[0]:.3f} s to {times[-1]:.3f} s.",
                "Start the recorder before the window and stop it one update period after, or choose a window inside.",
            )
        return first, last

    def _refuse_holes(self, first: RowNumbers, last: RowNumbers) -> None:
        broken = self._holes_before[last] > self._holes_before[first]
        if not np.any(broken):
            return
        at = int(np.argmax(broken))
        rows = slice(first[at], last[at] + 1)
        spacings = np.diff(self.trace.t_s[rows])
        widest = int(np.argmax(np.where(np.diff(self._holes_before[rows]) > 0, spacings, -1.0)))
        raise _gap(float(self.trace.t_s[rows][widest]), float(spacings[widest]), self._limit_s)


def window_energy(
    trace: PowerTrace,
    start_s: float,
    end_s: float,
    *,
    method: IntegrationMethod | None = None,
    max_gap_s: float | None = None,
) -> Energy:
    """Joules between `start_s` and `end_s`, both in seconds since `trace.t0_s`.

    Raises `WindowNotCovered` unless measurements exist at or before the start and at or after the end, and
    `SampleGap` where neighbours that touch the window are more than `max_gap_s` apart (by default three update
    periods of the meter). For many windows of one trace, make an `EnergyIndex`.
    """
    return EnergyIndex(trace, method=method, max_gap_s=max_gap_s).window(start_s, end_s)


def net_of_idle(gross: Energy, idle: Energy, *more_idle: Energy) -> NetEnergy:
    """`gross` minus the mean power of all idle windows together over the gross window's duration, in joules.

    Raises `MeterSettingError` when any was recorded with the opposite sign of the current.
    """
    windows = (idle, *more_idle)
    if any(window.sign != gross.sign for window in windows):
        raise MeterSettingError(
            "The load and the idle window were recorded with opposite signs of the current.",
            "Record both with the same sign and cabling.",
        )
    idle_s = sum(window.duration_s for window in windows)
    idle_power_w = sum(window.energy_j for window in windows) / idle_s
    idle_energy_j = idle_power_w * gross.duration_s
    supposed = [window.edge_error_assumes for window in (gross, *windows)]
    return NetEnergy(
        idle_power_w=idle_power_w,
        idle_energy_j=idle_energy_j,
        net_energy_j=gross.energy_j - idle_energy_j,
        edge_error_j=_net_error_j(gross, windows, gross.duration_s / idle_s),
        emulated=any_emulated(gross, *windows),
        edge_error_assumes=next((more for more in supposed if more != ASSUMES), ASSUMES),
    )


def _net_error_j(gross: Energy, idle: tuple[Energy, ...], idle_share: float) -> float | None:
    """The gross window's error, and for each joule of the idle windows' errors `idle_share` joules more."""
    of_idle_j = [window.edge_error_j for window in idle if window.edge_error_j is not None]
    if gross.edge_error_j is None or len(of_idle_j) < len(idle):
        return None
    return gross.edge_error_j + idle_share * sum(of_idle_j)


def _rule_for(trace: PowerTrace) -> IntegrationMethod:
    """That of the meter's values. Raises `MethodUnclear` where nobody says what they are and they look like changes."""
    if are_changes(trace):
        held_j, lines_j = (EnergySum.of(method, trace.t_s, trace.power_w).sum_j[-1] for method in ("hold", "trapezoid"))
        raise MethodUnclear(
            "The rows come at uneven times and no two behind one another are equal, as where a row is written when the "
            "value changes: each value then holds until the next row, and straight lines between make other joules.",
            f"Say which they are: --method hold for changes, and a load as power emulate plays it ({held_j:.4g} J in "
            f"all), or --method trapezoid for samples of a curve ({lines_j:.4g} J).",
        )
    return RULE_FOR[trace.facts.averaging]


def _gap(at_s: float, spacing_s: float, limit_s: float) -> SampleGap:
    choose = "Measure again with the meter answering throughout, choose a window without the hole"
    skip = "have what lies outside it summed up (groupnl power integrate --skip-gaps)"
    if spacing_s <= limit_s:
        return SampleGap(
            f"The recording itself says that measurements are missing between {at_s:.3f} s and "
            f"{at_s + spacing_s:.3f} s.",
            f"{choose}, or {skip}.",
        )
    return SampleGap(
        f"No measurement for {spacing_s:.3f} s after {at_s:.3f} s; at most {limit_s:.3f} s are allowed.",
        f"{choose}, {skip}, or allow so long a wait, across which power is then made up "
        f"(--max-gap {math.ceil(spacing_s * 10) / 10:g}).",
    )


def _distinct(times: Samples) -> int:
    return int(np.count_nonzero(np.diff(times))) + min(len(times), 1)


def _each_row_once(trace: PowerTrace) -> PowerTrace:
    """Without the rows that say the same of the same instant as the row before."""
    own = changes(trace.voltage_v, trace.current_a)
    own[1:] |= np.diff(trace.t_s) > 0.0
    own[list(trace.breaks)] = True
    if own.all():
        return trace
    breaks = tuple(int(own[:row].sum()) for row in trace.breaks)
    columns = {name: getattr(trace, name)[own] for name in ("t_s", "voltage_v", "current_a")}
    return replace(trace, **columns, breaks=breaks)


def any_emulated(*parts: Energy | NetEnergy | MeterFacts) -> bool | None:
    """True if any part is, None if that is unknown of any and none is, False when a real meter measured all."""
    said = {part.emulated for part in parts}
    return True if True in said else None if None in said else False
