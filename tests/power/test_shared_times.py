"""Rows of one time, and rows of two recordings in turn: steps and repeats are read, all else is refused."""

import numpy as np
import pytest

from power.energy import window_energy
from power.errors import TraceFormatError
from power.interleaved import refuse_interleaved
from power.trace_io import read_csv

HEAD = "t_s,voltage_v,current_a\n"


@pytest.fixture
def whole_j(tmp_path):
    def integrate(rows, method=None) -> float:
        path = tmp_path / "rows.csv"
        path.write_text(HEAD + "".join(f"{t:.9g},5,{watts / 5:.9g}\n" for t, watts in rows))
        trace = read_csv(path)
        return window_energy(trace, float(trace.t_s[0]), float(trace.t_s[-1]), method=method).energy_j

    return integrate


@pytest.mark.parametrize(
    ("rows", "joules"),
    [
        ([(0, 3), (5, 3), (5, 6), (10, 6)], 45.0),
        ([(0, 3), (5, 3), (5, 6), (10, 6), (10, 3), (15, 3)], 60.0),
        ([(0, 2), (5, 4), (5, 6), (10, 8)], 50.0),  # lines with a jump between them
        ([(0, 3), (0, 3), (1, 3), (1, 3), (2, 3), (2, 3), (2, 3)], 6.0),
        ([(k // 4, 3.0) for k in range(40)], 27.0),
    ],
)
def test_steps_and_repeats_are_read(whole_j, rows, joules: float) -> None:
    assert whole_j(rows, "trapezoid") == pytest.approx(joules)


@pytest.mark.parametrize(
    "rows",
    [
        [(0, 3), (1, 3), (1, 6), (1, 9), (2, 9)],
        [(0, 3), (1, 3), (1, 6), (1, 6), (2, 9)],
        [(k // 2, 3.0 if k % 2 else 6.0) for k in range(40)],  # two rails, row by row
        [(k // 10, 3.0 + k % 10) for k in range(200)],
        [(k // 3 * 0.006, 1.5 if k % 3 else 7.5) for k in range(90)],
        [(k // 2, 3 + 0.01 * k) for k in range(40)],
        [(5, 3), (5, 6)],
        [(5, 3), (5, 6), (5, 3)],
    ],
)
def test_rows_of_one_time_are_never_chosen_from(whole_j, rows) -> None:
    for method in (None, "trapezoid", "interval", "hold"):
        with pytest.raises(TraceFormatError, match="have the one time"):
            whole_j(rows, method)


def two_recordings(offset_s: float, other_w: float, jitter: float = 0.0) -> list[np.ndarray]:
    """20 s of four rows a second at 3 W, and as many of other watts from `offset_s` on, sorted into one."""
    random = np.random.default_rng(0)
    times = np.concatenate((np.arange(80) / 4, offset_s + np.arange(80) / 4)) + jitter * random.random(160)
    watts = np.concatenate((np.full(80, 3.0), np.full(80, other_w))) + random.normal(0.0, 0.01, 160)
    order = np.argsort(times, kind="stable")
    return [times[order], np.full(160, 5.0), watts[order] / 5]


@pytest.mark.parametrize("offset_s", [10.0, 10.1, 10.125, 12.2, 4.9])
@pytest.mark.parametrize("jitter", [0.0, 0.01])
def test_two_recordings_sorted_into_one_are_refused(offset_s: float, jitter: float) -> None:
    with pytest.raises(TraceFormatError, match="two recordings"):
        refuse_interleaved("rows.csv", *two_recordings(offset_s, 9.0, jitter))


def test_the_same_load_is_told_by_its_two_clocks() -> None:
    with pytest.raises(TraceFormatError, match="two recordings"):
        refuse_interleaved("rows.csv", *two_recordings(10.1, 3.0))


def test_one_recording_is_left_alone() -> None:
    random = np.random.default_rng(1)
    for rows in range(20, 200, 7):
        t_s = np.cumsum(0.1 * (1 + random.uniform(-0.3, 0.3, rows)))
        alternating = np.where(np.arange(rows) % 2, 3.0, 9.0)
        for watts in (alternating, random.uniform(2.0, 9.0, rows), np.full(rows, 3.0)):
            refuse_interleaved("rows.csv", t_s, np.full(rows, 5.0), watts / 5)
    faster = np.concatenate((np.arange(50) * 0.2, 10 + np.arange(100) * 0.1, 20 + np.arange(50) * 0.2))
    refuse_interleaved("rows.csv", faster, np.full(200, 5.0), random.uniform(0.5, 1.5, 200))
