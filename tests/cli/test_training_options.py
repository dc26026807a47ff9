"""`groupnl train` and `groupnl evaluate` as people mistype them, and what they say when all is well."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groupnl_deploy.cli.main import app
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.training.checkpoint import CheckpointDraft, load_checkpoint, save_checkpoint
from tests.evaluation.pictures import SIDE, draw

SPEC = ModelSpec("vgg11_cifar", ConvSpec("standard"), width=0.125, num_classes=10, input_shape=(3, SIDE, SIDE))


def run(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(map(str, words)))
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of somebody's with ten classes, `net`, and pictures of three, `pictures`."""
    folder = tmp_path_factory.mktemp("tuned")
    draft = CheckpointDraft(spec=SPEC, data=None, trained=True, mean=(0.4,) * 3, std=(0.3,) * 3)
    save_checkpoint(folder / "net", draft, create_model(SPEC))
    draw(folder / "pictures", 20)
    return folder


@pytest.mark.parametrize(
    ("words", "problem", "remedy"),
    [
        ("--dataset digits --no-flip", "--no-flip would do nothing", "Leave --no-flip out"),
        ("--freeze layer1", "--freeze would keep random weights", "as --init"),
        ("--recipe finetune", "goes on from a trained network", "as --init"),
        ("--recipe photos", "no recipe “photos”", "cifar, digits, digits-bottlenecks, digits-light"),
        ("--augment mirror", "augmentation is mirror", "none, shift, shift_flip, crop_flip_jitter"),
        ("--batch-size 1", "batch_size is 1", "at least 2"),
        ("--lr-decay-by-depth 2", "lr_decay_by_depth is 2.0", "at most 1"),
        ("--init net --model vgg11_cifar", "net says which network is trained", "Leave out --model"),
        ("--init net --conv groupnl", "net says which network is trained", "--conv"),
        ("--init nets", "nets does not exist", "net"),
        ("--init pictures", "pictures is not a checkpoint folder", ""),
        ("--init net --freeze features.30", "no stage “features.30”; its stages are features.0", "models show"),
        ("--init net --freeze classifier", "nothing left to learn", "features.25"),
        ("--init net --dataset folder", "none was named", "--data DIR"),
        ("--init net --dataset folder --data pictures --input 1,32,32", "channels of an image 3 there and 1 here", ""),
        (
            "--init net --dataset folder --data pictures --batch-size 64",
            "fewer than one batch of 64",
            "--batch-size 12",
        ),
    ],
)
def test_a_training_that_cannot_be_says_why_and_what_to_do(folder, monkeypatch, words, problem, remedy) -> None:
    monkeypatch.chdir(folder)
    code, out, said = run("train", *words.split(), "--out", "out")
    assert (code, out) == (2, "") and not Path("out").exists()
    assert problem in said
    assert remedy in said.partition("Try:")[2] or remedy in said.partition("Error:")[2]


def test_fine_tuning_and_its_evaluation(folder, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    tuning = ("--init", "net", "--dataset", "folder", "--data", "pictures", "--freeze", "features.4", "--no-flip")
    code, out, said = run("train", *tuning, "--epochs", 2, "--batch-size", 8, "--out", "tuned")
    assert code == 0, said
    assert "a new head, classifier, for 3 classes" in said
    told = [line for line in said.splitlines() if "images/s" in line]  # no terminal: a line an epoch, and no bar
    assert [("epoch 1/2" in line, "epoch 2/2" in line, "test loss" in line) for line in told] == [
        (True, False, True),
        (False, True, True),
    ]
    assert [len(row.split(",")) for row in Path("tuned/log.csv").read_text().splitlines()] == [7] * 3
    assert all(name in out for name in ("blue", "green", "red", "95 % interval"))
    tuned = load_checkpoint(Path("tuned"))
    assert (tuned.recipe.freeze, tuned.recipe.flip, tuned.recipe.epochs) == ("features.4", False, 2)
    assert tuned.recipe.augmentation == "crop_flip_jitter"
    assert (tuned.mean, tuned.spec.num_classes, tuned.split.name) == ((0.4,) * 3, 3, "split.json")
    code, out, said = run("evaluate", "tuned", "--data", "pictures", "--confusion", "confusion.png", "--json")
    assert code == 0, said
    document = json.loads(out)
    assert Path("confusion.png").read_bytes().startswith(b"\x89PNG")
    assert document["evaluation"]["accuracy"] == tuned.accuracy and document["init"] == tuned.init
    assert [one["name"] for one in document["classes"]] == ["blue", "green", "red"]
    assert sum(map(sum, document["confusion"])) == document["evaluation"]["count"] == 12
    code, out, said = run("evaluate", "tuned", "--data", "pictures")
    assert f"trained on from the checkpoint {tuned.init[:12]}" in out
    assert f"trained on from the checkpoint {tuned.init[:12]}" in run("models", "show", "tuned")[1]


@pytest.mark.parametrize(
    ("words", "problem", "remedy"),
    [
        ("net", "Which images net was trained on is not known", "--dataset folder --data DIR"),
        ("net --confusion there.png", "there.png exists already", "another name for the picture"),
        ("net --confusion new.jpg", "no picture format “jpg”", "png"),
        ("net --dataset folder --data pictures", "answers with 10 classes", "groupnl train --init"),
        ("net --dataset pictures", "a data set's name was asked for", "--dataset folder --data pictures"),
        ("pictures", "neither a checkpoint nor an artifact but a folder of images", "--dataset folder --data pictures"),
    ],
)
def test_an_evaluation_that_cannot_be_says_why_and_what_to_do(folder, monkeypatch, words, problem, remedy) -> None:
    monkeypatch.chdir(folder)
    Path("there.png").touch()
    code, out, said = run("evaluate", *words.split())
    assert (code, out) == (2, ""), said
    assert problem in said and remedy in said.partition("Try:")[2], said
