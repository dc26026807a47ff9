"""Rows that are changes of a value are told from samples that come late, in bursts, or not at all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.energy import EnergyIndex, window_energy
from power.errors import MethodUnclear
from power.rows_on_change import are_changes, may_be_changes
from power.trace import MeterFacts, PowerTrace

UNKNOWN = MeterFacts("unknown", "unknown", "unknown", None, 1, "unknown", None, "instant")
COMES = ("evenly", "jittered", "stamped late", "dropped", "in bursts", "with a hole")
LOADS = ("steady", "step", "square", "fast", "random", "sine")


def trace_of(t_s, power_w, facts: MeterFacts = UNKNOWN) -> PowerTrace:
    current_a = np.round(np.asarray(power_w) / 5.0, 4)
    return PowerTrace(facts, 0.0, None, np.round(t_s, 6), np.full(len(t_s), 5.0), current_a)


def stamps(how: str, count: int, period_s: float, jitter: float, random) -> np.ndarray:
    """When a logger of that habit writes its rows."""
    numbers = np.arange(count)
    if how == "jittered":
        return np.cumsum(period_s * (1 + random.uniform(-jitter, jitter, count)))
    if how == "stamped late":
        return np.sort(period_s * (numbers + random.uniform(0, jitter, count)))
    if how == "dropped":
        kept = numbers + np.cumsum(random.random(count) < jitter)  # one row in three is lost at most
        return period_s * (kept + random.uniform(-0.1, 0.1, count))
    if how == "in bursts":
        size = random.integers(2, 12)
        return period_s * (numbers // size * size + 0.05 * (numbers % size) + random.uniform(0, 0.02, count))
    times = period_s * numbers
    if how == "with a hole":
        times = times + np.where(numbers > count // 2, 50 * period_s, 0.0)
    return times + period_s * 0.01 * random.random(count)


def load(kind: str, t_s: np.ndarray, random) -> np.ndarray:
    """Watts over time."""
    usual_s, length_s = np.median(np.diff(t_s)), t_s[-1] - t_s[0]
    if kind == "random":
        return random.uniform(2.0, 7.0, len(t_s))
    if kind == "sine":
        return 4.0 + 2.0 * np.sin(10 * np.pi * t_s / length_s)
    period_s = {"steady": np.inf, "step": 1.2 * length_s, "square": length_s / 7.3, "fast": 3.7 * usual_s}[kind]
    return np.where((t_s / period_s) % 1 < 0.5, 3.0, 7.0)


@pytest.mark.parametrize("seeds", [range(50), pytest.param(range(50, 200), marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize("how", COMES)
def test_a_logger_with_noise_is_never_asked_about(how: str, seeds: range) -> None:
    for seed in seeds:
        random = np.random.default_rng(seed)
        count, period_s = int(random.choice([12, 20, 50, 200])), 10 ** random.uniform(-3, 1.8)
        t_s = stamps(how, count, period_s, random.uniform(0.01, 0.3), random)
        power_w = load(LOADS[seed % len(LOADS)], t_s, random)
        noise = 1 + random.normal(0.0, 10 ** random.uniform(-2.5, -0.7), count)
        assert not are_changes(trace_of(np.sort(t_s), power_w * noise)), seed


@given(
    st.lists(st.tuples(st.floats(0.7, 1.3), st.floats(0.5, 9.0)), min_size=8, max_size=60),
    st.floats(0.001, 100.0),
)
def test_a_jitter_of_a_third_is_no_sign_whatever_the_load(rows, period_s: float) -> None:
    """Of values with the digits of a meter, which do not come again by chance."""
    spacings, watts = np.array(rows).T
    watts = watts + np.random.default_rng(len(rows)).normal(0.0, 0.01, len(watts))
    found = are_changes(trace_of(np.cumsum(spacings * period_s), watts))
    # A load that alternates at every row in step with the spacings is a change log for all that anybody can tell.
    steps_w = np.abs(np.diff(watts))
    assert not found or np.min(steps_w) >= 0.2 * np.median(steps_w) or len(np.unique(watts)) <= len(watts) // 2


@pytest.mark.parametrize(
    ("t_s", "power_w"),
    [
        ([0, 5, 15], [2.5, 6.1, 2.5]),
        ([0, 20, 40, 59.9], [3, 6, 3, 3]),
        ([0, 12, 40, 59.9], [3, 6, 3, 3]),
        ([0, 2, 30, 31, 47, 60], [3, 6, 3, 6, 3, 3]),
        ([0, 1, 30], [3.013, 6.027, 2.991]),
    ],
)
def test_few_rows_of_a_load_that_switches(t_s, power_w) -> None:
    assert are_changes(trace_of(np.array(t_s, float), power_w))


@pytest.mark.parametrize("seed", range(20))
def test_changes_of_many_kinds_are_noticed(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.choice([60, 200, 1000]))
    held_s = random.lognormal(0.0, 1.0, count) if seed % 2 else random.exponential(1.0, count) + 0.01
    t_s = np.cumsum(held_s)
    walk_w = [5.0]
    for step_w in random.choice([-1, 1], count - 1) * (0.3 + random.exponential(0.5, count - 1)):
        walk_w.append(walk_w[-1] + (step_w if 1.0 < walk_w[-1] + step_w < 9.0 else -step_w))
    square_w = np.where(np.arange(count) % 2, 7.0, 2.5) + random.normal(0, 0.02 if seed % 3 else 0.0, count)
    assert are_changes(trace_of(t_s, square_w))
    walk = trace_of(t_s, walk_w)
    assert may_be_changes(walk) and (are_changes(walk) or count == 60)


def test_a_camera_in_turn_is_noticed_by_how_long_each_level_lasts() -> None:
    """20 ms at 7 W and 30 ms at 2.5 W: 4.3 W in the mean, and 4.75 by straight lines."""
    t_s = np.concatenate(([0.0], np.cumsum(np.tile([0.02, 0.03], 100))))[:-1]
    power_w = np.tile([7.0, 2.5], 100) + np.random.default_rng(0).normal(0.0, 0.02, 200)
    trace = trace_of(t_s, power_w)
    with pytest.raises(MethodUnclear, match="no two behind one another are equal"):
        EnergyIndex(trace)
    held = window_energy(trace, 0.0, float(t_s[-1]), method="hold")
    assert held.mean_power_w == pytest.approx(4.3, rel=0.01)


def test_even_rows_and_rows_of_which_two_are_equal_are_samples() -> None:
    assert not are_changes(trace_of(60.0 * np.arange(120), [3.0, 3.5, 4.0] * 40))
    assert not are_changes(trace_of(np.array([0.0, 5.0, 15.0, 16.0]), [3.0, 3.0, 6.0, 3.0]))
    assert not are_changes(trace_of(np.array([0.0, 10.0]), [3.0, 6.0]))


@pytest.mark.parametrize("seed", range(4))
def test_a_log_of_changes_that_shows_that_it_is_alive_is_not_asked_about_but_may_be_one(seed: int) -> None:
    """Two levels for random times, and a row at least every 10 s."""
    held_s = np.random.default_rng(seed).exponential(8.0, 60) + 0.05
    ends_s = np.cumsum(held_s)
    t_s = np.concatenate([np.arange(end - held, end, 10.0) for end, held in zip(ends_s, held_s, strict=True)])
    level = np.searchsorted(ends_s, t_s + 1e-6, side="right")
    log = trace_of(t_s, np.where(level % 2, 6.0, 2.5))
    assert not are_changes(log) and may_be_changes(log)
    assert not may_be_changes(trace_of(10.0 * np.arange(60), np.repeat([2.5, 6.0, 2.5], 20)))
    assert not may_be_changes(trace_of(t_s, np.full(len(t_s), 3.0)))


def test_what_a_recording_says_of_its_meter_settles_it() -> None:
    for facts in (
        MeterFacts("hwmon", "sysfs", "ina", False, 1, "in1", None, "instant"),
        MeterFacts("unknown", "unknown", "unknown", None, 1, "unknown", 0.5, "instant"),
        MeterFacts("unknown", "unknown", "unknown", None, 1, "unknown", None, "instant", 0.05),
        MeterFacts("unknown", "unknown", "unknown", None, 1, "unknown", None, "block"),
    ):
        assert not are_changes(trace_of(np.array([0.0, 5.0, 15.0]), [2.5, 6.1, 2.5], facts))


@given(st.lists(st.tuples(st.floats(0.01, 50.0), st.floats(0.0, 9.0)), min_size=2, max_size=12), st.data())
def test_holding_is_the_sum_of_each_value_times_how_long_it_held(rows, data) -> None:
    held_s, power_w = np.array(rows).T
    trace = trace_of(np.cumsum(held_s), power_w)
    times, watts = trace.t_s, trace.power_w
    start_s, end_s = sorted(data.draw(st.floats(times[0], times[-1])) for _ in range(2))
    if end_s - start_s < 1e-3:
        return
    shared = np.clip(np.minimum(times[1:], end_s) - np.maximum(times[:-1], start_s), 0.0, None)
    found = window_energy(trace, start_s, end_s, method="hold")
    assert found.energy_j == pytest.approx(float(np.sum(shared * watts[:-1])), abs=1e-9)
    assert found.peak_power_w == pytest.approx(np.max(watts[:-1][shared > 0]))
    assert found.edge_error_j is None and found.gaps == 0 and found.method == "each value holds until the next row"


def test_the_last_row_holds_for_nothing() -> None:
    trace = trace_of(np.array([0.0, 5.0, 15.0]), [2.55, 6.12, 500.0])
    index = EnergyIndex(trace, method="hold")
    assert index.widest_s() == (0.0, 15.0) and index.holes_s == []
    assert index.window(0.0, 15.0).energy_j == pytest.approx(73.95)
