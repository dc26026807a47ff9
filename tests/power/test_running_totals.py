"""Totals of a recording that grows, against sums by hand."""

import pytest

from power.meters.base import Measurement
from power.running import RunningTotals
from power.trace import MeterFacts


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


def test_a_meter_of_unknown_period_has_no_holes_and_one_row_no_rate() -> None:
    assert totals_of([(0.0, 1.0), (100.0, 1.0)], "block", None).holes == 0
    assert totals_of([(0.0, 1.0)], "block").rate_hz is None
