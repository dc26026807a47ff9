"""`groupnl train --nproc`: as users start it, with what they do to it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from groupnl_deploy.training.checkpoint import load_checkpoint
from groupnl_deploy.training.state import STATE_FILE

pytestmark = pytest.mark.slow
TRAIN = ["train", "--model", "resnet18_cifar", "--conv", "groupnl", "--width", "0.125", "--nproc", "2"]
TRAIN += ["--save-steps", "1", "--out", "net"]


def groupnl(folder, *arguments):
    command = [sys.executable, "-m", "groupnl_deploy.cli.entry", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, **streams)


def wait_for(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def children(process):
    command = ["pgrep", "-P", str(process.pid), "-f", "train_rank"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(number) for number in found.stdout.split()]


def test_stopped_and_killed_it_goes_on_to_one_document(tmp_path):
    state = tmp_path / "net.resume" / STATE_FILE
    first = groupnl(tmp_path, *TRAIN, "--epochs", "2", "--json")
    wait_for(state.exists)
    first.send_signal(signal.SIGTERM)
    out, err = first.communicate(timeout=240)
    assert first.returncode == 1 and out == ""
    assert err.count("Error: Stopped.") == 1 and "goes on after" in err
    saved = json.loads(state.read_text())
    second = groupnl(tmp_path, *TRAIN, "--epochs", "2", "--json", "--resume")
    wait_for(lambda: json.loads(state.read_text()) != saved)
    os.kill(children(second)[0], signal.SIGKILL)
    out, err = second.communicate(timeout=300)
    assert second.returncode == 0, err
    made = load_checkpoint(tmp_path / "net")
    assert "test" in json.loads(out) and (made.epoch, made.processes) == (2, 2)
    assert "going on after" in err and "Error" not in err and "torch" not in err


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        ("--batch-size 1024", 2, "fewer than one batch of 1024 for each of 2 processes"),
        ("--resume", 2, "nothing to resume"),
        ("--input 3,x", 2, "--input is “3,x”"),
        ("--lr 1e30 --set warmup_epochs=0", 1, "diverged: the loss became"),
    ],
)
def test_what_cannot_be_is_told_once(options, code, text, tmp_path):
    process = groupnl(tmp_path, *TRAIN, *options.split())
    _, err = process.communicate(timeout=300)
    assert process.returncode == code and err.count("Error:") == 1 and text in err


def test_without_their_launcher_the_processes_save_and_end(tmp_path):
    state = tmp_path / "net.resume" / STATE_FILE
    launcher = groupnl(tmp_path, *TRAIN, "--epochs", "200")
    wait_for(state.exists)
    processes = children(launcher)
    launcher.kill()
    assert "goes on after" in launcher.communicate(timeout=240)[1]  # stderr is closed by the last of them
    wait_for(lambda: not any(Path(f"/proc/{process}").exists() for process in processes))
    assert state.exists() and not (tmp_path / "net").exists()
