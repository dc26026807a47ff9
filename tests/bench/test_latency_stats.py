import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupnl_deploy.bench.stats import latency_stats, percentile


def test_statistics_of_a_hundred_latencies() -> None:
    stats = latency_stats([number * 1_000_000 for number in range(100, 0, -1)], duration_s=5.05)
    assert (stats.p50_ms, stats.p90_ms, stats.p99_ms, stats.max_ms) == (50.0, 90.0, 99.0, 100.0)
    assert stats.mean_ms == pytest.approx(50.5)
    assert stats.fps == pytest.approx(100 / 5.05)
    assert stats.iterations == 100


@given(st.lists(st.integers(1, 10**12), min_size=1), st.floats(0.1, 100))
def test_a_percentile_is_a_latency_that_happened(latencies: list[int], percent: float) -> None:
    ordered = sorted(latencies)
    found = percentile(ordered, percent)
    assert found in latencies
    assert sum(latency <= found for latency in latencies) >= percent / 100 * len(latencies) - 1e-6
