import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupnl_deploy.bench.clock import synchronise
from groupnl_deploy.remote.client import ClockProbe


def probes(offset_s: float, drift: float, at_s: float, trips_s: list[float], asymmetry: float) -> list[ClockProbe]:
    """Round trips against a device whose clock is host = device·(1 + drift) + offset."""
    made = []
    for number, trip_s in enumerate(trips_s):
        sent_s = at_s + number * 0.01
        host_s = sent_s + trip_s * asymmetry
        made.append(ClockProbe(sent_s, sent_s + trip_s, (host_s - offset_s) / (1 + drift)))
    return made


@given(
    offset_s=st.floats(-1e5, 1e5),
    drift=st.floats(-1e-4, 1e-4),
    trips_s=st.lists(st.floats(1e-4, 0.05), min_size=1, max_size=20),
    asymmetry=st.floats(0.0, 1.0),
    at_s=st.floats(0.0, 30.0),
)
def test_the_true_time_lies_within_the_stated_uncertainty(offset_s, drift, trips_s, asymmetry, at_s) -> None:
    sync = synchronise(
        probes(offset_s, drift, 100.0, trips_s, asymmetry), probes(offset_s, drift, 130.0, trips_s, asymmetry)
    )
    host_s = 100.0 + at_s
    device_ns = round((host_s - offset_s) / (1 + drift) * 1e9)
    assert sync.host_s(device_ns) == pytest.approx(host_s, abs=sync.uncertainty_s + 1e-6, rel=0)


def test_the_best_round_trip_is_the_one_that_counts() -> None:
    sync = synchronise(probes(5.0, 0.0, 0.0, [0.04, 0.002, 0.03], 0.9), probes(5.0, 0.0, 10.0, [0.05, 0.004], 0.9))
    assert sync.uncertainty_s == pytest.approx(0.002)
    assert abs(sync.offset_s - 5.0) <= 0.001


def test_one_clock_needs_no_correction() -> None:
    sync = synchronise(probes(0.0, 0.0, 0.0, [0.001], 0.5), probes(0.0, 0.0, 5.0, [0.001], 0.5))
    assert sync.offset_s == pytest.approx(0.0, abs=1e-12) and sync.drift == pytest.approx(0.0, abs=1e-12)
