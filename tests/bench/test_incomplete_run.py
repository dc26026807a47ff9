"""A benchmark whose agent is killed: what had arrived is kept, whole or not at all, and never taken for a run."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import psutil
import pytest

from device_agent.messages.bench import PHASES, PhaseMark
from device_agent.settings import Settings, Workload
from groupnl_deploy.bench.incomplete import IncompleteRun, load_incomplete
from groupnl_deploy.bench.meter import MeterPlan
from groupnl_deploy.bench.reconnect import WayBack
from groupnl_deploy.bench.result import BenchMessage
from groupnl_deploy.bench.run import Images, load_run
from groupnl_deploy.bench.session import Subject, run_session
from groupnl_deploy.bench.unfinished import unfinished_run
from groupnl_deploy.deploy.inventory import local_device
from groupnl_deploy.deploy.push import push_artifact
from groupnl_deploy.errors import DeviceFault, DiskFull, NotBegun, VerificationFailed
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.transport import Transport
from power.trace_io import read_csv

pytestmark = pytest.mark.alone

# The signal may come when the next phase has begun, or the one behind it; never behind these, which last.
LASTING = ("idle_before", "warmup", "steady", "idle_after")
IMAGES = np.random.default_rng(0).integers(0, 256, (200, 3, 32, 32), dtype=np.uint8)


def settings_for(phase: str) -> Settings:
    """Short up to that phase; from there on so long that a busy machine kills the agent before the end."""
    begun = PHASES.index(phase)
    idle_s = 60.0 if phase == "idle_before" else 5.0 if begun >= PHASES.index("runout") else 0.3
    warmup_s, min_seconds = (60.0 if begun <= PHASES.index(one) else 0.3 for one in ("warmup", "steady"))
    workload = Workload(idle_s=idle_s, warmup_s=warmup_s, min_iterations=20, min_seconds=min_seconds)
    return Settings(1, workload=workload)


@pytest.fixture
def local() -> Iterator[Transport]:
    with connect(local_device()) as transport:
        yield transport


def never() -> NoReturn:
    pytest.fail("an agent that was killed is no lost link")


def killed_in(phase: str, transport: Transport, untrained, out: Path, said: list[str]) -> IncompleteRun:
    """What is kept of a short, metered benchmark whose agent was killed when this phase began."""
    deployment = push_artifact(transport, untrained.onnx)
    subject = Subject(deployment, untrained.onnx.manifest, IMAGES, Images("noise", None))
    with open_agent(transport) as agent:
        (mine,) = (one for one in psutil.process_iter(["cmdline"]) if _is_agent(one, transport))

        def kill(message: BenchMessage) -> None:
            if isinstance(message, PhaseMark) and message.phase == phase:
                os.kill(mine.pid, signal.SIGKILL)

        with pytest.raises(DeviceFault, match="was killed"), unfinished_run(out, said.append) as unfinished:
            run_session(
                agent,
                subject,
                backend="onnxruntime",
                settings=settings_for(phase),
                plan=MeterPlan("synthetic", "steady:5V,1A"),
                unfinished=unfinished,
                way_back=WayBack(transport.name, never, 30.0, said.append),
                watch=kill,
                note=said.append,
            )
    return load_incomplete(out.with_name("run.incomplete"))


def _is_agent(process: psutil.Process, transport: Transport) -> bool:
    words = process.info["cmdline"] or [""]
    return words[-1].startswith(f"{transport.root}/agents") and "python" in words[0]


def require_consistent(run: IncompleteRun, phase: str) -> None:
    """All that was measured before the last phase is there, and nothing else."""
    arrived = run.arrived
    begun = PHASES.index(arrived.last_phase)
    killed = PHASES.index(phase)
    assert killed <= begun <= next(PHASES.index(one) for one in LASTING if PHASES.index(one) >= killed)
    over = [span.phase for span in arrived.phases]
    assert over == list(PHASES[:begun]) and run.ended == f"in the phase {arrived.last_phase}"
    assert arrived.begun.settings == settings_for(phase) and arrived.done is None
    assert (arrived.loaded is not None, arrived.checked is not None) == ("load" in over, "check" in over)
    assert len(arrived.checked.predictions if arrived.checked else IMAGES) == len(IMAGES)
    assert (len(arrived.latencies_ns) >= 20) == ("runout" in over)
    assert "was killed" in run.ended_by and len(run.clock_probes) > 0


# Each way that a phase ends: nothing was measured, answers were given, latencies arrived, all of them had.
SOME = ("check", "steady")


@pytest.mark.parametrize("phase", [pytest.param(p, marks=[] if p in SOME else pytest.mark.slow) for p in PHASES])
def test_an_agent_killed_in_any_phase_leaves_what_it_had_measured(
    phase: str, local: Transport, untrained, tmp_path: Path
) -> None:
    said: list[str] = []
    run = killed_in(phase, local, untrained, tmp_path / "runs" / "run", said)
    require_consistent(run, phase)
    kept = tmp_path / "runs" / "run.incomplete"
    assert said == [f"What was measured until then is kept in {kept}."]
    assert list((tmp_path / "runs").iterdir()) == [kept]
    assert sorted(path.name for path in kept.iterdir()) == ["incomplete.json", "incomplete.json.sha256", "power.csv"]
    assert run.power.file.damage(kept) is None and len(read_csv(kept / "power.csv").t_s) > 0
    with pytest.raises(VerificationFailed, match="incomplete run"):
        load_run(kept)


def test_over_ssh_too_and_every_latency_has_arrived(sshd, untrained, tmp_path: Path) -> None:
    with connect(sshd.device()) as transport:
        run = killed_in("idle_after", transport, untrained, tmp_path / "run", [])
    require_consistent(run, "idle_after")
    assert sum(run.arrived.latencies_ns) > 0.25e9


def test_one_that_had_not_begun_leaves_no_recording(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(NotBegun), unfinished_run(tmp_path / "run", said.append) as unfinished:
        unfinished.recording.write_text("t_s,v,a")
        raise NotBegun("It had not begun.", "Bench again.")
    assert not said and not list(tmp_path.iterdir())


def test_one_that_cannot_be_kept_does_not_hide_what_ended_it(
    local: Transport, untrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> Path:
        raise DiskFull("The disk is full.", "Free some space.")

    monkeypatch.setattr("groupnl_deploy.bench.unfinished.save_incomplete", full)
    said: list[str] = []
    with pytest.raises(VerificationFailed):  # there is none to load
        killed_in("warmup", local, untrained, tmp_path / "run", said)
    assert said == [
        "The incomplete run could not be kept: The disk is full.",
        f"The measurements until then are kept in {tmp_path / 'run.power.csv'}.",
    ]
    assert list(tmp_path.glob("run*")) == [tmp_path / "run.power.csv"]
