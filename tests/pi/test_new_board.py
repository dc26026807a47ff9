"""What a person does with a new board, in this order, on one emulated Pi: each test goes on where another ended."""

import json
import re
from pathlib import Path

import pytest
import torch

from exporters.options import ExportOptions
from groupnl_deploy.evaluation.artifact import artifact_subject
from groupnl_deploy.evaluation.on_device import device_subject
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.loader import batches
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.progress import Silence
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.train import train_checkpoint
from tests.conftest import Exported
from tests.pi.machine import USER, EmulatedPi
from tests.pi.person import Groupnl, current, flat

pytestmark = pytest.mark.pi

PYTHON = "3.11"
SHORT = ["--idle", "0.2", "--warmup", "0.5", "--seconds", "1", "--iterations", "5", "--threads", "1", "--images", "4"]


def fingerprint(pi: EmulatedPi) -> str:
    """As the board's own console shows it."""
    return pi.run("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]


def test_it_is_added_and_its_key_pinned(pi: EmulatedPi, groupnl: Groupnl) -> None:
    words = ["device", "add", "pi", "--host", pi.address, "--user", USER, "--identity", pi.identity]
    refused = groupnl(*words, code=3)
    assert fingerprint(pi) in flat(refused)
    groupnl(*words, "--fingerprint", fingerprint(pi))
    assert "Raspberry Pi 4 Model B Rev 1.5" in flat(groupnl("device", "show", "pi"))


def test_the_doctor_names_the_remedy_for_what_is_missing(groupnl: Groupnl) -> None:
    said = flat(groupnl("device", "doctor", "pi", code=1))
    assert "lacks numpy, onnxruntime" in said
    assert "groupnl device provision pi --backend onnxruntime" in said


def test_what_is_pushed_before_stays_and_is_not_used(groupnl: Groupnl, untrained: Exported) -> None:
    said = flat(groupnl("push", untrained.onnx.directory, "--device", "pi", code=3))
    assert "groupnl device provision pi --backend onnxruntime" in said


def test_a_board_without_pip_and_network_is_told_of_the_wheelhouse(pi: EmulatedPi, groupnl: Groupnl) -> None:
    said = flat(groupnl("device", "provision", "pi", code=1))
    assert "--offline" in said
    assert pi.run(f"ls -A /home/{USER}/.groupnl/environments") == ""


def test_a_wheelhouse_is_downloaded_and_sent(pi: EmulatedPi, groupnl: Groupnl) -> None:
    said = flat(groupnl("device", "wheelhouse", "--python", PYTHON, "--out", "wheels"))
    assert re.search(r"wheels has onnxruntime \S+ for Python 3.11 on rpi4: \d+ wheels, \d+ MB, certified", said)
    said = flat(groupnl("device", "provision", "pi", "--offline", "wheels"))
    assert re.search(r"pi has onnxruntime \S+, certified", said)
    assert pi.run(f"ls /home/{USER}/.groupnl/environments").split()[0] == "onnxruntime"


def test_the_doctor_finds_nothing_wrong_then(groupnl: Groupnl) -> None:
    said = flat(groupnl("device", "doctor", "pi"))
    assert "ran on such a board (rpi4)" in said
    assert re.search(r"onnxruntime \S+ loads", said)


def test_a_push_is_accepted_and_a_bench_shows_no_speed(pi: EmulatedPi, groupnl: Groupnl, untrained: Exported) -> None:
    groupnl("push", untrained.onnx.directory, "--device", "pi")
    assert current(pi) == untrained.onnx.sha256
    done = groupnl("bench", "--device", "pi", "--backend", "onnxruntime", *SHORT)
    said = flat(done)
    assert "Raspberry Pi 4 Model B Rev 1.5 [emulated]" in said and "EMULATED BOARD" in said
    assert "FPS" not in said and "ms)" not in said
    (run,) = Path("runs").iterdir()
    row = json.loads(groupnl("report", run, "--json").stdout)["rows"][0]
    assert row["emulated_board"] is True and row["fps"] is None
    assert "onnxruntime 1." in row["versions"]


@pytest.fixture(scope="module")
def native_artifact(untrained: Exported, home: Path) -> Path:
    folder = home / "net-native"
    export_checkpoint(untrained.checkpoint, folder, "onnx", ExportOptions(optimize="native", target="rpi4"))
    return folder


def test_a_native_artifact_runs_by_its_library_for_arm(pi: EmulatedPi, groupnl: Groupnl, native_artifact: Path) -> None:
    groupnl("push", native_artifact, "--device", "pi")
    groupnl("bench", "--device", "pi", "--backend", "onnxruntime", *SHORT)
    newest = max(Path("runs").iterdir(), key=lambda path: path.stat().st_mtime)
    row = json.loads(groupnl("report", newest, "--json").stdout)["rows"][0]
    assert row["instructions"] == "neon"


def test_a_rollback_goes_back(pi: EmulatedPi, groupnl: Groupnl, untrained: Exported) -> None:
    native = current(pi)
    assert native != untrained.onnx.sha256
    groupnl("device", "rollback", "pi")
    assert current(pi) == untrained.onnx.sha256
    assert "accepted current" in flat(groupnl("device", "artifacts", "pi"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact of a thin network that has seen the digits once."""
    folder = tmp_path_factory.mktemp("trained")
    spec = ModelSpec("vgg11_cifar", ConvSpec.preset("groupnl"), width=0.125)
    train_checkpoint(spec, Recipe(epochs=1), DataSource("digits"), folder / "net", Silence(), workers=0)
    export_checkpoint(folder / "net", folder / "net-onnx", "onnx")
    return folder / "net-onnx"


@pytest.mark.usefixtures("groupnl")
def test_an_evaluation_there_gives_the_answers_of_this_machine(trained: Path) -> None:
    test = load_dataset(DataSource("digits")).test
    pixels = next(iter(batches(test, [list(range(70))], (3, 32, 32), 0)))
    subject = device_subject(trained, "pi", Silence(), threads=1)
    assert subject.label.endswith("device pi, EMULATED")
    with subject.answering() as answer, artifact_subject(trained, Silence()).answering() as here:
        found, own = answer(pixels), here(pixels)
    assert torch.equal(found.argmax(1), own.argmax(1))
    torch.testing.assert_close(found, own, atol=1e-4, rtol=1e-4)


def test_what_a_training_would_take_is_not_asked_of_an_emulator(groupnl: Groupnl) -> None:
    asked = (
        "--method",
        "gearnn",
        "--model",
        "vgg11_cifar",
        "--conv",
        "standard",
        "--w0",
        "4",
        "--gamma",
        "0.5",
        "--er",
        "0",
    )
    done = groupnl("train", *asked, "--estimate", "--device", "pi", "--out", "grown", code=2)
    assert "pi is emulated: its times say nothing of a board" in flat(done)
    assert not Path("grown.estimate").exists()
