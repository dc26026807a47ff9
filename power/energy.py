"""Pure: a trace and a window of time → joules, or an error that says why not.

The rule is the trapezoid over V·I with the power interpolated at both edges of the window. For a meter
that reports means over its update period, a step of power near or inside the window moves the result by up
to step × update period (plus one poll): 5 W at two readings a second is 2.5 J per edge.
"""

from dataclasses import dataclass

import numpy as np

from power.errors import MeterSettingError, SampleGap, WindowNotCovered
from power.trace import PowerTrace, Samples

METHOD = "trapezoid, edges interpolated"
DEFAULT_GAP_PERIODS = 3


@dataclass(frozen=True)
class Energy:
    """What a window cost. Times are seconds since the trace's `t0_s`; signs are the trace's own.

    `peak_power_w` and `min_voltage_v` include the interpolated edges. `samples` counts the distinct
    measurements inside the window, edges included. `update_period_s` is estimated: the median spacing of the
    whole trace's rows, so its resolution is one poll. `max_gap_s` is the largest spacing of neighbouring
    measurements that touch the window.
    """

    start_s: float
    end_s: float
    duration_s: float
    energy_j: float
    mean_power_w: float
    peak_power_w: float
    min_voltage_v: float
    samples: int
    update_period_s: float
    max_gap_s: float
    method: str
    sign: int
    emulated: bool


@dataclass(frozen=True)
class NetEnergy:
    """A window's energy beyond what idling as long would have cost. To be shown with the gross, not alone."""

    idle_power_w: float
    idle_energy_j: float
    net_energy_j: float
    emulated: bool


def window_energy(trace: PowerTrace, start_s: float, end_s: float, max_gap_s: float | None = None) -> Energy:
    """Joules between `start_s` and `end_s`, both in seconds since `trace.t0_s`.

    Raises `WindowNotCovered` unless measurements exist at or before the start and at or after the end, and
    `SampleGap` where neighbours that touch the window are more than `max_gap_s` apart (by default three
    nominal update periods of the meter).
    """
    first, last = _enclosing(trace.t_s, start_s, end_s)
    around = slice(first, last + 1)
    times = trace.t_s[around]
    widest_s = float(np.max(np.diff(times)))
    _refuse_hole(times, widest_s, _gap_limit(trace, max_gap_s))
    at = np.concatenate(([start_s], times[1:-1], [end_s]))
    power = _with_edges(at, times, trace.power_w[around])
    energy_j = float(np.sum(np.diff(at) * (power[1:] + power[:-1])) / 2.0)
    return Energy(
        start_s=start_s,
        end_s=end_s,
        duration_s=end_s - start_s,
        energy_j=energy_j,
        mean_power_w=energy_j / (end_s - start_s),
        peak_power_w=float(np.max(power)),
        min_voltage_v=float(np.min(_with_edges(at, times, trace.voltage_v[around]))),
        samples=_distinct_inside(times, start_s, end_s),
        update_period_s=_median_spacing(trace.t_s),
        max_gap_s=widest_s,
        method=METHOD,
        sign=trace.facts.sign,
        emulated=trace.facts.emulated,
    )


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
    idle_power_w = sum(window.energy_j for window in windows) / sum(window.duration_s for window in windows)
    idle_energy_j = idle_power_w * gross.duration_s
    return NetEnergy(
        idle_power_w=idle_power_w,
        idle_energy_j=idle_energy_j,
        net_energy_j=gross.energy_j - idle_energy_j,
        emulated=gross.emulated or any(window.emulated for window in windows),
    )


def _enclosing(times: Samples, start_s: float, end_s: float) -> tuple[int, int]:
    """Rows that bracket the window: the last at or before its start, the first at or after its end."""
    if not start_s < end_s:
        raise WindowNotCovered(
            f"The window from {start_s} s to {end_s} s has no duration.", "Give an end that is after the start."
        )
    first = int(np.searchsorted(times, start_s, side="right")) - 1
    last = int(np.searchsorted(times, end_s, side="left"))
    if first < 0 or last >= len(times):
        held = f"from {times[0]:.3f} s to {times[-1]:.3f} s" if len(times) else "no measurement at all"
        raise WindowNotCovered(
            f"The window from {start_s:.3f} s to {end_s:.3f} s is not covered; the trace holds {held}.",
            "Start the recorder before the window and stop it one update period after, or choose a window inside.",
        )
    return first, last


def _gap_limit(trace: PowerTrace, max_gap_s: float | None) -> float:
    return DEFAULT_GAP_PERIODS * trace.facts.update_period_s if max_gap_s is None else max_gap_s


def _refuse_hole(times: Samples, widest_s: float, limit_s: float) -> None:
    # Written so that a limit of NaN refuses too.
    if not widest_s <= limit_s:
        after_s = times[int(np.argmax(np.diff(times)))]
        raise SampleGap(
            f"No measurement for {widest_s:.3f} s after {after_s:.3f} s; at most {limit_s:.3f} s are allowed.",
            "Measure again with the meter answering throughout, or choose a window without the hole.",
        )


def _with_edges(at: Samples, times: Samples, values: Samples) -> Samples:
    """Values inside the window as they are, and those at its two edges interpolated."""
    start = np.interp(at[0], times[:2], values[:2])
    end = np.interp(at[-1], times[-2:], values[-2:])
    return np.concatenate(([start], values[1:-1], [end]))


def _distinct_inside(times: Samples, start_s: float, end_s: float) -> int:
    return len(np.unique(times[(times >= start_s) & (times <= end_s)]))


def _median_spacing(times: Samples) -> float:
    """Seconds. Rows that share an instant are one measurement."""
    return float(np.median(np.diff(np.unique(times))))
