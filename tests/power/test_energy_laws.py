"""Laws that hold for any recording and any window, against sums made the slow and plain way."""

import math
from bisect import bisect_right
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.energy import EnergyIndex, window_energy
from power.trace import MeterFacts, PowerTrace

PERIOD_S = 0.5
METHODS = st.sampled_from(["trapezoid", "interval"])


def trace_of(t_s, power_w, averaging="instant") -> PowerTrace:
    facts = MeterFacts("km003c", "serial", "/dev/ttyACM0", False, 1, "vbus/ibus", PERIOD_S, averaging)
    return PowerTrace(facts, 0.0, None, t_s, [1.0] * len(t_s), power_w)


powers = st.floats(-200.0, 200.0).map(lambda power: round(power, 6))
gaps = st.floats(0.001, 1.4).map(lambda gap: round(gap, 6))


def instants_in(draw, t_s: list[float], count: int) -> list[float]:
    """Increasing instants between the first row and the last."""
    cuts = draw(st.lists(st.floats(0.0, 1.0), min_size=count, max_size=count, unique=True))
    return sorted(min(t_s[0] + cut * (t_s[-1] - t_s[0]), t_s[-1]) for cut in cuts)


@st.composite
def recordings(draw, each_value_new: bool = False):
    """Sample times, powers, and three increasing instants inside."""
    unique = (lambda step: step[1]) if each_value_new else None
    steps = draw(st.lists(st.tuples(gaps, powers), min_size=2, max_size=20, unique_by=unique))
    t_s, power_w = np.cumsum([gap for gap, _ in steps]).tolist(), [power for _, power in steps]
    return t_s, power_w, instants_in(draw, t_s, 3)


def integral_of_segments(t_s, power_w, start_s, end_s) -> float:
    """Segment by segment: exact for power that is linear between its knots."""
    knots = [start_s, *(t for t in t_s if start_s < t < end_s), end_s]

    def power(t: float) -> float:
        right = min(max(bisect_right(t_s, t), 1), len(t_s) - 1)
        share = (t - t_s[right - 1]) / (t_s[right] - t_s[right - 1])
        return power_w[right - 1] * (1.0 - share) + power_w[right] * share

    return math.fsum((b - a) * power((a + b) / 2) for a, b in pairwise(knots))


def integral_of_blocks(t_s, power_w, start_s, end_s) -> float:
    """Each value times what its interval has in common with the window."""
    shared = (max(0.0, min(b, end_s) - max(a, start_s)) for a, b in pairwise(t_s))
    return math.fsum(held_s * power for held_s, power in zip(shared, power_w[1:], strict=True))


@given(recordings())
def test_exact_on_piecewise_linear_power(recording) -> None:
    t_s, power_w, (start_s, _, end_s) = recording
    if start_s < end_s:
        found = window_energy(trace_of(t_s, power_w), start_s, end_s).energy_j
        assert found == pytest.approx(integral_of_segments(t_s, power_w, start_s, end_s), abs=1e-9, rel=1e-9)


@given(recordings(each_value_new=True))
def test_exact_on_block_means(recording) -> None:
    t_s, power_w, (start_s, _, end_s) = recording
    if start_s < end_s:
        found = window_energy(trace_of(t_s, power_w, "block"), start_s, end_s).energy_j
        assert found == pytest.approx(integral_of_blocks(t_s, power_w, start_s, end_s), abs=1e-9, rel=1e-9)


@given(recordings(), METHODS)
def test_adjacent_windows_add_up(recording, method) -> None:
    t_s, power_w, (start_s, middle_s, end_s) = recording
    if start_s < middle_s < end_s:
        index = EnergyIndex(trace_of(t_s, power_w), method=method)
        parts = index.window(start_s, middle_s).energy_j + index.window(middle_s, end_s).energy_j
        assert parts == pytest.approx(index.window(start_s, end_s).energy_j, abs=1e-9, rel=1e-9)


