"""Two artifacts compared by one command through a real OpenSSH server: benched in interleaved pairs, kept, compared."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from groupnl_deploy.bench.run_set import load_set
from groupnl_deploy.cli.main import app
from groupnl_deploy.deploy.inventory import add_device

pytestmark = [pytest.mark.alone, pytest.mark.sshd]

# A backend that computes nothing runs both formats at once; its latencies are too short to be judged.
SHORT = ("--backend", "null", "--idle", "0", "--warmup", "0", "--seconds", "0", "--iterations", "100", "--images", "1")


@pytest.fixture(autouse=True)
def here(sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's board is the device "board"."""
    monkeypatch.chdir(tmp_path)
    add_device(sshd.device("board"))


def groupnl(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_two_artifacts_are_benched_in_pairs_and_compared(untrained) -> None:
    both = (untrained.onnx.directory, untrained.torch.directory)
    done = groupnl("compare", *both, "--device", "board", "--pairs", 2, "--out", "set", "--allow-invalid", *SHORT)
    assert done.exit_code == 0, done.output
    said = " ".join(done.stdout.split())  # where a line ends depends on the numbers in it
    assert "In 2 pairs B's p50 latency was" in said and "the range and no interval" in said
    assert done.stdout.startswith("A is net-onnx [untrained], B is net-torch [untrained]. Compared: Format:")
    assert "NOT INTERLEAVED" not in done.stdout
    kept = load_set(Path("set"))
    assert [one.artifact_sha256 for one in kept.members] == [untrained.onnx.sha256, untrained.torch.sha256]
    assert len(kept.made) == 4 and kept.seed >= 0
    again = groupnl("compare", "set", "--json", "--allow-invalid")
    shown = json.loads(again.stdout)
    assert again.exit_code == 0 and shown["pairs"] == 2 and shown["interleaved"]
    assert shown["a"]["runs"] == [f"{kept.members[0].name}-run{number}" for number in (1, 2)]


@pytest.mark.slow
def test_ctrl_c_keeps_the_runs_that_are_finished(untrained) -> None:
    command = [sys.executable, "-m", "groupnl_deploy.cli.entry", "compare"]
    both = [str(untrained.onnx.directory), str(untrained.torch.directory)]
    options = ["--device", "board", "--out", "set", *SHORT]
    with subprocess.Popen([*command, *both, *options], stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            while process.poll() is None and len(list(Path("set/runs").glob("*-run1/run.json"))) < 2:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            stderr = process.communicate(timeout=300)[1]
        finally:
            process.kill()
    assert process.returncode == 1 and "Traceback" not in stderr, stderr
    assert "runs are finished and kept in set" in stderr and "`groupnl compare` takes that folder too" in stderr
    done = groupnl("compare", "set", "--allow-invalid")
    assert done.exit_code == 0 and " B's p50 latency was " in done.stdout, done.output
