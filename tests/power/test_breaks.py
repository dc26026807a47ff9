"""Holes by a recording's own word, joules outside of holes, and recordings of watts alone."""

from dataclasses import replace

import numpy as np
import pytest

from power.energy import EnergyIndex
from power.errors import SampleGap, TraceFormatError, WindowNotCovered
from power.skipped_gaps import outside_gaps
from power.trace import MeterFacts, PowerTrace
from power.trace_io import TraceWriter, read_csv

TENTHS = np.arange(0, 101) / 10
WATTS = MeterFacts("hwmon", "hwmon", "/sys/1", False, 1, "power1_input", 0.1, watts_alone=True)


def broken(make_trace, *breaks: int) -> PowerTrace:
    return replace(make_trace(TENTHS, [5.0] * 101, voltage_v=5.0, update_period_s=0.1), breaks=breaks)


def test_a_break_is_a_hole_however_short_it_is(make_trace) -> None:
    index = EnergyIndex(broken(make_trace, 50))
    assert index.holes_s == [(4.9, 5.0)]
    assert index.window(1.0, 4.9).energy_j == pytest.approx(19.5)
    with pytest.raises(SampleGap, match=r"itself says .* between 4\.900 s and 5\.000 s") as caught:
        index.window(1.0, 9.0)
    assert "--skip-gaps" in caught.value.remedy and "--max-gap" not in caught.value.remedy


def test_the_wait_that_would_have_to_be_allowed_is_named(make_trace) -> None:
    index = EnergyIndex(make_trace([0.0, 0.1, 0.2, 1.93, 2.0], [5.0] * 5, update_period_s=0.1))
    with pytest.raises(SampleGap, match=r"No measurement for 1\.730 s after 0\.200 s") as caught:
        index.window(0.0, 2.0)
    assert "--max-gap 1.8" in caught.value.remedy


@pytest.mark.parametrize("averaging", ["instant", "block", "row"])
def test_joules_outside_the_gaps(make_trace, averaging) -> None:
    t_s = np.concatenate((TENTHS[:40], TENTHS[80:]))
    trace = make_trace(t_s, [5.0] * 61, voltage_v=5.0, update_period_s=0.1, averaging=averaging)
    index = EnergyIndex(replace(trace, breaks=(10,)))
    found = outside_gaps(index, 0.05, 9.95)
    assert (found.skipped_gaps, found.edge_error_j, found.start_s, found.end_s) == (2, None, 0.05, 9.95)
    assert found.skipped_s == pytest.approx(0.1 + 4.1)
    assert found.duration_s == pytest.approx(9.9 - 4.2) and found.energy_j == pytest.approx(5.0 * (9.9 - 4.2))
    assert found.mean_power_w == pytest.approx(5.0) and found.min_voltage_v == 5.0
    whole = outside_gaps(index, 8.5, 9.5)
    assert whole == index.window(8.5, 9.5) and whole.skipped_gaps == 0


def test_a_window_of_nothing_but_gaps_has_no_joules(make_trace) -> None:
    index = EnergyIndex(make_trace([0.0, 1.0, 20.0, 40.0, 41.0], [5.0] * 5), max_gap_s=1.5)
    with pytest.raises(WindowNotCovered, match="no two measurements"):
        outside_gaps(index, 2.0, 39.0)
    with pytest.raises(WindowNotCovered, match="is not covered"):
        outside_gaps(index, 2.0, 99.0)


@pytest.mark.parametrize("breaks", [(0,), (101,), (5, 5), (7, 3)])
def test_a_break_is_between_two_rows(make_trace, breaks) -> None:
    with pytest.raises(TraceFormatError, match="its breaks are not between its rows"):
        broken(make_trace, *breaks)


def test_a_row_that_is_dropped_moves_the_breaks_behind_it(make_trace) -> None:
    trace = make_trace([0.0, 0.1, 0.1, 0.2, 0.3, 0.3], [1.0, 2.0, 2.0, 3.0, 4.0, 4.0], update_period_s=0.1)
    assert EnergyIndex(replace(trace, breaks=(3, 5))).trace.breaks == (2, 4)


def test_watts_alone_have_no_volts(tmp_path) -> None:
    path = tmp_path / "watts.csv"
    with TraceWriter(path, WATTS, 0.0, "2026-01-02T03:04:05+00:00") as writer:
        for t_s in TENTHS:
            writer.append(float(t_s), 1.0, 4.0)
    assert path.read_text().splitlines()[-2:] == ["9.9,4.0", "10.0,4.0"] and "\nt_s,power_w\n" in path.read_text()
    energy = EnergyIndex(read_csv(path)).window(0.0, 10.0)
    assert energy.energy_j == pytest.approx(40.0) and energy.min_voltage_v is None
