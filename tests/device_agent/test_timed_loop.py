"""When the timed loop ends, on a clock of its own."""

import time
from array import array

import pytest

from device_agent.runner import timed_loop
from device_agent.settings import Workload

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("takes_s", "iterations", "seconds", "longest_s", "expected"),
    [
        (0.25, 4, 0.0, 100, 4),  # as many as are asked for
        (0.25, 1, 5.0, 100, 20),  # as long as is asked for
        (0.25, 100, 1.0, 3, 12),  # a board that has become slow: what it gave until then
        (10.0, 100, 1.0, 3, 1),
        (0.25, 2, 5.0, 1, 20),  # the time that was asked for is always given
    ],
)
def test_it_ends(
    takes_s: float, iterations: int, seconds: float, longest_s: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0]

    def run(image: object) -> None:
        now[0] += int(takes_s * SECOND)

    monkeypatch.setattr(time, "perf_counter_ns", lambda: now[0])
    work = Workload(min_iterations=iterations, min_seconds=seconds)
    found = timed_loop(run, [None], work, array("q", [0]), longest_s * SECOND)
    assert list(found) == [int(takes_s * SECOND)] * expected
