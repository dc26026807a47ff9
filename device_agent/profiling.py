"""Inferences under a profiler: how many there are, and how long each took."""

import time
from collections.abc import Callable, Sequence
from typing import Any

LEAST_RUNS = 20
ENOUGH_S, MOST_S = 2.0, 5.0
"""So many seconds of inferences are enough; no run begins later than the second of these."""

WARM_UP_RUNS = 3
"""Before those that count: the first ones fetch weights and grow buffers."""

MOST_CALLS = 20_000
"""Of operators, in all runs together: what the profiler keeps of each has to fit in a small board's memory."""


def warmed_up(run: Callable[[Any], Any], prepared: Sequence[Any]) -> None:
    """The inferences that do not count."""
    for number in range(WARM_UP_RUNS):
        run(prepared[number % len(prepared)])


def timed_runs(run: Callable[[Any], Any], prepared: Sequence[Any], operators: int) -> tuple[int, ...]:
    """Nanoseconds of each inference: at least `LEAST_RUNS`, for about `ENOUGH_S`, but none begins behind `MOST_S`.

    `operators` is about how many of them one inference calls.
    """
    clock, latencies = time.perf_counter_ns, list[int]()
    most = max(LEAST_RUNS, MOST_CALLS // max(operators, 1))
    begin = clock()
    while _goes_on(len(latencies), most, (clock() - begin) / 1e9):
        image = prepared[len(latencies) % len(prepared)]
        start = clock()
        run(image)
        latencies.append(clock() - start)
    return tuple(latencies)


def _goes_on(done: int, most: int, passed_s: float) -> bool:
    if done == 0:
        return True
    return passed_s < MOST_S and done < most and (done < LEAST_RUNS or passed_s < ENOUGH_S)
