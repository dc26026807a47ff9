"""Latencies to statistics. Pure; percentiles are nearest-rank, so each is a latency that really happened."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LatencyStats:
    """Of the steady window: milliseconds per inference, and inferences per second of wall time."""

    iterations: int
    duration_s: float
    fps: float
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


def latency_stats(latencies_ns: Sequence[int], duration_s: float) -> LatencyStats:
    """Summarise at least one latency; `duration_s` is the whole window, the loop's own cost included."""
    ordered = sorted(latencies_ns)
    return LatencyStats(
        iterations=len(ordered),
        duration_s=duration_s,
        fps=len(ordered) / duration_s,
        mean_ms=sum(ordered) / len(ordered) / 1e6,
        p50_ms=percentile(ordered, 50) / 1e6,
        p90_ms=percentile(ordered, 90) / 1e6,
        p99_ms=percentile(ordered, 99) / 1e6,
        max_ms=ordered[-1] / 1e6,
    )


def percentile(ordered: Sequence[int], percent: float) -> int:
    """Nearest-rank percentile of a sorted, non-empty sequence, 0 < percent ≤ 100."""
    return ordered[max(math.ceil(percent / 100 * len(ordered)), 1) - 1]
