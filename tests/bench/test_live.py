"""The bar of a running benchmark."""

import pytest

from device_agent.messages.bench import PHASES, PhaseMark, Progress
from device_agent.settings import Workload
from groupnl_deploy.bench.live import LiveBar, phase_starts, power_text
from power.running import Totals


def test_an_emulated_meter_is_marked_in_the_live_line() -> None:
    totals = Totals(12.0, 5.104, 1.22, 24, 63.14, 2.0, 0, 0.0)
    assert power_text(totals, emulated=False) == "5.10 V  6.227 W  63.1 J"
    assert power_text(totals, emulated=True).endswith("63.1 J EMULATED")
    assert power_text(None, emulated=True) == "no measurement yet EMULATED"


def test_every_phase_has_its_place_on_the_bar() -> None:
    starts = phase_starts(Workload(idle_s=5.0, warmup_s=2.0, min_seconds=30.0))
    assert (starts["cooldown"], starts["steady"], starts["idle_after"], starts["profile"]) == (0.0, 7.0, 37.0, 42.0)
    assert list(starts) == ["cooldown", *PHASES, "profile"]


@pytest.mark.parametrize("phase", ["cooldown", "idle_before", "steady", "profile"])
def test_the_bar_shows_the_phase_and_never_runs_ahead_of_it(phase) -> None:
    shown: list[tuple[float, float | None, str]] = []
    bar = LiveBar(lambda done, total, detail="": shown.append((done, total, detail)), Workload(idle_s=1.0))
    bar.watch(Progress(1, 2))
    assert shown == []  # nothing has begun
    bar.watch(PhaseMark(phase, 0, 1.0))
    done, total, detail = shown[-1]
    assert total is not None and 0 <= done <= total and detail == phase.replace("_", " ")
