"""From published files to a checkpoint and its accuracy, by commands."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from device_agent.manifest import DataRecord
from groupnl_deploy.cli.main import app
from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.own_images import images_for
from groupnl_deploy.images.published.joined import JoinedImages
from groupnl_deploy.progress import Silence
from tests.images.cifar_files import binary_file, drawn, write_archive, write_folder

SMALL = ["--model", "resnet18_cifar", "--conv", "standard", "--width", "0.125", "--epochs", "1", "--batch-size", "8"]


def groupnl(*words, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUPNL_HOME", str(tmp_path / "home"))


@pytest.mark.slow
def test_a_network_is_trained_on_cifar_and_evaluated_where_it_was_seen(tmp_path: Path):
    net, archive = tmp_path / "net", write_archive(tmp_path, "cifar10", "python")
    assert "is not CIFAR-10 as it was published: 20 images" in groupnl(
        "train", "--dataset", "cifar10", "--data", archive, *SMALL, "--out", net
    )
    said = json.loads(groupnl("evaluate", net, "--json").partition("\n{")[2].join(["{", ""]))
    assert (said["dataset"], said["evaluation"]["count"]) == ("cifar10", 12)
    archive.rename(tmp_path / "elsewhere.tar.gz")
    assert "are not at hand" in groupnl("evaluate", net, code=2)
    groupnl("evaluate", net, "--data", tmp_path / "elsewhere.tar.gz")
    assert "holds CIFAR-10 and not CIFAR-100" in groupnl(
        "evaluate", net, "--dataset", "cifar100", "--data", write_folder(tmp_path, "cifar10", "binary"), code=2
    )


@pytest.mark.slow
def test_a_training_goes_on_with_the_same_images_alone(tmp_path: Path, monkeypatch):
    folder = write_folder(tmp_path, "cifar10", "binary")
    words = ["train", "--dataset", "cifar10", "--data", folder, *SMALL, "--epochs", "2", "--out", tmp_path / "net"]
    read, enough = JoinedImages.__getitem__, iter(range(40))  # in the second epoch

    def interrupted(images, index):
        if next(enough, None) is None:
            raise KeyboardInterrupt
        return read(images, index)

    with monkeypatch.context() as stopped:
        stopped.setattr(JoinedImages, "__getitem__", interrupted)
        assert "after epoch 1" in groupnl(*words, code=1)
    test = folder / "test_batch.bin"
    before = test.read_bytes()
    test.write_bytes(binary_file("cifar10", *drawn("cifar10", 12, 50)))
    assert "was on other images: “cifar10” has changed since" in groupnl(*words, code=2)
    test.write_bytes(before)
    groupnl(*words)


def test_a_network_is_not_tested_on_a_company_that_it_was_trained_on(tmp_path: Path):
    own = DataRecord("icons50:apple", "0" * 64, (), None)
    subject = SimpleNamespace(folder=tmp_path, data=own, input_shape=(3, 32, 32), split=None)
    with pytest.raises(UsageError, match="trained on “icons50:apple”, and so on images that “icons50:lg” tests"):
        images_for(subject, "icons50:lg", str(tmp_path), Silence())
