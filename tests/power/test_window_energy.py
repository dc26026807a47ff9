"""Joules with known answers, and windows for which there are none."""

import math

import numpy as np
import pytest

from power.energy import Energy, net_of_idle, window_energy
from power.errors import MeterSettingError, PowerError, SampleGap, TraceFormatError, WindowNotCovered
from power.integration import METHODS
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


D15 = ([0.0, 0.5, 1.0, 1.5, 2.0], [2.0, 2.0, 4.0, 4.0, 2.0])


def test_worked_example_with_and_without_edges(make_trace) -> None:
    trace = make_trace(*D15)
    assert window_energy(trace, 0.0, 2.0).energy_j == pytest.approx(6.0, abs=1e-12)
    assert window_energy(trace, 0.25, 1.75).energy_j == pytest.approx(4.875, abs=1e-12)
    assert window_energy(trace, 0.0, 2.0).samples == 5


def test_worked_example_for_block_means(make_trace) -> None:
    trace = make_trace(*D15, averaging="block")
    energy = window_energy(trace, 0.0, 2.0)
    assert energy.energy_j == pytest.approx(6.0, abs=1e-12)
    assert energy.method == "each value covers the interval before it"
    assert window_energy(trace, 0.25, 1.75).energy_j == pytest.approx(
        0.25 * 2 + 0.5 * 4 + 0.5 * 4 + 0.25 * 2, abs=1e-12
    )


@pytest.mark.parametrize("method", ["trapezoid", "interval"])
@pytest.mark.parametrize("averaging", ["instant", "block"])
def test_the_rule_follows_the_meter_unless_one_is_chosen(make_trace, method, averaging) -> None:
    trace = make_trace(TEN_HZ, TEN_HZ, update_period_s=0.1, averaging=averaging)
    fitting = {"instant": "trapezoid", "block": "interval"}[averaging]
    assert window_energy(trace, 1.05, 1.35) == window_energy(trace, 1.05, 1.35, method=fitting)
    chosen = window_energy(trace, 1.05, 1.35, method=method)
    assert chosen.method == METHODS[method]
    # By intervals, 0.05 s of 1.1 W, 0.1 s each of 1.2 W and 1.3 W, and 0.05 s of 1.4 W: the ramp half a row late.
    assert chosen.energy_j == pytest.approx({"trapezoid": 0.36, "interval": 0.375}[method], abs=1e-12)


@pytest.mark.parametrize("method", ["trapezoid", "interval"])
def test_a_steady_load_is_the_same_by_either_rule(make_trace, method) -> None:
    energy = window_energy(make_trace(TEN_HZ, [5.0] * 31), 1.05, 1.35, method=method)
    assert energy.energy_j == pytest.approx(1.5, abs=1e-12)
    assert energy.edge_error_j == 0.0
    assert energy.energy_wh == pytest.approx(1.5 / 3600)


def test_step_from_2_w_to_6_w(make_trace) -> None:
    trace = make_trace([0.5 * row for row in range(10)], [2.0, 2.0, *[6.0] * 8])
    energy = window_energy(trace, 0.25, 1.75)
    assert energy.energy_j == pytest.approx(0.5 + 2.0 + 4.5, abs=1e-12)
    assert energy.peak_power_w == 6.0
    blocks = window_energy(trace, 0.25, 1.75, method="interval")
    assert blocks.energy_j == pytest.approx(0.5 + 3.0 + 4.5, abs=1e-12)
    assert energy.edge_error_j >= 1.0  # the two rules differ by a joule, and neither knows


def test_negative_current_stays_negative(make_trace) -> None:
    for method in ("trapezoid", "interval"):
        energy = window_energy(make_trace(TEN_HZ, [-5.0] * 31), 1.05, 1.35, method=method)
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
    assert window_energy(trace, 0.25, 1.0, method="interval").min_voltage_v == 5.0  # 4 V was over at 0 s


def test_peaks_are_those_of_the_values_at_work(make_trace) -> None:
    trace = make_trace(TEN_HZ[:6], [9.0, 1.0, 2.0, 3.0, 2.0, 9.0], update_period_s=0.1)
    assert window_energy(trace, 0.1, 0.4, method="interval").peak_power_w == 3.0
    assert window_energy(trace, 0.1, 0.41, method="interval").peak_power_w == 9.0
    assert window_energy(trace, 0.1, 0.41).peak_power_w == 3.0


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
    bridged = window_energy(trace, 0.5, 3.1, max_gap_s=2.0)
    assert bridged.max_gap_s == pytest.approx(1.6)
    assert (bridged.gaps, bridged.gaps_s) == (1, pytest.approx(1.6))
    with pytest.raises(SampleGap):
        window_energy(trace, 0.0, 1.0, max_gap_s=math.nan)


