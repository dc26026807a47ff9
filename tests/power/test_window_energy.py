"""Joules with known answers, and laws that hold for any trace."""

import math
from bisect import bisect_right
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.energy import net_of_idle, window_energy
from power.errors import MeterSettingError, PowerError, SampleGap, TraceFormatError, WindowNotCovered
from power.meters.base import Measurement
from power.recorder import is_repeat
from power.trace import MeterFacts, PowerTrace

TEN_HZ = [tenth / 10 for tenth in range(31)]


def trace_of(t_s, power_w, period_s=0.5):
    facts = MeterFacts("km003c", "serial", "/dev/ttyACM0", False, 1, "vbus/ibus instantaneous", period_s)
    return PowerTrace(facts, 0.0, "2026-01-02T03:04:05+00:00", t_s, [1.0] * len(t_s), power_w)


def test_steady_5_w_with_interpolated_edges(make_trace) -> None:
    energy = window_energy(make_trace(TEN_HZ, [5.0] * 31, voltage_v=5.0, update_period_s=0.1), 1.05, 1.35)
    assert energy.energy_j == pytest.approx(1.5, abs=1e-12)
    assert energy.mean_power_w == pytest.approx(5.0, abs=1e-12)
    assert (energy.samples, energy.min_voltage_v) == (3, 5.0)
    assert energy.update_period_s == pytest.approx(0.1)
    assert energy.max_gap_s == pytest.approx(0.1)
    assert energy.duration_s == pytest.approx(0.3)
    assert energy.method == "trapezoid, edges interpolated"


def test_ramp(make_trace) -> None:
    energy = window_energy(make_trace(TEN_HZ, TEN_HZ), 1.05, 1.35)
    assert energy.energy_j == pytest.approx(0.36, abs=1e-12)
    assert energy.peak_power_w == pytest.approx(1.35)


def test_worked_example_with_and_without_edges(make_trace) -> None:
    trace = make_trace([0.0, 0.5, 1.0, 1.5, 2.0], [2.0, 2.0, 4.0, 4.0, 2.0])
    assert window_energy(trace, 0.0, 2.0).energy_j == pytest.approx(6.0, abs=1e-12)
    assert window_energy(trace, 0.25, 1.75).energy_j == pytest.approx(4.875, abs=1e-12)
    assert window_energy(trace, 0.0, 2.0).samples == 5


def test_step_from_2_w_to_6_w(make_trace) -> None:
    trace = make_trace([0.0, 0.5, 1.0, 1.5, 2.0], [2.0, 2.0, 6.0, 6.0, 6.0])
    energy = window_energy(trace, 0.25, 1.75)
    assert energy.energy_j == pytest.approx(0.5 + 2.0 + 4.5, abs=1e-12)
    assert energy.peak_power_w == 6.0


def test_negative_current_stays_negative(make_trace) -> None:
    energy = window_energy(make_trace(TEN_HZ, [-5.0] * 31), 1.05, 1.35)
    assert energy.energy_j == pytest.approx(-1.5, abs=1e-12)
    assert energy.peak_power_w == -5.0


def test_a_window_between_two_samples(make_trace) -> None:
    energy = window_energy(make_trace([0.0, 1.0], [0.0, 2.0]), 0.25, 0.75)
    assert energy.energy_j == pytest.approx(0.5, abs=1e-12)
    assert energy.samples == 0


def test_lowest_voltage_includes_the_edges() -> None:
    facts = MeterFacts("km003c", "serial", "/dev/ttyACM0", False, 1, "vbus/ibus instantaneous", 0.5)
    trace = PowerTrace(facts, 0.0, "2026-01-02T03:04:05+00:00", [0.0, 0.5, 1.0], [4.0, 5.0, 5.0], [1.0, 1.0, 1.0])
    assert window_energy(trace, 0.25, 1.0).min_voltage_v == pytest.approx(4.5)


