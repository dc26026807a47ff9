"""The main job, whole: train, export, push over a real OpenSSH server, bench with a meter, report; then again."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from groupnl_deploy.bench.energy import run_energy
from groupnl_deploy.bench.incomplete import load_incomplete
from groupnl_deploy.bench.metered import METERED_RUNOUT_S
from groupnl_deploy.bench.run import load_run
from groupnl_deploy.campaign import readiness
from groupnl_deploy.campaign.load import load_campaign
from groupnl_deploy.deploy.inventory import add_device, get_device
from groupnl_deploy.deploy.push import deploy_artifact
from groupnl_deploy.progress import Silence
from groupnl_deploy.report.row import ReportRow
from tests.rigs.undisturbed import TRIES, has_hole

pytestmark = pytest.mark.alone

VOLTAGE_V, IDLE_A, BUSY_A = 5.0, 0.4, 1.0
IDLE_W, BUSY_W = VOLTAGE_V * IDLE_A, VOLTAGE_V * BUSY_A

CAMPAIGN = f"""
schema_version = 1
out = "job"

[train]
dataset = "digits"
epochs = 1

[[models]]
label = "net"
model = "vgg11_cifar"
conv = "groupnl"
width = 0.125

[push]
device = "board"

[bench]
backends = ["onnxruntime"]

[bench.workload]
threads = 1
images = 50
idle_s = 5.0
warmup_s = 1.5
min_seconds = 10.0

[bench.meter]
meter = "km003c"
port = "emulator"

[bench.meter.emulator]
voltage_v = {VOLTAGE_V}
idle_a = {IDLE_A}
busy_a = {BUSY_A}
"""
# Without a meter a benchmark may be short.
IN_PYTORCH = (
    CAMPAIGN.partition("[bench]")[0]
    + """
[bench]
backends = ["pytorch"]

