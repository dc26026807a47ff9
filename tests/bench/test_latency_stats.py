import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupnl_deploy.bench.stats import drift_ms_per_min, latency_stats, percentile


def test_statistics_of_a_hundred_latencies() -> None:
    stats = latency_stats([number * 1_000_000 for number in range(100, 0, -1)], duration_s=5.05)
    assert (stats.p50_ms, stats.p90_ms, stats.p95_ms, stats.p99_ms, stats.max_ms) == (50.0, 90.0, 95.0, 99.0, 100.0)
    assert stats.mean_ms == pytest.approx(50.5)
    assert stats.std_ms == pytest.approx(statistics.stdev(range(1, 101)))
    assert stats.fps == pytest.approx(100 / 5.05)
    assert stats.iterations == 100


def test_what_one_latency_cannot_tell_is_null() -> None:
    stats = latency_stats([5_000_000], duration_s=0.005)
    assert (stats.std_ms, stats.drift_ms_per_min) == (None, None)
    assert stats.p50_ms == stats.p95_ms == stats.max_ms == 5.0


def test_a_drift_is_milliseconds_in_a_minute_of_wall_time() -> None:
    """From 10 to 11 ms within 2 minutes; the loop takes as long again between two inferences."""
    count = 6000
    latencies = [round(1e6 * (10 + number / count)) for number in range(count)]
    assert drift_ms_per_min(latencies, 120.0) == pytest.approx(0.5, rel=0.05)
    assert drift_ms_per_min(latencies[::-1], 120.0) == pytest.approx(-0.5, rel=0.05)


def test_single_slow_inferences_are_no_drift() -> None:
    latencies = [10_000_000] * 1000
    latencies[-90:] = [10_000_000, 900_000_000, 10_000_000] * 30
    assert drift_ms_per_min(latencies, 60.0) == 0.0


@given(st.lists(st.integers(1, 10**12), min_size=1), st.floats(0.1, 100))
def test_a_percentile_is_a_latency_that_happened(latencies: list[int], percent: float) -> None:
    ordered = sorted(latencies)
    found = percentile(ordered, percent)
    assert found in latencies
    assert sum(latency <= found for latency in latencies) >= percent / 100 * len(latencies) - 1e-6
