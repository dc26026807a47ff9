"""A sweep over every kind of axis, killed in every stage, ends with the products of an undisturbed one."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from groupnl_deploy.bench.run import load_run
from groupnl_deploy.campaign.load import load_campaign
from groupnl_deploy.campaign.plan import STAGE_NAMES
from groupnl_deploy.campaign.run import list_jobs
from tests.campaign.products import products

SWEEP = """\
schema_version = 1
out = "job"

[train]
dataset = "digits"
epochs = 1
seeds = [0, 1]

[[models]]
label = "net"
model = "resnet18_cifar"
width = 0.125
conv = ["standard", "groupnl"]

[export]
formats = "onnx"
optimize = ["none", "full"]

[evaluate]
corruptions = "contrast"
severities = 3
images = 20

[bench]
backends = "onnxruntime"
threads = [1, 2]
repeats = 3

[bench.workload]
images = 2
idle_s = 0.0
warmup_s = 0.0
min_iterations = 3
min_seconds = 0.02
"""
NOISY = (0, 6)  # so short a run may be invalid; what is asked here is that it is there


def start(folder: Path, *options: str) -> "subprocess.Popen[str]":
    code = "import sys; from groupnl_deploy.cli.entry import entry; sys.argv[0] = 'groupnl'; entry()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "run", "sweep.toml", *options],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def whole(folder: Path, *options: str) -> list[str]:
    """What a run to the end says."""
    runner = start(folder, *options)
    said = runner.communicate()[1].splitlines()
    assert runner.returncode in NOISY, "\n".join(said)
    return said


def killed(folder: Path, stage: str, after_s: float) -> list[str]:
    """What a run says until it is killed, so long after a step of the stage began."""
    runner, said = start(folder), []
    assert runner.stderr is not None
    for line in runner.stderr:
        said.append(line.rstrip())
        if line.startswith("step ") and f": {stage} " in line:
            break
    time.sleep(after_s)
    os.killpg(runner.pid, signal.SIGKILL)
    said += [line.rstrip() for line in runner.stderr]
    runner.wait()
    return said


@pytest.mark.slow
def test_a_sweep_killed_in_every_stage_goes_on_to_the_same_products(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
        (folder / "sweep.toml").write_text(SWEEP)
    whole(undisturbed, "--workers", "2", "--to", "export")
    said = [line for stage in STAGE_NAMES for line in killed(disturbed, stage, 0.0 if stage == "report" else 0.3)]
    said += whole(disturbed)

    assert products(disturbed) == products(undisturbed) and len(products(disturbed)) == 4 + 8
    monkeypatch.chdir(disturbed)
    steps = list_jobs(load_campaign(Path("sweep.toml")))
    assert all(step.up_to_date for step in steps)
    runs = [load_run(Path(step.product))[0] for step in steps if step.stage == "bench"]
    assert len(runs) == 2 * 2 * 2 * 2 * 3 and len({run.result.phases for run in runs}) == len(runs)
    finished = Counter(line for line in said if line.partition(": ")[2].startswith("job/"))
    assert set(finished.values()) == {1}, "a finished product was made again"
    left = list(Path("job").rglob(".*.new-*"))
    assert left == []
    assert all(line.endswith("up to date") for line in whole(disturbed) if line.split(" ")[0] in STAGE_NAMES)
