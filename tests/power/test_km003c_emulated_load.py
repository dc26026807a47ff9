"""Loads whose energy is exact: steps, straight lines, and the scripts that describe them."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.errors import MeterSettingError, WindowNotCovered
from power.meters.km003c.emulated_load import LoadHistory, LoadPoint
from power.meters.km003c.load_script import read_load_script

STEPS = LoadHistory([LoadPoint(0.0, 5.0, 0.4), LoadPoint(2.0, 4.0, 1.5), LoadPoint(3.0, 5.0, -1.0)])
RAMP = LoadHistory([LoadPoint(0.0, 5.0, 0.0), LoadPoint(2.0, 4.0, 1.0)], interpolate=True)

POINTS = st.lists(
    st.tuples(st.floats(0.0, 3.0), st.floats(-50.0, 50.0), st.floats(-6.0, 6.0)), min_size=1, max_size=6
).map(sorted)


def history(points: list[tuple[float, float, float]], interpolate: bool) -> LoadHistory:
    return LoadHistory([LoadPoint(*point) for point in points], interpolate)


def test_steps_hold_until_the_next_and_the_ends_for_ever() -> None:
    assert STEPS.energy_j(0.0, 4.0) == pytest.approx(4.0 + 6.0 - 5.0, abs=1e-12)
    assert STEPS.energy_j(-10.0, -9.0) == pytest.approx(2.0, abs=1e-12)
    assert STEPS.energy_j(100.0, 101.0) == pytest.approx(-5.0, abs=1e-12)
    assert STEPS.mean(1.5, 2.5) == (4.5, 0.95)


def test_the_power_of_a_ramp_is_quadratic_and_integrated_as_such() -> None:
    """V = 5 - t/2 and I = t/2: the integral of 5t/2 - t²/4 from 0 to 2 is 5 - 2/3."""
    assert RAMP.energy_j(0.0, 2.0) == pytest.approx(5.0 - 2.0 / 3.0, abs=1e-12)
    assert RAMP.energy_j(2.0, 3.0) == pytest.approx(4.0, abs=1e-12)
    assert RAMP.energy_j(-1.0, 0.0) == 0.0
    assert RAMP.mean(0.0, 2.0) == (4.5, 0.5)


def test_two_points_at_one_instant_are_a_step_in_a_ramp() -> None:
    points = [LoadPoint(0.0, 1.0, 0.0), LoadPoint(1.0, 1.0, 1.0), LoadPoint(1.0, 1.0, 5.0), LoadPoint(2.0, 1.0, 5.0)]
    assert LoadHistory(points, interpolate=True).energy_j(0.0, 2.0) == pytest.approx(5.5, abs=1e-12)


@given(POINTS, st.booleans(), st.floats(-1.0, 4.0), st.floats(0.01, 2.0), st.floats(0.01, 2.0))
def test_energy_is_additive(points: list, interpolate: bool, start_s: float, first_s: float, second_s: float) -> None:
    load = history(points, interpolate)
    middle_s, end_s = start_s + first_s, start_s + first_s + second_s
    parts = load.energy_j(start_s, middle_s) + load.energy_j(middle_s, end_s)
    assert load.energy_j(start_s, end_s) == pytest.approx(parts, abs=1e-9)


@given(POINTS)
def test_the_energy_of_lines_is_that_of_simpsons_rule_which_is_exact_for_quadratics(points: list) -> None:
    by_simpson = [
        (t1 - t0) / 6.0 * (v0 * i0 + (v0 + v1) * (i0 + i1) + v1 * i1) for (t0, v0, i0), (t1, v1, i1) in pairwise(points)
    ]
    start_s, end_s = points[0][0], points[-1][0]
    if start_s < end_s:
        energy_j = history(points, interpolate=True).energy_j(start_s, end_s)
        assert energy_j == pytest.approx(math.fsum(by_simpson), abs=1e-9)


@given(POINTS, st.booleans())
def test_means_of_parts_make_the_mean_of_the_whole(points: list, interpolate: bool) -> None:
    load, edges = history(points, interpolate), np.linspace(-0.5, 3.5, 401).tolist()
    means = [load.mean(start_s, end_s) for start_s, end_s in pairwise(edges)]
    assert load.mean(-0.5, 3.5) == pytest.approx(np.mean(means, axis=0), abs=1e-9)


def test_a_load_moved_in_time_has_the_same_energy() -> None:
    for load in (STEPS, RAMP):
        assert load.shifted(1000.0).energy_j(1000.5, 1003.5) == pytest.approx(load.energy_j(0.5, 3.5), abs=1e-9)


def test_loads_that_cannot_be_are_refused() -> None:
    for values in ((0.0, 1e9, 0.0), (0.0, 5.0, math.nan), (0.0, math.inf, 0.0), (math.nan, 5.0, 1.0)):
        with pytest.raises(MeterSettingError):
            LoadPoint(*values)
    for points in ([], [LoadPoint(1.0, 5.0, 1.0), LoadPoint(0.0, 5.0, 1.0)]):
        with pytest.raises(MeterSettingError):
            LoadHistory(points)
    for load in (STEPS, RAMP):
        with pytest.raises(MeterSettingError, match="script"):
            load.append(LoadPoint(2.5, 5.0, 1.0))
    with pytest.raises(WindowNotCovered):
        STEPS.energy_j(1.0, 1.0)


def script(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "load.csv"
    path.write_text(text)
    return path


def test_a_script_is_read_as_steps_or_as_lines(tmp_path: Path) -> None:
    path = script(tmp_path, "t_s,voltage_v,current_a\n0,5,0.4\n2,5,1.4\n")
    assert read_load_script(path).energy_j(0.0, 3.0) == pytest.approx(4.0 + 7.0, abs=1e-12)
    assert read_load_script(path, interpolate=True).energy_j(0.0, 3.0) == pytest.approx(9.0 + 7.0, abs=1e-12)


def test_a_recording_is_a_script_too(tmp_path: Path) -> None:
    path = script(tmp_path, "\ufeff# meter: km003c\n\nt_s, voltage_v, current_a, power_w\r\n0,5,1,5\r\n1,5,2,10\r\n")
    assert read_load_script(path).energy_j(0.0, 2.0) == pytest.approx(15.0, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds no rows"),
        ("# nothing\n\n", "holds no rows"),
        ("t_s,voltage_v,current_a\n", "holds no rows"),
        ("t_s,voltage_v\n0,5\n", "lacks the column current_a"),
        ("0,5,1\n1,5,1\n", "lacks the column t_s, voltage_v, current_a"),
        ("t_s,voltage_v,current_a\n0,5,1\n\n1,5\n", "has 2 columns in line 4 instead of 3"),
        ("t_s,voltage_v,current_a\n0,5,one\n", "no number in line 2"),
        ("t_s,voltage_v,current_a\n0,5,nan\n", "line 2: A load of 5.0 V and nan A"),
        ("t_s,voltage_v,current_a\ninf,5,1\n", "line 2: A load begins at inf s"),
        (f"t_s,voltage_v,current_a\n0,5,{'1' * 131073}\n", "cannot be read in line 2 (field larger than"),
        (f"t_s,voltage_v,{'c' * 131073}\n0,5,1\n", "cannot be read in line 1 (field larger than"),
        ("t_s,voltage_v,current_a\n1,5,1\n# back\n0,5,1\n", "back in time in line 4, from 1.0 s to 0.0 s"),
    ],
)
def test_a_file_that_is_no_script_is_refused_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(MeterSettingError) as caught:
        read_load_script(script(tmp_path, text))
    assert complaint in caught.value.message
    assert str(tmp_path / "load.csv") in caught.value.message
    assert caught.value.remedy.endswith(".")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, complaint in (
        (tmp_path / "absent", "No such file"),
        (tmp_path, "not a file"),
        (Path("/dev/zero"), "not a file"),
        (binary, "not a text"),
    ):
        with pytest.raises(MeterSettingError, match=complaint):
            read_load_script(path)
