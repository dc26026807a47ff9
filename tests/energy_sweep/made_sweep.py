"""Runs of a sweep that are made by hand: their joules, or their times, follow a law that the test knows."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from device_agent.messages.bench import MemoryUse, PhaseSpan
from device_agent.messages.board import BoardFacts
from device_agent.settings import Settings, Workload
from groupnl_deploy.bench.result import BenchResult
from groupnl_deploy.bench.run import BenchRun, save_run
from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.sweep import Key
from groupnl_deploy.energy_sweep.plan import SweepPlan
from power.trace import MeterFacts, PowerTrace
from tests.bench.made_runs import DIGEST, OFFSET_S, PHASES, made_run

KEY = Key("Raspberry Pi 4 Model B Rev 1.4", 1500.0, 4, "onnxruntime 1.22.0")
BOARD = BoardFacts(KEY.board, "aarch64", "Debian", "6", "3.11", 4, 1, 1, 1, "performance", 1.5e9, 50.0, 0)
ITERATIONS, IDLE_W = 1000, 2.0
STEADY_S = 10.0

Law = Callable[[LayerShape, int], float]


def plan_of(shapes: tuple[LayerShape, ...], repeats: int = 1, meter: str | None = None, key: Key = KEY) -> SweepPlan:
    work = Workload(idle_s=5.0, warmup_s=1.5, min_seconds=10.0)
    return SweepPlan("pi", key, shapes, Settings(key.threads, workload=work), repeats, meter, meter is not None)


def run_of(latency_s: float, key: Key = KEY, slow: int = 0, **changes: Any) -> BenchRun:
    """A thousand equal latencies, the last of them `slow` times twenty times as long."""
    latency_ns = max(1, round(1e9 * latency_s))
    result = BenchResult(
        manifest_sha256=DIGEST,
        agent_sha256=DIGEST,
        backend="onnxruntime",
        settings=Settings(key.threads),
        versions={"onnxruntime": key.runtime.rpartition(" ")[2], "numpy": "2"},
        phases=tuple(PhaseSpan(name, round(a * 1e9), round(b * 1e9)) for name, (a, b) in PHASES.items()),
        first_inference_ns=1,
        latencies_ns=(latency_ns,) * (ITERATIONS - slow) + (20 * latency_ns,) * slow,
        predictions=(1,),
        memory_start=MemoryUse(1, None, 1, 0),
        board_before=replace(BOARD, model=key.board, clock_target_hz=key.clock_mhz and 1e6 * key.clock_mhz),
        board_after=BOARD,
        providers=("CPUExecutionProvider",),
    )
    return made_run(replace(result, **changes), trained=False, warmup_s=1.5)


def recording(frame_j: float) -> PowerTrace:
    """The half-second means of a board whose inferences take `frame_j` joules each, beside idling."""
    ends = np.arange(0.7, 27.5, 0.5)
    busy_s = np.clip(ends, 6.0, 21.5) - np.clip(ends - 0.5, 6.0, 21.5)
    power_w = IDLE_W + frame_j * ITERATIONS / STEADY_S * busy_s / 0.5
    facts = MeterFacts("km003c", "serial", "/dev/pts/9", True, 1, "vbus/ibus", 0.5, "block", 0.05)
    return PowerTrace(facts, OFFSET_S - 1.0, None, ends, np.full_like(ends, 5.0), power_w / 5.0)


@dataclass
class Bench:
    """Stands where `groupnl bench` would: makes run folders by a law, times 1 + scatter · a normal draw.

    `fails` has what is raised in place of the run of that number, `slow` and `keys` what runs of that number have.
    """

    plan: SweepPlan
    law: Law
    scatter: float = 0.0
    fails: dict[int, BaseException] = field(default_factory=dict)
    slow: dict[int, int] = field(default_factory=dict)
    keys: dict[int, Key] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)

    def __call__(self, artifact: str, backend: str, folder: Path) -> None:
        number = len(self.made) + 1
        if number in self.fails:
            raise self.fails[number]
        draw = np.random.default_rng(list(folder.name.encode())).standard_normal()  # whatever the order of the runs is
        cost = self.law(*self.plan.labels[Path(artifact).name]) * (1 + self.scatter * draw)
        frame = cost * self.plan.copies * self.plan.key.batch
        metered = self.plan.meter is not None
        run = run_of(0.01 if metered else frame, self.keys.get(number, self.plan.key), self.slow.get(number, 0))
        save_run(folder, run, recording(frame) if metered else None)
        self.made.append(folder.name)


def without_artifacts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No networks are exported: what is made by hand runs none."""
    monkeypatch.setattr(
        "groupnl_deploy.energy_sweep.carry_out.chain_artifact", lambda *_: SimpleNamespace(sha256="b" * 64)
    )
