"""Latencies to statistics. Pure; percentiles are nearest-rank, so each is a latency that really happened."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations, pairwise
from statistics import median

BLOCKS, LEAST_IN_BLOCK = 10, 5


@dataclass(frozen=True)
class LatencyStats:
    """Of the steady window: milliseconds per inference, and inferences per second of wall time.

    `std_ms` is the standard deviation of a sample (n - 1), null for a single latency. `drift_ms_per_min` is how much
    slower an inference became in a minute: the median slope between the medians of ten blocks (Theil and Sen), which
    single slow inferences do not move; null for fewer than fifty latencies.
    """

    iterations: int
    duration_s: float
    fps: float
    mean_ms: float
    std_ms: float | None
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    drift_ms_per_min: float | None


def latency_stats(latencies_ns: Sequence[int], duration_s: float) -> LatencyStats:
    """Summarise at least one latency; `duration_s` is the whole window, the loop's own cost included."""
    ordered = sorted(latencies_ns)
    p50_ms, p90_ms, p95_ms, p99_ms = (percentile(ordered, percent) / 1e6 for percent in (50, 90, 95, 99))
    return LatencyStats(
        iterations=len(ordered),
        duration_s=duration_s,
        fps=len(ordered) / duration_s,
        mean_ms=sum(ordered) / len(ordered) / 1e6,
        std_ms=_std_ms(ordered),
        p50_ms=p50_ms,
        p90_ms=p90_ms,
        p95_ms=p95_ms,
        p99_ms=p99_ms,
        max_ms=ordered[-1] / 1e6,
        drift_ms_per_min=drift_ms_per_min(latencies_ns, duration_s),
    )


def percentile(ordered: Sequence[int], percent: float) -> int:
    """Nearest-rank percentile of a sorted, non-empty sequence, 0 < percent ≤ 100."""
    return ordered[max(math.ceil(percent / 100 * len(ordered)), 1) - 1]


def drift_ms_per_min(latencies_ns: Sequence[int], duration_s: float) -> float | None:
    """By how much an inference became slower in a minute; None where there are too few to tell."""
    if len(latencies_ns) < BLOCKS * LEAST_IN_BLOCK:
        return None
    ended_ns = list(accumulate(latencies_ns))
    # What the loop itself took between two inferences is spread over all of them.
    minutes_per_ns = duration_s / 60.0 / ended_ns[-1]
    middles_min = [ended_ns[(begin + end) // 2 - 1] * minutes_per_ns for begin, end in _blocks(len(latencies_ns))]
    points = zip(middles_min, (one / 1e6 for one in block_medians(latencies_ns)), strict=True)
    return median((later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in combinations(points, 2))


def block_medians(latencies_ns: Sequence[int]) -> Iterator[float]:
    """The medians, in nanoseconds, of ten blocks of at least `BLOCKS` latencies, in their order."""
    return (median(latencies_ns[begin:end]) for begin, end in _blocks(len(latencies_ns)))


def _blocks(count: int) -> Iterator[tuple[int, int]]:
    """Where each block begins, and where the next one does."""
    return pairwise(round(count * number / BLOCKS) for number in range(BLOCKS + 1))


def _std_ms(latencies_ns: Sequence[int]) -> float | None:
    if len(latencies_ns) < 2:
        return None
    mean_ns = sum(latencies_ns) / len(latencies_ns)
    square = math.fsum((one - mean_ns) ** 2 for one in latencies_ns) / (len(latencies_ns) - 1)
    return math.sqrt(square) / 1e6
