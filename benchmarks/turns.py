"""Contestants in one process, timed in turns. Needs the standard library alone."""

import math
import random
import statistics
import time
from collections.abc import Callable, Sequence

SAMPLE_S = 2e-3

Run = Callable[[], object]


def median_micros(runs: Sequence[Run], rounds: int) -> list[float]:
    """Median microseconds of each: processor time of one thread, in turns in an order that changes."""
    repeats = [max(1, math.ceil(SAMPLE_S / sample(run, 3))) for run in runs]
    seconds: list[list[float]] = [[] for _ in runs]
    order = random.Random(0)
    for _ in range(rounds):
        for index in order.sample(range(len(runs)), len(runs)):
            seconds[index].append(sample(runs[index], repeats[index]))
    return [1e6 * statistics.median(times) for times in seconds]


def sample(run: Run, repeats: int) -> float:
    """Seconds of one of so many runs, behind one that warms the caches."""
    run()
    start = time.process_time()
    for _ in range(repeats):
        run()
    return (time.process_time() - start) / repeats
