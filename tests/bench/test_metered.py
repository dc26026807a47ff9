from typing import get_args

import pytest

from device_agent.messages.bench import Phase
from device_agent.settings import Workload
from groupnl_deploy.bench.meter import EmulatedLoad, MeterPlan, meter_plan
from groupnl_deploy.bench.metered import METERED_RUNOUT_S, require_measurable
from groupnl_deploy.errors import UsageError
from power.edge_error import CLEAR_PERIODS


def refusal_of(workload: Workload) -> UsageError | None:
    try:
        require_measurable(workload)
    except UsageError as refusal:
        return refusal
    return None


LEAST = {"min_seconds": 10.0, "min_iterations": 100, "idle_s": 5.0, "warmup_s": 1.5}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"min_seconds": 9.9}, "at least 10 s and 100 inferences"),
        ({"min_iterations": 99}, "at least 10 s and 100 inferences"),
        ({"idle_s": 4.9}, "at least 5 s of idle"),
        ({"warmup_s": 1.4}, "warm-up of at least 1.5 s"),
    ],
)
def test_what_a_meter_cannot_resolve_is_refused(changes: dict[str, float], words: str) -> None:
    refusal = refusal_of(Workload(**LEAST | changes))
    assert words in refusal.message and refusal.remedy.startswith("Raise --")


@pytest.mark.parametrize("changes", [{}, LEAST])
def test_the_defaults_and_the_least_are_measurable(changes: dict[str, float]) -> None:
    assert refusal_of(Workload(**changes)) is None


def test_the_load_stays_on_for_as_long_as_a_bound_looks_and_idle_outlasts_it() -> None:
    """At two measurements a second: the run-out, the least warm-up and what idle windows lose are one number."""
    assert METERED_RUNOUT_S == CLEAR_PERIODS * 0.5 == LEAST["warmup_s"]
    assert LEAST["idle_s"] - 2 * METERED_RUNOUT_S == 2.0  # four measurements of each idle stretch remain


def test_a_port_and_a_rate_are_a_meters() -> None:
    assert meter_plan(None, None, 1) is None
    assert meter_plan("km003c", "/dev/ttyACM0", -1) == MeterPlan("km003c", "/dev/ttyACM0", -1)
    assert meter_plan("km003c", None, 1).port is None  # it is looked for
    for port, sign, rate_hz in (("/dev/ttyACM0", 1, None), (None, 1, 50), (None, -1, None)):
        with pytest.raises(UsageError, match="need --meter"):
            meter_plan(None, port, sign, rate_hz)
    with pytest.raises(UsageError, match="emulator is for km003c"):
        meter_plan("hwmon", "emulator", 1)
    with pytest.raises(UsageError, match="known are") as caught:
        meter_plan("km003", "/dev/ttyACM0", 1)
    assert "km003c" in caught.value.message


def test_an_emulated_board_rests_in_the_phases_in_which_nothing_is_done() -> None:
    load = EmulatedLoad()
    resting = [phase for phase in get_args(Phase) if load.current_a(phase) == load.idle_a]
    assert resting == ["cooldown", "idle_before", "idle_after"]
