"""The stated error against loads whose energy is known: a meter of means or of instants, polled late."""

import random
from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from power.edge_error import ASSUMES, ASSUMES_OF_GAPS
from power.energy import EnergyIndex, net_of_idle, window_energy
from power.errors import SampleGap
from power.trace import Averaging, MeterFacts, PowerTrace


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
    """How the meter renews its means and how it is asked: seconds, the delay of a poll being at most `late_s`.

    `nominal_s` is what the recorder takes the period for; None makes it keep every reply. `noise_w` is the meter's own.
    """

    period_s: float
    poll_s: float
    late_s: float
    nominal_s: float | None
    noise_w: float = 0.0
    averaging: Averaging = "block"


POLLINGS = {
    "twice a second, 20 polls": Polling(0.5, 0.05, 0.01, 0.5),
    "twice a second, 10 polls": Polling(0.5, 0.1, 0.02, 0.5),
    "twice a second, polls that beat": Polling(0.5, 0.0495, 0.001, 0.5),
    "twice a second, with noise": Polling(0.5, 0.05, 0.01, 0.5, 1e-6),
    "twice a second, every poll kept": Polling(0.5, 0.05, 0.01, None, 1e-6),
    "50 a second": Polling(0.02, 0.005, 0.001, 0.02),
    "50 a second, thought to be 2": Polling(0.02, 0.01, 0.002, 0.5),
    "10 a second, thought to be 2": Polling(0.1, 0.05, 0.01, 0.5),
    "instants twice a second": Polling(0.5, 0.05, 0.01, 0.5, averaging="instant"),
    "instants with noise": Polling(0.5, 0.05, 0.01, 0.5, 1e-6, averaging="instant"),
    "instants, every poll kept": Polling(0.5, 0.05, 0.01, None, 1e-6, averaging="instant"),
    "instants faster than polled": Polling(0.05, 0.049, 0.001, 0.05, 1e-6, averaging="instant"),
}
NOISE_J = 2e-5  # more than all the noise of a recording adds up to, and rounding
UNTIL_S = 14.0
ENOUGH_S = 2.5  # behind an end, for the slowest of these meters


def shown_w(load: SteppedLoad, renewed_s: float, polling: Polling) -> float:
    """The value that the meter shows from one renewal on."""
    if polling.averaging == "block":
        return load.energy_j(renewed_s - polling.period_s, renewed_s) / polling.period_s
    return load.levels_w[max(bisect_right(load.since_s, renewed_s) - 1, 0)]


