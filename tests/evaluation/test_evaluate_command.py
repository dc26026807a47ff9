"""`groupnl evaluate` under corruptions: side by side, kept, drawn, joined, and ended early."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from groupnl_deploy.cli.main import app
from groupnl_deploy.evaluation import side_by_side
from groupnl_deploy.evaluation.record import FILE, load_evaluation
from groupnl_deploy.training.evaluate import ask
from tests.evaluation.conftest import Net

THREE = ("--corruptions", "gaussian_noise,brightness,contrast", "--severities", "1,5", "--images", "6")
SAID = "3 corruptions (gaussian_noise, brightness, contrast)"


@pytest.fixture
def here(net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    shutil.copytree(net.checkpoint, tmp_path / "net")
    return tmp_path


def run(net: Net, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments), "--data", str(net.pictures)])


def test_a_checkpoint_and_its_artifact_side_by_side_are_shown_drawn_and_kept(net, artifacts, here) -> None:
    done = run(net, "net", artifacts["onnx", "1"], *THREE, "--heatmap", "map.png")
    assert done.exit_code == 0, done.output
    lines = [line for line in done.stdout.splitlines() if line.strip().startswith("vgg11_cifar x0.125 standard")]
    assert [line.split("standard")[1].split()[:1] for line in lines[:1]] != [[",", "onnx"]]
    assert lines[1].replace(", onnx", "").split() == lines[0].split()  # the same numbers
    text = " ".join(done.stdout.split())
    assert f"folder, generated, {SAID} at severities 1, 5, seed 0, 6 of 12 images." in text
    assert "Mean error of 3 corruptions" in text and "mCE" not in text
    assert (here / "map.png").read_bytes()[:4] == b"\x89PNG"
    kept = [load_evaluation(path) for path in sorted((here / "runs" / "evaluations").iterdir())]
    assert [(one.subject.kind, len(one.corrupted), one.finished) for one in kept] == [
        *(("checkpoint", 6, True), ("artifact", 6, True)),
    ]


def test_kept_ones_stand_beside_others_and_are_not_made_again(net, here) -> None:
    first = json.loads(run(net, "net", *THREE, "--out", "kept", "--json").stdout)["evaluations"][0]
    again = json.loads(CliRunner().invoke(app, ["evaluate", first["file"], "--json"]).stdout)["evaluations"][0]
    assert again == first
    assert first["robustness"]["mean_error"]["name"] == f"mean error of {SAID} at severities 1, 5"
    assert first["errors"]["contrast"].keys() == {"1", "5"}
    assert (Path(first["file"]) / f"{FILE}.sha256").is_file() and Path(first["file"]).parent == Path("kept")
    shown = CliRunner().invoke(app, ["evaluate", first["file"]])
    assert "Error (%) of vgg11_cifar x0.125 standard by corruption and severity" in shown.stdout


class Counting:
    """Asks a network, and counts how often."""

    count = 0

    def __call__(self, *arguments: object, **options: object) -> object:
        self.count += 1
        return ask(*arguments, **options)


def test_ctrl_c_shows_and_keeps_what_came_to_its_end(net, here, monkeypatch) -> None:
    count = 0

    def interrupted(*arguments: object, **options: object) -> object:
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        return ask(*arguments, **options)

    monkeypatch.setattr(side_by_side, "ask", interrupted)
    done = run(net, "net", *THREE)
    said = " ".join(done.output.split())
    assert done.exit_code == 1 and "Stopped." in said and "What came to its end is in runs/evaluations/" in said
    assert "ENDED EARLY: 2 of 6 parts" in said and "Mean error of 1 corruption" in said
    assert "The same command goes on behind it." in said
    (path,) = (here / "runs" / "evaluations").iterdir()
    assert not load_evaluation(path).finished
    monkeypatch.setattr(side_by_side, "ask", counting := Counting())
    again = run(net, "net", *THREE)
    assert f"Going on behind 2 of 6 corrupted parts that are kept in runs/evaluations/{path.name}." in again.output
    whole = next(load_evaluation(one) for one in path.parent.iterdir() if one != path)
    assert (again.exit_code, counting.count, whole.finished) == (0, 4, True)
    assert whole.corrupted[:2] == load_evaluation(path).corrupted


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("net", "--corruptions", "gausian_noise"), "Did you mean “gaussian_noise”?"),
        (("net", "--severities", "3"), "Add --corruptions all, or leave --severities out."),
        (("net", "--heatmap", "map.png"), "Add --corruptions all."),
        (("net", "--corruptions", "fog", "--heatmap", "map.gif"), "no picture format “gif”"),
        (("net", "--corruptions", "fog", "--alexnet"), "AlexNet's errors are of ImageNet-C"),
        (("net", "--corruptions", "fog", "--confusion", "c.png"), "--confusion is of one network on clean images"),
        (("net", "--corruptions", "fog", "--device", "local"), "local can answer for artifacts, and none is named"),
        (("net", "--device", "lokal"), "no device “lokal”; the known ones are local. Did you mean “local”?"),
        (("net", "--corruptions", "fog", "--images", "0"), "--images is 0"),
        (("nowhere", "--corruptions", "fog"), "nowhere does not exist"),
        (("net", "net", "--corruptions", "fog"), "net and net are the same checkpoint"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(net, here, arguments, says) -> None:
    done = run(net, *arguments)
    assert done.exit_code == 2 and says in " ".join(done.output.split()), done.output
    assert not (here / "runs").exists()
