"""The meter's update period, seen in the rows of a recording."""

import random

import pytest

from power.errors import WindowNotCovered
from power.update_period import estimate_update_period


def polled(period_s: float, poll_s: float, until_s: float, seed: int = 0) -> tuple[list[float], list[float]]:
    """Every poll, late by up to a fifth of its period, of a meter whose value is new at each renewal."""
    late = random.Random(seed)
    asked = [k * poll_s + late.uniform(0.0, poll_s / 5) for k in range(int(until_s / poll_s))]
    return asked, [1.0 + ((t // period_s) * 0.37) % 1.0 for t in asked]


def first_of_each(t_s: list[float], power_w: list[float]) -> tuple[list[float], list[float]]:
    rows = [(t, power) for k, (t, power) in enumerate(zip(t_s, power_w, strict=True)) if power != power_w[k - 1]]
    return [t for t, _ in rows], [power for _, power in rows]


@pytest.mark.parametrize(("period_s", "poll_s"), [(0.5, 0.05), (0.5, 0.07), (0.1, 0.03), (0.02, 0.005)])
def test_the_period_is_finer_than_the_polls(make_trace, period_s: float, poll_s: float) -> None:
    rows = first_of_each(*polled(period_s, poll_s, 400 * period_s))
    found = estimate_update_period(make_trace(*rows, update_period_s=None))
    assert found.by_changes and found.period_s == pytest.approx(period_s, rel=0.01)


def test_polls_whose_repeats_were_kept_do_not_pass_for_measurements(make_trace) -> None:
    found = estimate_update_period(make_trace(*polled(0.5, 0.05, 30.0), update_period_s=None))
    assert found.by_changes and found.period_s == pytest.approx(0.5, rel=0.02)


def test_of_a_steady_load_only_the_rows_tell(make_trace) -> None:
    found = estimate_update_period(make_trace([0.1 * k for k in range(30)], [5.0] * 30))
    assert not found.by_changes and found.period_s == pytest.approx(0.1)


def test_a_few_steps_of_a_steady_load_are_no_period(make_trace) -> None:
    rows = [(0.5 * k, 6.0 if k // 20 % 2 else 2.0) for k in range(100)]
    found = estimate_update_period(make_trace([t for t, _ in rows], [power for _, power in rows]))
    assert found.period_s == pytest.approx(0.5)


def test_steps_at_odd_times_among_kept_repeats_are_no_period(make_trace) -> None:
    """Every poll was kept: the spacing of the steps is the load's, and only regular ones may be the meter's."""
    spells = [3, 14, 6, 21, 9, 30, 4, 17, 11, 25, 7, 40, 13, 5]
    power_w = [2.0 + spell % 2 for spell, rows in enumerate(spells) for _ in range(rows)]
    found = estimate_update_period(make_trace([0.1 * k for k in range(len(power_w))], power_w))
    assert not found.by_changes and found.period_s == pytest.approx(0.1)


def test_a_faster_meter_under_a_steady_load_shows_at_its_steps(make_trace) -> None:
    """50 renewals a second, thought to be 2: a row each half second, but two 20 ms apart where a block holds a step."""
    t_s = [0.0, 0.5, 1.0, 1.34, 1.36, 1.86, 2.36, 2.5, 2.52]
    power_w = [2.0, 2.0, 2.0, 3.1, 6.0, 6.0, 6.0, 4.0, 2.0]
    found = estimate_update_period(make_trace(t_s, power_w))
    assert found.by_changes and found.period_s == pytest.approx(0.02)


def test_a_missed_measurement_now_and_then_does_not_matter(make_trace) -> None:
    t_s = [0.5 * k for k in range(60) if k % 7]
    found = estimate_update_period(make_trace(t_s, [1.0 + k % 2 for k in range(len(t_s))]))
    assert found.period_s == pytest.approx(0.5)


def test_a_hole_between_two_changes_is_no_period(make_trace) -> None:
    """A steady load with one step, whose last half the meter missed."""
    t_s = [*(0.5 * k for k in range(10)), 8.0, 8.5, 9.0]
    found = estimate_update_period(make_trace(t_s, [2.0] * 9 + [3.0] + [6.0] * 3))
    assert not found.by_changes and found.period_s == pytest.approx(0.5)


@pytest.mark.parametrize("times", [[], [1.0], [1.0, 1.0]])
def test_one_instant_has_no_period(make_trace, times) -> None:
    with pytest.raises(WindowNotCovered) as caught:
        estimate_update_period(make_trace(times, [5.0] * len(times)))
    assert "two at least" in caught.value.message and caught.value.remedy