@pytest.mark.parametrize(
    ("times", "start_s", "end_s"),
    [
        ([1.0], 1.0, 2.0),  # one sample
        ([], 0.0, 1.0),
        ([0.0, 0.5, 1.0], 0.5, 1.1),
        ([0.0, 0.5, 1.0], -0.1, 0.5),
        ([0.0, 0.5, 1.0], 5.0, 6.0),
        ([0.0, 0.5, 1.0], 0.5, 0.5),
        ([0.0, 0.5, 1.0], 0.8, 0.2),
        ([0.0, 0.5, 1.0], math.nan, 0.5),
        ([0.0, 0.5, 1.0], 0.2, math.inf),
    ],
)
def test_a_window_that_is_not_enclosed_is_refused(make_trace, times, start_s, end_s) -> None:
    with pytest.raises(WindowNotCovered) as caught:
        window_energy(make_trace(times, [5.0] * len(times)), start_s, end_s)
    assert caught.value.message and caught.value.remedy


def test_a_hole_is_refused_where_the_window_touches_it(make_trace) -> None:
    trace = make_trace([0.0, 0.5, 1.0, 2.6, 3.1, 3.6], [5.0] * 6)
    for window in [(0.5, 3.1), (0.9, 1.1), (2.5, 3.0)]:
        with pytest.raises(SampleGap, match=r"No measurement for 1\.600 s after 1\.000 s"):
            window_energy(trace, *window)
    assert window_energy(trace, 0.0, 1.0).energy_j == pytest.approx(5.0)
    assert window_energy(trace, 2.6, 3.6).energy_j == pytest.approx(5.0)
    assert window_energy(trace, 0.5, 3.1, max_gap_s=2.0).max_gap_s == pytest.approx(1.6)
    with pytest.raises(SampleGap):
        window_energy(trace, 0.0, 1.0, max_gap_s=math.nan)


def test_net_of_idle_keeps_gross_idle_and_emulation_apart(make_trace) -> None:
    load = window_energy(make_trace(TEN_HZ, [5.0] * 31), 0.5, 2.5)
    idle = window_energy(make_trace(TEN_HZ, [2.0] * 31, emulated=True), 1.0, 2.0)
    net = net_of_idle(load, idle)
    assert (net.idle_power_w, net.idle_energy_j, net.net_energy_j) == pytest.approx((2.0, 4.0, 6.0))
    assert net.emulated and not load.emulated


def test_net_of_idle_weighs_several_idle_windows_by_their_duration(make_trace) -> None:
    load = window_energy(make_trace([0, 1, 2], [6.0, 6.0, 6.0]), 0.0, 2.0)
    short = window_energy(make_trace([0, 1, 2, 3], [1.0, 1.0, 1.0, 1.0]), 0.0, 1.0)
    long = window_energy(make_trace([0, 1, 2, 3], [2.0, 2.0, 2.0, 2.0]), 0.0, 3.0)
    net = net_of_idle(load, short, long)
    assert net.idle_power_w == pytest.approx(1.75)
    assert net.net_energy_j == pytest.approx(12.0 - 3.5)


def test_net_of_idle_refuses_opposite_signs(make_trace) -> None:
    load = window_energy(make_trace(TEN_HZ, [5.0] * 31), 0.5, 2.5)
    idle = window_energy(make_trace(TEN_HZ, [2.0] * 31, sign=-1), 0.5, 2.5)
    with pytest.raises(MeterSettingError, match="opposite signs"):
        net_of_idle(load, idle)


@pytest.mark.parametrize("emulated", [True, False])
def test_emulation_comes_from_the_trace_alone(make_trace, emulated: bool) -> None:
    trace = make_trace(TEN_HZ, [5.0] * 31, emulated=emulated)
    assert window_energy(trace, 1.0, 2.0).emulated is emulated
    with pytest.raises(TypeError):
        window_energy(trace, 1.0, 2.0, emulated=False)


@pytest.mark.parametrize(
    ("t_s", "power_w"),
    [([0.0, 1.0], [1.0]), ([1.0, 0.5], [1.0, 1.0]), ([0.0, math.nan], [1.0, 1.0]), ([0.0, 1.0], [1.0, math.inf])],
)
def test_a_trace_refuses_what_is_no_trace(t_s, power_w) -> None:
    with pytest.raises(TraceFormatError):
        trace_of(t_s, power_w)


