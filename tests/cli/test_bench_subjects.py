"""What is named to be benchmarked: artifacts as they are, checkpoints exported first and only once."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from exporters.artifact import open_artifact
from groupnl_deploy.cli.bench_subjects import Subject, subject_of
from groupnl_deploy.cli.main import app
from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.progress import Silence
from groupnl_deploy.training.checkpoint import checkpoint_id, initialise_checkpoint, save_checkpoint


@pytest.fixture
def net(untrained, tmp_path) -> Path:
    shutil.copytree(untrained.checkpoint, tmp_path / "net")
    return tmp_path / "net"


def test_what_is_named_says_who_runs_it(untrained, net) -> None:
    onnx, torch = str(untrained.onnx.directory), str(untrained.torch.directory)
    assert subject_of(onnx, None) == Subject("onnxruntime", onnx)
    assert subject_of(torch, None) == Subject("pytorch", torch)
    assert subject_of(str(net), None) == Subject("onnxruntime", checkpoint=net)
    assert subject_of(str(net), "pytorch") == Subject("pytorch", checkpoint=net, format="torch")
    assert subject_of(None, "null") == Subject("null")


def test_a_checkpoint_is_exported_beside_itself_and_only_once(net) -> None:
    subject = subject_of(str(net), None)
    folder = Path(subject.artifact(Silence()) or "")
    assert folder == net.with_name("net-onnx")
    manifest = open_artifact(folder).manifest
    assert (manifest.source.sha256, manifest.optimize) == (checkpoint_id(net), "full")
    written = (folder / "manifest.json").stat().st_mtime_ns
    assert subject.artifact(Silence()) == str(folder)
    assert (folder / "manifest.json").stat().st_mtime_ns == written
    shutil.rmtree(net)
    save_checkpoint(net, *initialise_checkpoint(model_spec("resnet18_cifar", "standard", width=0.125)))
    with pytest.raises(UsageError, match="was not exported from net as it is now"):
        subject.artifact(Silence())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a", "a"), "a is named twice"),
        (("a", "--artifact", "a"), "a is named twice"),
        (("nowhere",), "does not exist"),
        ((), "not said what shall run it"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_device_is_asked(arguments, words, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["bench", *arguments, "--device", "local"])
    assert done.exit_code == 2 and words in done.stderr and done.stdout == ""