def recorded(load: SteppedLoad, polling: Polling, phase_s: float, until_s: float, seed: int) -> PowerTrace:
    """What a recorder keeps of the meter's values: the first of equal replies, and one a nominal period."""
    chance = random.Random(seed)
    values: dict[int, float] = {}
    rows: list[tuple[float, float]] = []
    for poll in range(int(until_s / polling.poll_s)):
        asked_s = poll * polling.poll_s + chance.uniform(0.0, polling.late_s)
        block = int((asked_s - phase_s) // polling.period_s)
        if block not in values:
            true_w = shown_w(load, phase_s + block * polling.period_s, polling)
            values[block] = round(true_w + chance.uniform(-polling.noise_w, polling.noise_w), 9)
        if not rows or values[block] != rows[-1][1] or asked_s - rows[-1][0] >= (polling.nominal_s or 0.0):
            rows.append((asked_s, values[block]))
    facts = MeterFacts(
        "simulated", "none", "none", True, 1, "any", polling.nominal_s, polling.averaging, poll_period_s=polling.poll_s
    )
    return PowerTrace(facts, 0.0, None, [t for t, _ in rows], [1.0] * len(rows), [power for _, power in rows])


@st.composite
def loads(draw, polling: Polling) -> SteppedLoad:
    """Levels held for two update periods at least."""
    held = st.floats(2 * polling.period_s, 3 * polling.period_s) | st.floats(2 * polling.period_s, 9.0)
    steps = draw(st.lists(st.tuples(held, st.floats(0.0, 8.0)), min_size=1, max_size=6))
    return SteppedLoad(list(accumulate(held_s for held_s, _ in steps)), [level for _, level in steps])


@st.composite
def recordings(draw, polling: Polling) -> tuple[SteppedLoad, PowerTrace]:
    load = draw(loads(polling))
    phase_s, seed = draw(st.floats(0.0, polling.period_s)), draw(st.integers(0, 2**16))
    return load, recorded(load, polling, phase_s, UNTIL_S, seed)


methods = st.sampled_from(["interval", "trapezoid"])


@pytest.mark.parametrize("name", POLLINGS)
@given(data=st.data())
def test_no_window_is_further_off_than_stated_and_the_widest_has_a_known_error(name: str, data) -> None:
    """Wherever a window begins and ends; the widest leaves little out."""
    load, trace = data.draw(recordings(POLLINGS[name]))
    index = EnergyIndex(trace, method=data.draw(methods))
    first_s, last_s = trace.t_s[0], trace.t_s[-1]
    start_s = data.draw(st.just(first_s) | st.floats(first_s, last_s - 0.1))
    end_s = data.draw(st.just(last_s) | st.floats(max(start_s, last_s - 2.0), last_s) | st.floats(start_s, last_s))
    assume(start_s < end_s)
    energy = index.window(start_s, end_s)
    if energy.edge_error_j is None:
        assert end_s > last_s - ENOUGH_S
    else:
        assert abs(energy.energy_j - load.energy_j(start_s, end_s)) <= energy.edge_error_j + NOISE_J
    start_s, end_s = index.widest_s()
    energy = index.window(start_s, end_s)
    assert start_s == first_s and end_s > last_s - ENOUGH_S
    assert abs(energy.energy_j - load.energy_j(start_s, end_s)) <= energy.edge_error_j + NOISE_J


def with_rows(trace: PowerTrace, kept: NDArray[np.bool_]) -> PowerTrace:
    return replace(trace, t_s=trace.t_s[kept], voltage_v=trace.voltage_v[kept], current_a=trace.current_a[kept])


def stepped_at(step_s: float) -> tuple[SteppedLoad, PowerTrace]:
    """From 2 W to 6 W, seen by a meter that renews at 0.03 s and every half second from then on."""
    load = SteppedLoad([0.0, step_s], [2.0, 6.0])
    return load, recorded(load, POLLINGS["twice a second, 20 polls"], 0.03, UNTIL_S, seed=1)


@pytest.mark.parametrize("before_s", [0.0, 0.1, 0.4])
def test_a_step_that_too_few_rows_follow_is_not_taken_for_none(before_s: float) -> None:
    """It lies in a block that ends behind the recording, or shows as a small part of the last row's mean."""
    _, trace = stepped_at(13.5)
    trace = with_rows(trace, trace.t_s <= 13.6)
    energy = window_energy(trace, 1.0, float(trace.t_s[-1]) - before_s)
    assert energy.edge_error_j is None


def test_a_hole_behind_the_window_is_an_end_of_the_recording() -> None:
    _, trace = stepped_at(6.0)
    kept = (trace.t_s < 6.2) | (trace.t_s > 9.0)
    trace = with_rows(trace, kept)
    index = EnergyIndex(trace)
    assert index.window(1.0, 5.9).edge_error_j is None
    assert index.window(1.0, 4.0).edge_error_j is not None


def test_a_late_row_behind_the_window_counts_as_near() -> None:
    """A reply is missing behind the end, so that the step at it shows a period later than it should."""
    load, trace = stepped_at(5.95)
    kept = (trace.t_s < 5.9) | (trace.t_s > 6.9)
    trace = with_rows(trace, kept)
    energy = window_energy(trace, 1.0, 5.5)
    assert energy.edge_error_j >= 4.0 * 0.5 >= abs(energy.energy_j - load.energy_j(1.0, 5.5))


def test_a_window_of_the_first_moment_knows_the_period_from_the_rest() -> None:
    """The second row may come at once after the first, and its mean is still of half a second."""
    load, trace = stepped_at(0.0)
    start_s, end_s = float(trace.t_s[0]), float(trace.t_s[1])
    assert end_s - start_s < 0.2
    energy = window_energy(trace, start_s, end_s)
    assert energy.edge_error_j >= 4.0 * 0.5 >= abs(energy.energy_j - load.energy_j(start_s, end_s))


def test_in_a_recording_too_short_for_a_known_error_the_widest_window_is_all_of_it() -> None:
    load = SteppedLoad([0.0], [2.0])
    trace = recorded(load, POLLINGS["twice a second, 20 polls"], 0.03, 1.1, seed=1)
    index = EnergyIndex(trace)
    assert index.widest_s() == (trace.t_s[0], trace.t_s[-1])
    assert index.window(*index.widest_s()).edge_error_j is None


def test_an_edge_that_is_given_stays_and_a_hole_is_not_left_out_in_silence() -> None:
    _, trace = stepped_at(6.0)
    index = EnergyIndex(trace)
    assert index.widest_s(3.0, 13.9) == (3.0, 13.9)
    assert index.widest_s(end_s=5.0) == (trace.t_s[0], 5.0)
    assert index.widest_s(3.0) == (3.0, index.widest_s()[1])
    kept = trace.t_s < 12.0
    kept[-1] = True
    holed = with_rows(trace, kept)
    with pytest.raises(SampleGap):
        EnergyIndex(holed).widest_s()


def test_block_means_are_off_by_less_than_a_thousandth_where_the_trapezoid_is_not() -> None:
    """Between steady edges of unlike power the trapezoid runs half a period late, however long the window."""
    load, trace = stepped_at(6.0)
    true_j = load.energy_j(1.0, 12.0)
    assert window_energy(trace, 1.0, 12.0).energy_j == pytest.approx(true_j, abs=0.25)  # 4 W for a poll
    assert window_energy(trace, 1.0, 12.0, method="trapezoid").energy_j < true_j - 0.7


def test_a_step_at_the_edge_is_stated_as_step_times_period_and_poll() -> None:
    _, trace = stepped_at(6.0)
    at_the_step = window_energy(trace, 6.0, 12.0)
    away_from_it = window_energy(trace, 8.0, 12.0)
    assert 4.0 * 0.5 <= at_the_step.edge_error_j <= 3 * 4.0 * 0.65
    assert away_from_it.edge_error_j == 0.0


def instants(power_w: list[float], spacing_s: float, poll_s: float) -> PowerTrace:
    facts = MeterFacts("simulated", "none", "none", True, 1, "any", spacing_s, "instant", poll_s)
    t_s = [spacing_s * k for k in range(len(power_w))]
    return PowerTrace(facts, 0.0, None, t_s, [1.0] * len(t_s), power_w)


def test_a_load_in_step_with_a_meter_of_instants_is_off_by_half_a_spacing_at_every_change() -> None:
    """6 W from just after one row until just before another: the straight lines lack a second of them each time."""
    up_s = [5.01 + 4 * k for k in range(12)]
    load = SteppedLoad([0.0, *(s for up in up_s for s in (up, up + 1.98))], [2.0, *[6.0, 2.0] * 12])
    shown_w = [load.levels_w[bisect_right(load.since_s, 0.5 * k) - 1] + 1e-6 * (k % 2) for k in range(121)]
    energy = window_energy(instants(shown_w, 0.5, 0.001), 3.0, 53.0)
    lost_j = load.energy_j(3.0, 53.0) - energy.energy_j
    assert 20.0 < lost_j <= energy.edge_error_j < 1.05 * 24 * 4.0 * 0.25


@pytest.mark.parametrize("known", [True, False])
def test_regular_rows_are_not_taken_for_rows_in_time(known: bool) -> None:
    """A quartz 100 ppm slow against the polls: between the steps the rows fall behind by nearly a whole poll."""
    load = SteppedLoad([0.0, 20.0, 430.0], [2.0, 6.0, 2.0])
    trace = recorded(load, Polling(0.5 * (1 - 1e-4), 0.05, 1e-4, 0.5, 1e-6), 0.045, 450.0, seed=1)
    trace = replace(trace, facts=replace(trace.facts, poll_period_s=0.05 if known else None))
    energy = window_energy(trace, 10.0, 440.0)
    off_j = abs(energy.energy_j - load.energy_j(10.0, 440.0))
    assert 0.1 < off_j <= energy.edge_error_j
    assert (energy.edge_error_j < 0.3) is known


def test_a_fast_meter_that_is_asked_rarely_has_no_known_bound() -> None:
    """Its means are of 20 ms, ten times a second: nobody knows what was in between."""
    load = SteppedLoad([0.0, *(s for k in range(15) for s in (5.03 + 3 * k, 6.61 + 3 * k))], [2.0, *[6.0, 2.0] * 15])
    trace = recorded(load, Polling(0.02, 0.1, 5e-4, 0.5, 3e-4), 0.013, 60.0, seed=1)
    energy = window_energy(trace, 2.0, 52.0)
    off_j = abs(energy.energy_j - load.energy_j(2.0, 52.0))
    assert off_j > 0.5 and energy.edge_error_j is None and energy.renews_too_fast


def steady_without(*lost_s: float) -> PowerTrace:
    """5 W every half second for half a minute, 8 W at the end, without the rows at some instants."""
    t_s = np.arange(0.0, 30.01, 0.5)
    facts = MeterFacts("simulated", "none", "none", True, 1, "mean", 0.5, "block", 0.05)
    trace = PowerTrace(facts, 0.0, None, t_s, np.ones_like(t_s), np.where(t_s < 29.0, 5.0, 8.0) + 1e-6 * (t_s % 1.0))
    return with_rows(trace, ~np.isin(t_s, lost_s))


def test_what_lost_rows_may_hide_is_in_the_bound_and_said() -> None:
    """1.5 s between two rows, and a poll: from nothing to 8 W may have flowed. Without losses nothing is said."""
    holed = window_energy(steady_without(10.5, 11.0), 2.0, 20.0)
    assert holed.edge_error_j == pytest.approx(8.0 * 1.55, abs=1e-3)
    assert holed.edge_error_assumes == ASSUMES_OF_GAPS
    whole = window_energy(steady_without(), 2.0, 20.0)
    assert whole.edge_error_j < 1e-3 and whole.edge_error_assumes == ASSUMES
    assert net_of_idle(whole, holed).edge_error_assumes == net_of_idle(holed, whole).edge_error_assumes
    assert net_of_idle(whole, holed).edge_error_assumes == ASSUMES_OF_GAPS


@pytest.mark.parametrize("window", [(2.0, 9.9), (2.0, 10.1), (11.2, 20.0), (11.6, 20.0)])
def test_rows_lost_just_beside_a_window_make_its_edge_doubtful(window: tuple[float, float]) -> None:
    energy = window_energy(steady_without(10.5, 11.0), *window)
    assert energy.edge_error_assumes == ASSUMES_OF_GAPS
    assert energy.edge_error_j >= 8.0 * 0.55


def test_a_wait_in_the_middle_makes_nothing_near_the_edges_doubtful() -> None:
    """The step of the last second is two seconds behind the end."""
    assert window_energy(steady_without(10.5, 11.0), 2.0, 27.0).edge_error_j == pytest.approx(8.0 * 1.55, abs=1e-3)


def test_instants_hide_no_level_that_lasts_as_long_as_two_of_them_are_apart() -> None:
    trace = instants([5.0, 5.000001] * 20, 0.5, 0.05)
    one_lost, two_lost = with_rows(trace, trace.t_s != 10.0), with_rows(trace, (trace.t_s < 9.9) | (trace.t_s > 10.6))
    assert window_energy(one_lost, 2.0, 17.0).edge_error_assumes == ASSUMES
    assert window_energy(two_lost, 2.0, 17.0).edge_error_assumes == ASSUMES_OF_GAPS


def test_a_window_far_from_lost_rows_supposes_nothing_of_them() -> None:
    energy = window_energy(steady_without(10.5, 11.0), 14.0, 20.0)
    assert energy.edge_error_assumes == ASSUMES and energy.edge_error_j < 1e-3


def test_the_reach_is_the_longest_wait_the_polls_period_and_their_jitter() -> None:
    """With a step at an edge nothing else is in the bound: rows 0.45 to 0.55 s apart, polled every 50 ms."""
    spacings = [0.5, 0.45, 0.55, 0.5] * 6
    facts = MeterFacts("simulated", "none", "none", True, 1, "mean", 0.5, "block", 0.05)
    t_s = np.concatenate(([0.0], np.cumsum(spacings)))
    power_w = np.where(t_s < 6.9, 2.0, 6.0)
    energy = window_energy(PowerTrace(facts, 0.0, None, t_s, np.ones_like(t_s), power_w), 1.0, 6.0)
    assert energy.edge_error_j == pytest.approx(4.0 * (0.55 + 0.05 + 0.1))


def test_a_noisy_hour_is_not_stated_as_doubtful() -> None:
    noise = random.Random(0)
    t_s = [0.5 * k + noise.uniform(0.0, 0.05) for k in range(7200)]
    power_w = [6.0 + noise.gauss(0.0, 0.1) for _ in t_s]
    facts = MeterFacts("simulated", "none", "none", True, 1, "mean", 0.5, "block", 0.05)
    trace = PowerTrace(facts, 0.0, None, t_s, [1.0] * len(t_s), power_w)
    energy = window_energy(trace, 1.0, 3590.0)
    assert energy.edge_error_j < 4e-3 * energy.energy_j