[bench.workload]
threads = 1
images = 50
idle_s = 0.1
warmup_s = 0.1
min_seconds = 1.0
"""
)


class Notes(Silence):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)

    @property
    def done(self) -> set[str]:
        """The steps that were not up to date."""
        steps = [line.partition(":") for line in self.said if line.split()[0] in STAGES and ": " in line]
        return {name for name, _, result in steps if result.strip() != "up to date"}


STAGES = ("train", "export", "push", "bench", "report")


def run(folder: Path, **options) -> tuple[Notes, object]:
    from groupnl_deploy.campaign.run import Choice, run_campaign  # PyTorch, which no other test that runs alone needs

    notes = Notes()
    return notes, run_campaign(load_campaign(folder / "job.toml"), notes, Choice(**options)).report


def test_the_main_job_over_ssh(
    sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sound_but_for_noise: Callable[[Path], ReportRow]
) -> None:
    monkeypatch.chdir(tmp_path)
    add_device(sshd.device("board"))
    (tmp_path / "job.toml").write_text(CAMPAIGN)

    notes, report = run(tmp_path)
    made = {"train net", "export net-onnx", "export net-torch", "push net-onnx", "push net-torch"}
    assert notes.done == made | {"bench net-onnxruntime", "report all"}
    for _ in range(TRIES):
        (row,) = report.rows
        if not has_hole(load_run(tmp_path / "job" / "runs" / row.run)[1]):
            break
        report = run(tmp_path, again_from="bench")[1]  # the process that records and steps the load was held up
    assert (row.backend, row.device) == ("onnxruntime", "board")
    assert sound_but_for_noise(tmp_path / "job" / "runs" / row.run) == row
    check_row(row)
    check_joules(tmp_path / "job" / "runs" / row.run)
    check_report_files(tmp_path / "job" / "report")

    assert run(tmp_path)[0].done == set()
    with monkeypatch.context() as unplugged:  # what is up to date asks for no board
        unplugged.setattr(readiness, "connect", None)
        shutil.rmtree(tmp_path / "job" / "report")
        assert run(tmp_path)[0].done == {"report all"}
    check_redone(tmp_path)
    check_another_backend(tmp_path, row)


def check_row(row) -> None:
    assert row.emulated is True and row.trained and row.not_judged == ()
    assert row.iterations >= 100 and row.latency.duration_s >= 10.0
    assert row.fps == pytest.approx(row.iterations / row.latency.duration_s)
    assert 0 < row.latency.p50_ms <= row.latency.p90_ms <= row.latency.p99_ms <= row.latency.max_ms
    assert 0 < row.memory_after_load_mb <= row.memory_mb


def check_joules(folder: Path) -> None:
    """The load steps at the phase marks, so the joules are known: exactly the busy power times the window."""
    run, trace = load_run(folder)
    energy = run_energy(run, trace)
    assert trace.facts.emulated and trace.facts.port.startswith("/dev/pts/")
    assert energy.steady.energy_j == pytest.approx(BUSY_W * energy.steady.duration_s, rel=1e-3)
    assert energy.idle_before.mean_power_w == pytest.approx(IDLE_W, rel=1e-3)
    assert energy.idle_after.mean_power_w == pytest.approx(IDLE_W, rel=1e-3)
    assert energy.net.net_energy_j == pytest.approx((BUSY_W - IDLE_W) * energy.steady.duration_s, rel=2e-3)
    assert energy.steady.samples >= 15 and energy.emulated
    steady = run.result.span("steady")
    assert energy.steady.duration_s == pytest.approx((steady.end_ns - steady.start_ns) / 1e9, rel=1e-4)
    assert run.clock.uncertainty_s < METERED_RUNOUT_S
    assert run.agreement.holds and run.agreement.images == run.agreement.same_answers == run.request.images_sent
    assert run.result.states_in("steady") and all(state.at_ns for state in run.result.states)


def check_report_files(folder: Path) -> None:
    data = json.loads((folder / "report.json").read_text())
    assert data["emulated"] is True and len(data["rows"]) == 1
    with (folder / "report.csv").open() as stream:
        assert [row["emulated"] for row in csv.DictReader(stream)] == ["true"]
    assert "EMULATED" in (folder / "report.md").read_text()


def check_redone(folder: Path) -> None:
    """What depends on a change is done again, and nothing else; nothing that was there is lost."""
    job = folder / "job"
    before = len(list(job.glob("replaced/*")))
    assert run(folder, again_from="report", last="report")[0].done == {"report all"}

    weights = job / "artifacts" / "net-onnx" / "model.onnx"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    notes, _ = run(folder, last="push")
    assert notes.done == {"export net-onnx"}, "the same bytes again: nothing behind it changes"
    assert weights.read_bytes() == whole

    (folder / "job.toml").write_text(CAMPAIGN.replace("threads = 1", "threads = 2"))
    notes, report = run(folder, last="push")
    assert notes.done == set() and report is None
    assert len(list(job.glob("replaced/*"))) == before + 2


def check_another_backend(folder: Path, onnx: ReportRow) -> None:
    """The device sees the same images through another runtime: the same answers, so the same accuracy."""
    (folder / "job.toml").write_text(IN_PYTORCH)
    notes, report = run(folder)
    assert notes.done == {"bench net-pytorch", "report all"}
    (torch,) = report.rows
    assert (torch.backend, torch.device, torch.images) == ("pytorch", "board", 50)
    assert torch.accuracy == onnx.accuracy
    from groupnl_deploy.training.checkpoint import load_checkpoint

    trained = load_checkpoint(folder / "job" / "checkpoints" / "net").accuracy
    assert torch.accuracy == pytest.approx(trained, abs=0.2)


def test_ctrl_c_stops_the_device_and_leaves_nothing_half_written(untrained, tmp_path: Path, sshd) -> None:
    """Over SSH; on this machine: tests/e2e/test_bench_cut_short.py."""
    add_device(sshd.device("ssh"))
    deploy_artifact(untrained.onnx.directory, "ssh", Silence())
    command = [sys.executable, "-m", "groupnl_deploy.cli.entry", "bench", "--device", "ssh", "--backend", "onnxruntime"]
    process = subprocess.Popen(
        [*command, "--seconds", "60", "--idle", "0.1", "--out", "run"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    )
    agent = wait_for_agent(get_device("ssh").root)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1, said
    assert b"Stopped." in said and b"Traceback" not in said
    assert not Path(f"/proc/{agent}").exists()
    left = [path for path in tmp_path.iterdir() if path.name != "groupnl-home"]
    assert [path.name for path in left] in ([], ["run.incomplete"])  # whether the device had begun by then
    assert all(load_incomplete(path).ended_by == "It was stopped." for path in left)


def wait_for_agent(root: str) -> int:
    """The process id of the agent that runs from below a device's root, once it does."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and f"{root}/agents/".encode() in command_line(entry) and is_python(entry):
                time.sleep(1.0)
                return int(entry.name)
        time.sleep(0.05)
    pytest.fail("no agent was started")


def command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def is_python(process: Path) -> bool:
    """Not the shell that starts it."""
    try:
        return "python" in str((process / "exe").readlink()) and b".pyz\0" in command_line(process)
    except OSError:
        return False