def test_one_missing_measurement_is_told_though_it_is_no_hole(make_trace) -> None:
    trace = make_trace([0.0, 0.5, 1.0, 2.0, 2.5], [5.0] * 5)
    energy = window_energy(trace, 0.0, 2.5)
    assert (energy.gaps, energy.gaps_s, energy.max_gap_s) == (1, 1.0, 1.0)
    assert window_energy(trace, 0.0, 1.0).gaps == 0


def test_without_a_nominal_period_the_usual_spacing_decides_what_a_hole_is(make_trace) -> None:
    times = [*TEN_HZ, 3.35, 3.45]
    trace = make_trace(times, [5.0] * len(times), update_period_s=None)
    with pytest.raises(SampleGap, match=r"0\.350 s after 3\.000 s; at most 0\.300 s"):
        window_energy(trace, 2.0, 3.4)
    assert window_energy(trace, 2.0, 3.0).energy_j == pytest.approx(5.0)


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


def test_the_net_carries_the_edge_errors_of_both_windows(make_trace) -> None:
    trace = make_trace(TEN_HZ, TEN_HZ, update_period_s=0.1)
    load, idle = window_energy(trace, 0.5, 2.5), window_energy(trace, 0.0, 0.5)
    net = net_of_idle(load, idle)
    assert net.edge_error_j == pytest.approx(load.edge_error_j + 4 * idle.edge_error_j)
    assert net.edge_error_assumes == load.edge_error_assumes == "a load that keeps each level for two update periods"


def test_a_net_with_one_unknown_edge_error_has_none(make_trace) -> None:
    trace = make_trace(TEN_HZ, TEN_HZ, update_period_s=0.1)
    known, unknown = window_energy(trace, 1.0, 2.0), window_energy(trace, 2.0, 3.0)
    assert unknown.edge_error_j is None
    assert net_of_idle(unknown, known).edge_error_j is None
    assert net_of_idle(known, known, unknown).edge_error_j is None


def test_what_is_unknown_of_one_window_is_unknown_of_the_net(make_trace) -> None:
    def window(emulated: bool | None) -> Energy:
        return window_energy(make_trace(TEN_HZ, [5.0] * 31, emulated=emulated), 0.5, 2.5)

    assert net_of_idle(window(False), window(None)).emulated is None
    assert net_of_idle(window(None), window(True)).emulated is True
    assert net_of_idle(window(False), window(False)).emulated is False


@pytest.mark.parametrize("emulated", [True, False, None])
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


def test_a_trace_cannot_be_changed() -> None:
    mine = np.array([1.0, 2.0])
    trace = trace_of(mine, mine)
    mine[0] = 9.0
    assert trace.t_s.tolist() == trace.current_a.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        trace.current_a[0] = 9.0


def test_every_error_says_what_happened_and_what_to_do(make_trace) -> None:
    with pytest.raises(PowerError) as caught:
        window_energy(make_trace([0.0], [1.0]), 0.0, 1.0)
    assert str(caught.value) == caught.value.message
    assert caught.value.message.endswith(".") and caught.value.remedy.endswith(".")


def test_a_sensor_of_instants_that_is_faster_than_it_is_asked_has_no_holes(make_trace) -> None:
    times = [0.05 * row for row in range(41)]
    trace = make_trace(times, [2.0] * 41, update_period_s=0.007)
    assert window_energy(trace, 0.2, 1.8).energy_j == pytest.approx(3.2)
    without_middle = make_trace(times[:10] + times[20:], [2.0] * 31, update_period_s=0.007)
    with pytest.raises(SampleGap):
        window_energy(without_middle, 0.2, 1.8)


def test_joules_beyond_all_numbers_are_refused() -> None:
    with pytest.raises(TraceFormatError, match="beyond all numbers"):
        window_energy(trace_of([0.0, 1e308], [1e300, 1e300]), 0.0, 1.0, max_gap_s=math.inf)