@given(recordings(), METHODS)
def test_energy_turns_its_sign_with_the_current(recording, method) -> None:
    t_s, power_w, (start_s, _, end_s) = recording
    if start_s < end_s:
        there = window_energy(trace_of(t_s, power_w), start_s, end_s, method=method)
        back = window_energy(trace_of(t_s, [-power for power in power_w]), start_s, end_s, method=method)
        assert back.energy_j == pytest.approx(-there.energy_j, abs=1e-12)
        assert back.edge_error_j == pytest.approx(there.edge_error_j)


@given(recordings(), METHODS, st.lists(st.integers(1, 3), min_size=20, max_size=20))
def test_rows_written_twice_change_nothing(recording, method, counts) -> None:
    t_s, power_w, (start_s, _, end_s) = recording
    twice_t = [t for t, count in zip(t_s, counts, strict=False) for _ in range(count)]
    twice_w = [power for power, count in zip(power_w, counts, strict=False) for _ in range(count)]
    if start_s < end_s:
        once = window_energy(trace_of(t_s, power_w), start_s, end_s, method=method)
        assert window_energy(trace_of(twice_t, twice_w), start_s, end_s, method=method) == once


@given(recordings(), st.data())
def test_a_row_inserted_on_the_line_changes_nothing_of_the_trapezoid(recording, data) -> None:
    t_s, power_w, (start_s, _, end_s) = recording
    new_s = data.draw(st.floats(t_s[0], t_s[-1]))
    more_s = sorted([*t_s, new_s])
    if start_s < end_s:
        more = trace_of(more_s, np.interp(more_s, t_s, power_w))
        assert window_energy(more, start_s, end_s).energy_j == pytest.approx(
            window_energy(trace_of(t_s, power_w), start_s, end_s).energy_j, abs=1e-9, rel=1e-9
        )


@given(st.lists(powers, min_size=3, max_size=20), st.data())
def test_repeats_of_a_measurement_change_nothing_of_block_means(power_w, data) -> None:
    """A meter that renews every 0.5 s: its rows alone, and with polls in between that gave the same values."""
    t_s = [PERIOD_S * k for k in range(len(power_w))]
    delays = [[0.0, *sorted(data.draw(st.lists(st.floats(0.01, 0.49), max_size=3)))] for _ in t_s]
    polled_s = [t + delay for t, own in zip(t_s, delays, strict=True) for delay in own]
    polled_w = [power for power, own in zip(power_w, delays, strict=True) for _ in own]
    start_s, end_s = instants_in(data.draw, t_s, 2)
    if start_s < end_s:
        once = window_energy(trace_of(t_s, power_w, "block"), start_s, end_s)
        polled = window_energy(trace_of(polled_s, polled_w, "block"), start_s, end_s)
        assert polled.energy_j == pytest.approx(once.energy_j, abs=1e-9)


@given(recordings(), METHODS, st.data())
def test_many_windows_at_once_are_what_they_are_one_by_one(recording, method, data) -> None:
    t_s, power_w, _ = recording
    index = EnergyIndex(trace_of(t_s, power_w), method=method)
    windows = [instants_in(data.draw, t_s, 2) for _ in range(5)]
    windows = [(start_s, end_s) for start_s, end_s in windows if start_s < end_s]
    starts, ends = [window[0] for window in windows], [window[1] for window in windows]
    assert index.energy_j(starts, ends).tolist() == [index.window(*window).energy_j for window in windows]


@given(recordings())
def test_nothing_depends_on_when_the_clock_began(recording) -> None:
    t_s, power_w, (start_s, _, end_s) = recording
    if start_s < end_s:
        here = window_energy(trace_of(t_s, power_w), start_s, end_s)
        shifted = window_energy(trace_of([t + 4096.0 for t in t_s], power_w), start_s + 4096.0, end_s + 4096.0)
        for name in ("energy_j", "mean_power_w", "peak_power_w", "max_gap_s"):
            assert getattr(shifted, name) == pytest.approx(getattr(here, name), rel=1e-6, abs=1e-6)
