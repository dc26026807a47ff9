"""Many windows of one recording, answered together."""

import numpy as np
import pytest

from power.energy import EnergyIndex
from power.errors import SampleGap, WindowNotCovered

TIMES = [0.0, 0.5, 1.0, 1.5, 4.0, 4.5, 5.0]


@pytest.fixture
def index(make_trace) -> EnergyIndex:
    """5 W with a hole from 1.5 s to 4 s."""
    return EnergyIndex(make_trace(TIMES, [5.0] * 7))


def test_windows_on_both_sides_of_a_hole_are_answered(index) -> None:
    assert index.energy_j([0.0, 0.25, 4.0, 4.25], [1.5, 0.5, 5.0, 4.75]) == pytest.approx([7.5, 1.25, 5.0, 2.5])


def test_one_start_and_many_ends(index) -> None:
    assert index.energy_j(0.0, [0.5, 1.0, 1.5]) == pytest.approx([2.5, 5.0, 7.5])


def test_the_window_that_touches_the_hole_is_named(index) -> None:
    with pytest.raises(SampleGap, match=r"2\.500 s after 1\.500 s"):
        index.energy_j([0.0, 1.0, 4.0], [1.0, 4.2, 5.0])


def test_the_window_that_is_not_covered_is_named(index) -> None:
    with pytest.raises(WindowNotCovered, match=r"4\.500 s to 5\.100 s"):
        index.energy_j([0.0, 4.5], [1.0, 5.1])
    with pytest.raises(WindowNotCovered, match="no duration"):
        index.energy_j([0.0, 1.0], [1.0, np.nan])


def test_no_windows_have_no_energy(index) -> None:
    assert index.energy_j([], []).shape == (0,)


def test_an_index_keeps_to_its_limit(make_trace) -> None:
    patient = EnergyIndex(make_trace(TIMES, [5.0] * 7), max_gap_s=2.5)
    assert patient.energy_j(0.0, 5.0) == pytest.approx([25.0])
    window = patient.window(0.0, 5.0)
    assert (window.gaps, window.gaps_s) == (1, 2.5)
