"""The joules of a command against a load whose joules are known, through a meter as the KM003C measures."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupnl_deploy.bench.clock import ClockSync
from groupnl_deploy.bench.validity import problems
from groupnl_deploy.power_run.commands import DeviceTimes
from groupnl_deploy.power_run.energy import CommandEnergy, command_checks, command_energy, energy_notes, margin_s
from power.energy import EnergyIndex
from power.errors import MeterTooFast, SampleGap, WindowNotCovered
from power.trace import MeterFacts, PowerTrace

FACTS = MeterFacts("km003c", "serial", "/dev/ttyACM0", False, 1, "vbus/ibus", 0.5, "block", 0.05)
IDLE_W, IDLE_S = 2.7, 6.0
Level = tuple[float, float]  # until when, seconds; watts


def meant(levels: Sequence[Level], start_s: float, end_s: float) -> float:
    """Exact joules of a load between two instants; before and behind its levels it idles."""
    edges = [(-100.0, 0.0), *levels, (1000.0, IDLE_W)]
    spans = ((max(before[0], start_s), min(level[0], end_s), level[1]) for before, level in pairwise(edges))
    return sum((end - start) * watts for start, end, watts in spans if end > start)


def recorded(levels: Sequence[Level], phase_s: float, late_s: Sequence[float], length_s: float) -> PowerTrace:
    """What a meter shows that gives the mean of each half second, asked 20 times a second: each value comes late."""
    ends_s = np.arange(phase_s, length_s, 0.5)
    noise_w = 1e-5 * (np.arange(len(ends_s)) * 7 % 5 - 2)  # a meter that repeats no value
    watts = [meant(levels, end_s - 0.5, end_s) / 0.5 for end_s in ends_s] + noise_w
    t_s = ends_s + np.resize(np.array(late_s), len(ends_s))
    return PowerTrace(FACTS, 0.0, None, t_s, np.full(len(ends_s), 5.0), watts / 5.0)


def measured(trace: PowerTrace, begin_s: float, end_s: float, unsure_s: float = 0.0) -> CommandEnergy:
    return command_energy(EnergyIndex(trace), (begin_s, end_s), IDLE_S, unsure_s)


BEGIN_S = 12.0


@given(
    phase_s=st.floats(0.0, 0.5),
    took_s=st.floats(5.5, 20.0),
    watts=st.lists(st.floats(1.0, 15.0), min_size=1, max_size=5),
    late_s=st.lists(st.floats(0.0, 0.05), min_size=3, max_size=7),
)
def test_net_and_gross_are_right_to_their_error(
    phase_s: float, took_s: float, watts: list[float], late_s: list[float]
) -> None:
    end_s = BEGIN_S + took_s
    inside = [(BEGIN_S + took_s * (place + 1) / len(watts), level) for place, level in enumerate(watts)]
    levels = [(BEGIN_S, IDLE_W), *inside]
    found = measured(recorded(levels, phase_s, late_s, end_s + 12.0), BEGIN_S, end_s)
    true_j = meant(levels, BEGIN_S, end_s)
    assert found.net_error_j is not None and found.gross_error_j is not None
    assert abs(found.gross_j - true_j) <= found.gross_error_j + 1e-3
    assert abs(found.net_j - (true_j - IDLE_W * took_s)) <= found.net_error_j + 1e-3
    assert found.gross_j == pytest.approx(found.net_j + found.idle_j)
    assert not problems(command_checks(found, None))


def test_its_edges_cost_less_than_a_window_that_is_cut_there() -> None:
    levels = [(BEGIN_S, IDLE_W), (BEGIN_S + 6.0, 6.2)]
    trace = recorded(levels, 0.21, [0.04, 0.01, 0.03], 32.0)
    found, cut = measured(trace, BEGIN_S, BEGIN_S + 6.0), EnergyIndex(trace).window(BEGIN_S, BEGIN_S + 6.0)
    true_j = meant(levels, BEGIN_S, BEGIN_S + 6.0)
    assert abs(found.gross_j - true_j) < 0.1 < abs(cut.energy_j - true_j)
    assert found.gross_error_j is not None and cut.edge_error_j is not None
    assert found.gross_error_j < 0.5 and cut.edge_error_j > 4.0
    assert found.peak_power_w == pytest.approx(6.2, abs=1e-3) and found.mean_power_w == pytest.approx(6.2, abs=0.1)


def steady(took_s: float = 10.0, watts: float = 6.2) -> tuple[PowerTrace, CommandEnergy]:
    trace = recorded([(BEGIN_S, IDLE_W), (BEGIN_S + took_s, watts)], 0.1, [0.02], BEGIN_S + took_s + 12.0)
    return trace, measured(trace, BEGIN_S, BEGIN_S + took_s)


def test_what_may_not_be_believed_is_said() -> None:
    _, short = steady(2.0)
    (problem,) = problems(command_checks(short, None))
    assert problem.startswith("the command took 2 s, in which the meter gave 4 measurements of the 10")
    check = next(check for check in command_checks(short, None) if check.verdict == "invalid")
    assert check.remedy is not None and "at least 5.5" in check.remedy.replace("5.5 s at least", "at least 5.5")
    _, turned = steady(10.0, -6.2)
    assert "plugged the other way round" in " ".join(problems(command_checks(turned, None)))
    _, sound = steady()
    clock = ClockSync(0.0, 0.0, 0.0, 0.3)
    told = problems(command_checks(sound, DeviceTimes(0.0, 10.0, clock, 0.002)))
    assert "ran apart by 0.002" in told[0] and "less than 50 times the clocks' uncertainty of 0.3 s" in told[1]
    assert not problems(command_checks(sound, DeviceTimes(0.0, 10.0, replace(clock, uncertainty_s=0.02), 0.0)))


def test_a_long_command_that_may_lie_in_its_idle_windows_is_invalid() -> None:
    """Clocks that are 4 s apart are less than a fiftieth of it, and more than the margins."""
    clock = ClockSync(0.0, 0.0, 0.0, 4.1)
    trace = recorded([(BEGIN_S, IDLE_W), (BEGIN_S + 300.0, 6.2)], 0.1, [0.02], BEGIN_S + 316.0)
    shifted, exact = (measured(trace, BEGIN_S + late_s, BEGIN_S + late_s + 300.0) for late_s in (4.0, 0.0))
    assert shifted.net_error_j is not None and exact.net_j - shifted.net_j > shifted.net_error_j
    (told,) = problems(command_checks(shifted, DeviceTimes(0.0, 300.0, clock, 0.0)))
    assert told == "the clocks' uncertainty of 4.1 s is more than the margins of 1.5 s around the command"
    assert not problems(command_checks(exact, DeviceTimes(0.0, 300.0, replace(clock, uncertainty_s=1.4), 0.0)))


def test_what_cannot_be_integrated_is_refused() -> None:
    trace, _ = steady()
    rows = (trace.t_s < 14.0) | (trace.t_s > 17.0)
    holed = replace(trace, t_s=trace.t_s[rows], voltage_v=trace.voltage_v[rows], current_a=trace.current_a[rows])
    with pytest.raises(SampleGap):
        measured(holed, BEGIN_S, BEGIN_S + 10.0)
    with pytest.raises(WindowNotCovered):
        measured(trace, BEGIN_S, BEGIN_S + 18.0)
    with pytest.raises(MeterTooFast, match="renewed"):
        measured(replace(trace, facts=replace(FACTS, renews_too_fast=True)), BEGIN_S, BEGIN_S + 10.0)


def test_clocks_that_are_not_sure_make_gross_less_sure_and_leave_the_net() -> None:
    trace, exact = steady()
    unsure = measured(trace, BEGIN_S, BEGIN_S + 10.0, 0.1)
    assert (unsure.net_j, unsure.net_error_j) == (exact.net_j, exact.net_error_j)
    assert unsure.gross_error_j == pytest.approx(exact.gross_error_j + 0.2 * IDLE_W, rel=0.01)
    late = measured(trace, BEGIN_S + 0.1, BEGIN_S + 10.1)
    assert late.net_j == pytest.approx(exact.net_j, abs=0.02)


def test_notes_for_who_reads_the_numbers() -> None:
    _, sound = steady()
    assert not list(energy_notes(sound))
    _, nothing = steady(10.0, IDLE_W)
    assert any("cannot be told from nothing" in note for note in energy_notes(nothing))
    went_on = recorded([(BEGIN_S, IDLE_W), (22.0, 6.2), (40.0, 3.4)], 0.1, [0.02], 36.0)
    (note,) = energy_notes(measured(went_on, BEGIN_S, 22.0))
    assert note.startswith("Idling took 2.700 W before and 3.400 W after")
    flushed = recorded([(BEGIN_S, IDLE_W), (22.5, 6.2), (40.0, IDLE_W)], 0.1, [0.02], 36.0)
    (note,) = energy_notes(energy := measured(flushed, BEGIN_S, 22.0))
    assert energy.mean_power_w > 6.3 > energy.peak_power_w and note.startswith("The mean is above the peak")


def test_the_margin_is_three_periods_of_the_meter_and_never_shorter_than_those_of_a_km003c() -> None:
    assert [margin_s(replace(FACTS, update_period_s=period_s)) for period_s in (None, 0.02, 0.5, 2.0)] == [
        1.5,
        1.5,
        1.5,
        6.0,
    ]
