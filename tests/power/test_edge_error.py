"""The stated error against loads whose energy is known: a meter that averages, polled late, its repeats dropped."""

import random
from dataclasses import dataclass
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.energy import EnergyIndex, window_energy
from power.trace import MeterFacts, PowerTrace


@dataclass(frozen=True)
class SteppedLoad:
    """Levels in watts, each from one of `since_s` until the next; the first has always been, the last remains."""

    since_s: list[float]
    levels_w: list[float]

    def energy_j(self, start_s: float, end_s: float) -> float:
        begins = [float("-inf"), *self.since_s[1:]]
        spans = pairwise([*begins, float("inf")])
        held = (max(0.0, min(b, end_s) - max(a, start_s)) for a, b in spans)
        return sum(seconds * level for seconds, level in zip(held, self.levels_w, strict=True))


@dataclass(frozen=True)
class Polling:
    """How the meter renews its means and how it is asked: seconds, the delay of a poll being at most `late_s`."""

    period_s: float
    poll_s: float
    late_s: float
    nominal_s: float


POLLINGS = {
    "twice a second, 20 polls": Polling(0.5, 0.05, 0.01, 0.5),
    "twice a second, 10 polls": Polling(0.5, 0.1, 0.02, 0.5),
    "twice a second, polls that beat": Polling(0.5, 0.0495, 0.001, 0.5),
    "50 a second": Polling(0.02, 0.005, 0.001, 0.02),
    "50 a second, thought to be 2": Polling(0.02, 0.01, 0.002, 0.5),
    "10 a second, thought to be 2": Polling(0.1, 0.05, 0.01, 0.5),
}


def recorded(load: SteppedLoad, polling: Polling, phase_s: float, until_s: float, seed: int) -> PowerTrace:
    """What a recorder keeps of the meter's block means: the first of equal replies, and one a nominal period."""
    late = random.Random(seed)
    rows: list[tuple[float, float]] = []
    for poll in range(int(until_s / polling.poll_s)):
        asked_s = poll * polling.poll_s + late.uniform(0.0, polling.late_s)
        renewed_s = phase_s + (asked_s - phase_s) // polling.period_s * polling.period_s
        mean_w = round(load.energy_j(renewed_s - polling.period_s, renewed_s) / polling.period_s, 9)
        if not rows or mean_w != rows[-1][1] or asked_s - rows[-1][0] >= polling.nominal_s:
            rows.append((asked_s, mean_w))
    facts = MeterFacts("simulated", "none", "none", True, 1, "mean", polling.nominal_s, "block")
    return PowerTrace(facts, 0.0, None, [t for t, _ in rows], [1.0] * len(rows), [power for _, power in rows])


@st.composite
def loads(draw, polling: Polling) -> SteppedLoad:
    """Levels held for two update periods at least."""
    steps = draw(st.lists(st.tuples(st.floats(2 * polling.period_s, 4.0), st.floats(0.0, 8.0)), min_size=1, max_size=6))
    return SteppedLoad(list(accumulate(held_s for held_s, _ in steps)), [level for _, level in steps])


@pytest.mark.parametrize("method", ["interval", "trapezoid"])
@pytest.mark.parametrize("name", POLLINGS)
@given(data=st.data())
def test_no_window_is_further_off_than_stated(name: str, method, data) -> None:
    polling = POLLINGS[name]
    load = data.draw(loads(polling))
    phase_s = data.draw(st.floats(0.0, polling.period_s))
    trace = recorded(load, polling, phase_s, 14.0, data.draw(st.integers(0, 2**16)))
    index = EnergyIndex(trace, method=method)
    start_s = data.draw(st.floats(trace.t_s[0], trace.t_s[-1] - 5.0))
    end_s = data.draw(st.floats(start_s + 4.0, trace.t_s[-1]))
    energy = index.window(start_s, end_s)
    assert abs(energy.energy_j - load.energy_j(start_s, end_s)) <= energy.edge_error_j + 1e-6


def test_block_means_are_off_by_less_than_a_thousandth_where_the_trapezoid_is_not() -> None:
    """Between steady edges of unlike power the trapezoid runs half a period late, however long the window."""
    load = SteppedLoad([0.0, 6.0], [2.0, 6.0])
    trace = recorded(load, POLLINGS["twice a second, 20 polls"], 0.03, 14.0, seed=1)
    true_j = load.energy_j(1.0, 12.0)
    assert window_energy(trace, 1.0, 12.0).energy_j == pytest.approx(true_j, abs=0.25)  # 4 W for a poll
    assert window_energy(trace, 1.0, 12.0, method="trapezoid").energy_j < true_j - 0.7


def test_a_step_at_the_edge_is_stated_as_step_times_period_and_poll() -> None:
    load = SteppedLoad([0.0, 6.0], [2.0, 6.0])
    trace = recorded(load, POLLINGS["twice a second, 20 polls"], 0.03, 14.0, seed=1)
    at_the_step = window_energy(trace, 6.0, 12.0)
    away_from_it = window_energy(trace, 8.0, 12.0)
    assert 4.0 * 0.5 <= at_the_step.edge_error_j <= 3 * 4.0 * 0.65
    assert away_from_it.edge_error_j == 0.0


def test_a_noisy_hour_is_not_stated_as_doubtful() -> None:
    noise = random.Random(0)
    t_s = [0.5 * k + noise.uniform(0.0, 0.05) for k in range(7200)]
    power_w = [6.0 + noise.gauss(0.0, 0.1) for _ in t_s]
    facts = MeterFacts("simulated", "none", "none", True, 1, "mean", 0.5, "block")
    trace = PowerTrace(facts, 0.0, None, t_s, [1.0] * len(t_s), power_w)
    energy = window_energy(trace, 1.0, 3599.0)
    assert energy.edge_error_j < 5e-4 * energy.energy_j
