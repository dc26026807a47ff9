"""A metered benchmark that does not come to its end: by Ctrl-C, the meter, the host, a file in its way.

An agent that is killed: tests/bench/test_incomplete_run.py; a link that breaks: tests/bench/test_reconnect.py.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from groupnl_deploy.bench.incomplete import load_incomplete
from groupnl_deploy.bench.metered import MIN_METERED_IDLE_S
from groupnl_deploy.deploy.push import deploy_artifact
from groupnl_deploy.progress import Silence
from power.meters.km003c.emulator import Km003cEmulator
from power.trace import PowerTrace
from power.trace_io import read_csv

pytestmark = pytest.mark.alone

GROUPNL = [sys.executable, "-m", "groupnl_deploy.cli.entry"]
Bench = subprocess.Popen[str]


@pytest.fixture
def bench(untrained, tmp_path: Path) -> Iterator[Bench]:
    """A benchmark on this machine whose recording has some rows."""
    with under_way(untrained, tmp_path, "local") as process:
        yield process


@contextmanager
def under_way(untrained, folder: Path, device: str, port: str = "emulator") -> Iterator[Bench]:
    deploy_artifact(untrained.onnx.directory, device, Silence())
    options = ["--meter", "km003c", "--port", port, "--idle", str(MIN_METERED_IDLE_S), "--out", "run"]
    command = [*GROUPNL, "bench", "--device", device, "--backend", "onnxruntime", *options]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for_rows(process, folder / "run.power.csv", 2)
            yield process
        finally:
            process.kill()


def wait_for_rows(process: Bench, path: Path, rows: int) -> None:
    deadline_s = time.monotonic() + 60
    while not path.exists() or sum(not line.startswith("#") for line in path.read_text().splitlines()) <= rows:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s, f"{path} never had {rows} rows"
        time.sleep(0.05)


def kept(bench: Bench, folder: Path, exit_code: int, said: str) -> PowerTrace:
    """The recording that is left of a benchmark that ended so."""
    stdout, stderr = bench.communicate(timeout=300)
    assert bench.returncode == exit_code, stderr
    assert stdout == "" and said in stderr and "Traceback" not in stderr
    assert "What was measured until then is kept in run.incomplete." in stderr
    assert not (folder / "run.power.csv").exists() and load_incomplete(folder / "run.incomplete").power is not None
    return read_csv(folder / "run.incomplete" / "power.csv")


def test_ctrl_c_keeps_the_measurements_and_stops_the_agent(bench: Bench, tmp_path: Path) -> None:
    (agent,) = psutil.Process(bench.pid).children()
    bench.send_signal(signal.SIGINT)
    trace = kept(bench, tmp_path, 1, "Stopped.")
    assert len(trace.t_s) >= 2 and trace.facts.emulated
    assert not (tmp_path / "run").exists()
    assert not agent.is_running()


def test_a_meter_that_is_pulled_keeps_the_measurements(untrained, tmp_path: Path) -> None:
    with (
        Km003cEmulator(5.0, 1.0) as emulator,
        under_way(untrained, tmp_path, "local", emulator.stable_port) as bench,
    ):
        emulator.unplug()
        trace = kept(bench, tmp_path, 3, "Try:")
    assert len(trace.t_s) >= 2 and trace.facts.emulated
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_host_that_is_killed_loses_nothing(bench: Bench, tmp_path: Path) -> None:
    (agent,) = psutil.Process(bench.pid).children()
    bench.kill()
    bench.communicate(timeout=300)
    assert agent.is_running()  # a killed host is a lost link
    agent.kill()
    assert len(read_csv(tmp_path / "run.power.csv").t_s) >= 2


@pytest.mark.slow
def test_a_run_that_cannot_be_stored_keeps_its_measurements(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("somebody else's")
    trace = kept(bench, tmp_path, 2, "run exists already")
    assert len(trace.t_s) > 30 and (tmp_path / "run").read_text() == "somebody else's"
    assert load_incomplete(tmp_path / "run.incomplete").arrived.done is not None
