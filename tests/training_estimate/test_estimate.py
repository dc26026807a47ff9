"""What a training would take: the sum, and the command with the real agent and the real PyTorch."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from device_agent.training_step import TrainingStep
from groupnl_deploy.bench.metered import require_measurable
from groupnl_deploy.bench.steadiness import LEAST_FOR_TAIL
from groupnl_deploy.cli.main import app
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.training_estimate.carry_out import EstimatePlan
from groupnl_deploy.training_estimate.estimate import Estimate, MeasuredStep, phases_estimated
from groupnl_deploy.training_estimate.steps import Part, Step

GEARNN = ("--method", "gearnn", "--model", "vgg11_cifar", "--conv", "standard", "--w0", "4", "--gamma", "0.5")
SHORT = ("--k-new", "2", "--er", "0", "--e1", "1", "--e2", "1", "--select", "random")


def measured(name, seconds, joules=None, problems=()):
    return MeasuredStep(name, f"{name}-run1", name, 32, seconds, joules, None, problems)


def part(phase, name, count, passes=1):
    return Part(phase, passes, Step(name, model_spec("vgg11_cifar"), TrainingStep("train"), 32), count)


PARTS = (part("first", "a", 10, 2), part("grow", "b", 5), part("grow", "c", 5), part("second", "d", 20, 4))
STEPS = {"a": measured("a", 1.0, 3.0), "b": measured("b", 7.0, 20.0), "c": measured("c", 6.0, 18.0)}
STEPS["d"] = measured("d", 1.5, 4.0)


def test_phases_are_sums_of_their_steps():
    found = phases_estimated(PARTS, STEPS)
    assert [(one.name, one.passes, one.steps, one.seconds, one.joules) for one in found] == [
        ("first", 2, 10, 10.0, 30.0),
        ("grow", 2, 10, 65.0, 190.0),
        ("second", 4, 20, 30.0, 80.0),
    ]


def test_a_phase_whose_joules_are_not_all_known_has_none():
    found = phases_estimated(PARTS, STEPS | {"c": measured("c", 6.0)})
    assert [one.joules for one in found] == [30.0, None, 80.0]
    whole = Estimate("pi", "board", "net", 4, 32, 320, None, False, tuple(STEPS.values()), found)
    assert whole.seconds == 105.0 and whole.joules is None and not whole.unsound
    assert replace(whole, steps=(measured("a", 1.0, problems=("noise",)),)).unsound


def invoke(*words):
    return CliRunner().invoke(app, ["train", *words, "--out", "net"])


@pytest.mark.parametrize(
    ("words", "says", "remedy"),
    [
        (("--device", "local"), "--device is for --estimate", "Add --estimate"),
        (("--estimate", "--device", "local"), "no --method is named", "--method gearnn"),
        ((*GEARNN, "--estimate"), "none is named", "--device local"),
        ((*GEARNN, "--meter", "km003c"), "--meter is for --estimate", "leave --meter out"),
        ((*GEARNN, "--estimate", "--device", "nowhere"), "nowhere", "device"),
        ((*GEARNN, "--estimate", "--device", "local", "--threads", "999"), "999 threads", "cores"),
        ((*GEARNN[:-1], "50", "--estimate", "--device", "local"), "--gamma 50 asks for", "--gamma"),
    ],
)
def test_likely_mistakes_are_refused_before_anything_is_measured(words, says, remedy, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = invoke(*words)
    said = " ".join(done.output.split())
    assert done.exit_code == 2, said
    assert says in said and remedy in said and "Traceback" not in said
    assert {one.name for one in tmp_path.iterdir()} <= {"groupnl-home"}, "nothing is left"


def groupnl(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "groupnl_deploy.cli.entry", "train", *GEARNN, *words, "--estimate", "--json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.alone
def test_an_estimate_here_is_kept_and_goes_on(tmp_path: Path):
    """Whatever else this machine does: an invalid run is told, and made again by the same command."""
    words = (*SHORT, "--device", "local", "--out", "net")
    done = groupnl(tmp_path, *words)
    assert done.returncode in (0, 6), done.stderr
    found = json.loads(done.stdout)
    assert [one["name"] for one in found["phases"]] == ["first", "grow", "second"]
    assert {one["name"] for one in found["steps"]} == {"backbone", "probe-optimised", "grown"}
    total = sum(one["seconds"] for one in found["phases"])
    assert total == pytest.approx(sum(45 * one["seconds"] for one in found["steps"]))
    assert all(one["joules"] is None for one in found["phases"])
    assert not (tmp_path / "net").exists(), "nothing was trained"
    kept = tmp_path / "net.estimate"
    assert json.loads((kept / "estimate.json").read_text()) == found
    invalid = {one["run"] for one in found["steps"] if one["problems"]}
    lost = next((one["run"] for one in found["steps"] if one["run"] not in invalid), None)
    if lost is not None:
        shutil.rmtree(kept / "runs" / lost)
    again = groupnl(tmp_path, *words)
    assert again.returncode in (0, 6), again.stderr
    other = groupnl(tmp_path, *SHORT, "--device", "local", "--out", "net", "--threads", "2")
    assert other.returncode == 2 and "another training or device" in other.stderr


@pytest.mark.parametrize("meter", [None, "km003c"])
def test_its_benchmarks_are_ones_that_can_be_valid(meter):
    """As many steps as every number of a window needs; with a meter as long as that needs to resolve it."""
    settings = EstimatePlan("pi", "net", PARTS, 4, 32, 320, meter, False).settings
    assert settings.threads == 4 and settings.workload.min_iterations >= LEAST_FOR_TAIL
    if meter is not None:
        require_measurable(settings.workload)
