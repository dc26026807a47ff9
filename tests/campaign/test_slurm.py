"""The array job of the examples: eight tasks on one folder, of which two are killed, make what one runner makes."""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.campaign.products import products

SCRIPT = Path(__file__).parents[2] / "examples" / "slurm.sh"
CAMPAIGN = """\
schema_version = 1
out = "job"
[train]
dataset = "digits"
epochs = 1
seeds = [0, 1, 2]
[[models]]
label = "net"
model = "resnet18_cifar"
conv = ["standard", "groupnl"]
width = 0.125
[bench]
backends = ["onnxruntime", "pytorch"]
"""


def start_task(folder: Path, number: int) -> "subprocess.Popen[str]":
    groupnl = Path(sys.executable).with_name("groupnl")
    slurm = {"SLURM_ARRAY_TASK_ID": str(number), "SLURM_CPUS_PER_TASK": "1", "GROUPNL": str(groupnl)}
    said = (folder / f"task-{number}.txt").open("w")
    return subprocess.Popen([SCRIPT, "job.toml"], cwd=folder, env=os.environ | slurm, stderr=said, text=True)


@pytest.mark.slow
def test_eight_tasks_of_which_two_are_killed_make_what_one_makes(tmp_path: Path) -> None:
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    for folder in (alone, shared):
        folder.mkdir()
        (folder / "job.toml").write_text(CAMPAIGN)
    assert start_task(alone, 1).wait() == 0
    tasks = [start_task(shared, number) for number in range(8)]
    while not any((shared / "job" / "checkpoints").glob("net*")):
        time.sleep(0.05)
    for task in tasks[:2]:
        task.kill()
    assert [task.wait() for task in tasks[2:]] == [0] * 6
    assert products(shared) == products(alone) and len(products(shared)) == 6 + 12
    said = [line for file in shared.glob("task-*.txt") for line in file.read_text().splitlines()]
    made = Counter(line for line in said if line.partition(": ")[2].startswith("job/"))
    assert set(made.values()) == {1}
    assert any("is being made by process" in line for line in said)
