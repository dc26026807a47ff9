import pytest

from groupnl_deploy.bench.meter import MeterPlan, meter_plan
from groupnl_deploy.bench.workload import Workload
from groupnl_deploy.errors import UsageError


@pytest.mark.parametrize("changes", [{"min_seconds": 9.9}, {"min_iterations": 99}, {"idle_s": 3.9}, {"warmup_s": 0.5}])
def test_what_a_meter_cannot_resolve_is_refused(changes: dict[str, float]) -> None:
    workload = Workload(**changes)
    with pytest.raises(UsageError, match="at least"):
        workload.require_measurable()


def test_the_defaults_are_measurable() -> None:
    Workload().require_measurable()


@pytest.mark.parametrize(
    "changes",
    [
        {"idle_s": -1.0},
        {"idle_s": float("inf")},
        {"min_seconds": float("nan")},
        {"warmup_s": 1e300},
        {"min_iterations": 0},
        {"images": 0},
        {"threads": -1},
    ],
)
def test_nonsense_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Workload(**changes)


def test_a_port_and_a_rate_are_a_meters() -> None:
    assert meter_plan(None, None, 1) is None
    assert meter_plan("km003c", "/dev/ttyACM0", -1) == MeterPlan("km003c", "/dev/ttyACM0", -1)
    assert meter_plan("km003c", None, 1).port is None  # it is looked for
    for port, rate_hz in (("/dev/ttyACM0", None), (None, 50)):
        with pytest.raises(UsageError, match="need --meter"):
            meter_plan(None, port, 1, rate_hz)
    with pytest.raises(UsageError, match="emulator is for km003c"):
        meter_plan("hwmon", "emulator", 1)
    with pytest.raises(UsageError, match="known are") as caught:
        meter_plan("km003", "/dev/ttyACM0", 1)
    assert "km003c" in caught.value.message
