"""Totals of a recording that grows, against sums by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.energy import EnergyIndex
from power.meters.base import Measurement
from power.running import RunningTotals
from power.trace import MeterFacts, PowerTrace


def totals_of(rows: list[tuple[float, float]], averaging: str, period_s: float | None = 0.5):
    """Rows are (seconds, watts) at one volt."""
    running = RunningTotals(MeterFacts("any", "none", "none", True, 1, "any", period_s, averaging))
    assert running.now() is None
    for t_s, power_w in rows:
        running.add(t_s, Measurement(t_s, 1.0, power_w, ()))
    return running.now()


STEP = [(0.0, 2.0), (0.5, 2.0), (1.0, 4.0), (1.5, 4.0), (2.0, 2.0)]


@pytest.mark.parametrize("averaging, energy_j", [("block", 6.0), ("instant", 6.0)])
def test_a_step_up_and_down(averaging: str, energy_j: float) -> None:
    totals = totals_of(STEP, averaging)
    assert totals.energy_j == pytest.approx(energy_j)
    assert (totals.rows, totals.t_s, totals.power_w, totals.rate_hz) == (5, 2.0, 2.0, pytest.approx(2.0))


def test_the_two_rules_differ_at_a_step() -> None:
    assert totals_of(STEP[:3], "block").energy_j == pytest.approx(3.0)
    assert totals_of(STEP[:3], "instant").energy_j == pytest.approx(2.5)


def test_current_that_flows_back_is_negative() -> None:
    assert totals_of([(0.0, -2.0), (1.0, -2.0)], "block").energy_j == pytest.approx(-2.0)


def test_a_hole_is_counted_and_not_bridged() -> None:
    totals = totals_of([*STEP, (10.0, 100.0), (10.5, 2.0)], "block")
    assert (totals.holes, totals.hole_s) == (1, pytest.approx(8.0))
    assert totals.energy_j == pytest.approx(6.0 + 1.0)
    assert totals.rate_hz == pytest.approx(2.0)


def polled(count: int, poll_s: float, from_s: float = 0.0) -> list[tuple[float, float]]:
    return [(from_s + poll_s * k, 4.0) for k in range(count)]


@pytest.mark.parametrize("averaging", ["block", "instant"])
def test_without_a_known_period_the_usual_spacing_decides_what_a_hole_is(averaging: str) -> None:
    totals = totals_of([*polled(41, 0.05), *polled(21, 0.05, 62.0)], averaging, None)
    assert (totals.holes, totals.hole_s) == (1, pytest.approx(60.0))
    assert totals.energy_j == pytest.approx(4.0 * 3.0)


def test_a_sensor_of_instants_that_is_faster_than_it_is_asked_has_no_holes() -> None:
    totals = totals_of(polled(41, 0.05), "instant", 0.002)
    assert (totals.holes, totals.hole_s) == (0, 0.0)
    assert totals.energy_j == pytest.approx(8.0)
    assert totals_of([*polled(41, 0.05), (2.3, 4.0)], "instant", 0.002).holes == 1


def test_a_meter_that_becomes_slower_is_not_all_holes_for_ever() -> None:
    totals = totals_of([*polled(40, 0.05), *polled(100, 0.5, 2.0)], "instant", None)
    assert 0 < totals.holes < 32


@given(
    st.lists(st.sampled_from([0.04, 0.05, 0.06, 0.3, 0.8, 2.0]), min_size=5, max_size=12),
    st.sampled_from([None, 0.002, 0.05, 0.5]),
    st.sampled_from(["block", "instant"]),
)
def test_holes_and_joules_are_those_of_the_whole_recording(waits_s, period_s, averaging) -> None:
    """Steady polls around each longer wait, so that the usual spacing is the same of late as of all."""
    spacings = [spacing for wait_s in waits_s for spacing in (*[0.05] * 20, wait_s)]
    t_s = np.concatenate(([0.0], np.cumsum(spacings)))
    power_w = [4.0 + k % 3 for k in range(len(t_s))]
    totals = totals_of(list(zip(t_s, power_w, strict=True)), averaging, period_s)
    facts = MeterFacts("any", "none", "none", True, 1, "any", period_s, averaging)
    index = EnergyIndex(PowerTrace(facts, 0.0, None, t_s, [1.0] * len(t_s), power_w))
    assert totals.holes == len(index.holes_s)
    assert totals.hole_s == pytest.approx(sum(end - begin for begin, end in index.holes_s))
    if not index.holes_s:
        assert totals.energy_j == pytest.approx(index.energy_j(t_s[0], t_s[-1])[0])


def test_rows_of_one_instant_add_nothing_and_one_row_has_no_rate() -> None:
    assert totals_of([(0.0, 1.0)], "block").rate_hz is None
    twice = totals_of([(0.0, 1.0), (0.0, 1.0), (0.1, 1.0), (0.2, 1.0)], "instant", None)
    assert (twice.holes, twice.energy_j) == (0, pytest.approx(0.2))