def test_a_trace_cannot_be_changed(make_trace) -> None:
    trace = make_trace([0.0, 1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        trace.current_a[0] = 9.0


powers = st.floats(-200.0, 200.0).map(lambda power: round(power, 6))
gaps = st.floats(0.001, 1.4).map(lambda gap: round(gap, 6))


@st.composite
def recordings(draw):
    """Sample times, powers, and three increasing instants inside."""
    steps = draw(st.lists(st.tuples(gaps, powers), min_size=2, max_size=20))
    t_s, power_w = np.cumsum([gap for gap, _ in steps]).tolist(), [power for _, power in steps]
    cuts = draw(st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3, unique=True))
    instants = sorted(t_s[0] + cut * (t_s[-1] - t_s[0]) for cut in cuts)
    return t_s, power_w, [min(instant, t_s[-1]) for instant in instants]


def integral_of_segments(t_s, power_w, start_s, end_s) -> float:
    """Segment by segment: exact for power that is linear between its knots."""
    knots = [start_s, *(t for t in t_s if start_s < t < end_s), end_s]

    def power(t: float) -> float:
        right = min(max(bisect_right(t_s, t), 1), len(t_s) - 1)
        share = (t - t_s[right - 1]) / (t_s[right] - t_s[right - 1])
        return power_w[right - 1] * (1.0 - share) + power_w[right] * share

    return math.fsum((b - a) * power((a + b) / 2) for a, b in pairwise(knots))


@given(recordings())
def test_exact_on_piecewise_linear_power(recording) -> None:
    t_s, power_w, (start_s, _, end_s) = recording
    if start_s < end_s:
        found = window_energy(trace_of(t_s, power_w), start_s, end_s).energy_j
        assert found == pytest.approx(integral_of_segments(t_s, power_w, start_s, end_s), abs=1e-9, rel=1e-9)


@given(recordings())
def test_adjacent_windows_add_up(recording) -> None:
    t_s, power_w, (start_s, middle_s, end_s) = recording
    if start_s < middle_s < end_s:
        trace = trace_of(t_s, power_w)
        parts = window_energy(trace, start_s, middle_s).energy_j + window_energy(trace, middle_s, end_s).energy_j
        assert parts == pytest.approx(window_energy(trace, start_s, end_s).energy_j, abs=1e-9, rel=1e-9)


@given(recordings(), st.lists(st.integers(1, 3), min_size=20, max_size=20))
def test_rows_written_twice_change_nothing(recording, counts) -> None:
    t_s, power_w, (start_s, _, end_s) = recording
    counts = counts[: len(t_s)]
    twice_t = [t for t, count in zip(t_s, counts, strict=True) for _ in range(count)]
    twice_w = [power for power, count in zip(power_w, counts, strict=True) for _ in range(count)]
    if start_s < end_s:
        once = window_energy(trace_of(t_s, power_w), start_s, end_s)
        twice = window_energy(trace_of(twice_t, twice_w), start_s, end_s)
        assert twice.energy_j == pytest.approx(once.energy_j, rel=1e-12, abs=1e-12)  # sums group differently
        assert replace(twice, energy_j=once.energy_j, mean_power_w=once.mean_power_w) == once


def kept_of(replies: list[Measurement]) -> list[Measurement]:
    kept: list[Measurement] = []
    for reply in replies:
        if not is_repeat(reply, kept[-1] if kept else None, 0.5):
            kept.append(reply)
    return kept


@given(st.lists(powers, min_size=2, max_size=20), st.data())
def test_repeated_polls_change_nothing(power_w, data) -> None:
    """A meter that renews every 0.5 s, polled once per renewal and polled more often."""
    replies = [Measurement(0.5 * k, 1.0, power, (k,)) for k, power in enumerate(power_w)]
    delays = st.lists(st.floats(0.0, 0.499), max_size=3).map(sorted)
    polled = [
        Measurement(reply.t_s + delay, reply.voltage_v, reply.current_a, reply.identity)
        for reply in replies
        for delay in [0.0, *data.draw(delays)]
    ]
    assert kept_of(polled) == replies


def test_a_steady_load_is_no_hole() -> None:
    kept = kept_of([Measurement(0.05 * k, 5.0, 1.0, (1, 2, 3, 4)) for k in range(101)])
    spacing = np.diff([reply.t_s for reply in kept])
    assert 9 <= len(kept) <= 11
    assert np.all((spacing >= 0.5) & (spacing <= 0.551))


def test_every_error_says_what_happened_and_what_to_do(make_trace) -> None:
    with pytest.raises(PowerError) as caught:
        window_energy(make_trace([0.0], [1.0]), 0.0, 1.0)
    assert str(caught.value) == caught.value.message
    assert caught.value.message.endswith(".") and caught.value.remedy.endswith(".")
