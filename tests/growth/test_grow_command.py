"""`groupnl grow`: a checkpoint in, a wider one out, with what became of each layer."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from groupnl_deploy.cli.main import app
from groupnl_deploy.growth.step import GrowthSettings
from groupnl_deploy.images.dataset import Dataset
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.profile import profile
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.progress import Silence
from groupnl_deploy.training import growing
from groupnl_deploy.training.checkpoint import checkpoint_id, initialise_checkpoint, load_model, save_checkpoint
from groupnl_deploy.training.growing import grow_checkpoint


@pytest.fixture(scope="module")
def few() -> Dataset:
    data = load_dataset(DataSource("digits"))
    parts = [
        InMemoryImages(part.pixels[:count], part.labels[:count])  # type: ignore[attr-defined]
        for part, count in ((data.train, 24), (data.test, 10))
    ]
    return replace(data, train=parts[0], test=parts[1], declared=data.statistics)


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch, few: Dataset) -> None:
    monkeypatch.setattr(growing, "own_images", lambda *said, **more: few)


@pytest.fixture
def source(tmp_path: Path, few: Dataset) -> Path:
    spec = model_spec("vgg11_cifar", width=0.0625, input_shape=few.input_shape)
    draft, network = initialise_checkpoint(spec, few)
    save_checkpoint(tmp_path / "net", replace(draft, trained=True, accuracy=0.5), network)
    return tmp_path / "net"


@pytest.mark.usefixtures("at_hand")
def test_a_grown_checkpoint_is_one_as_any_other_and_growth_json_says_what_became_of_each_layer(source: Path) -> None:
    out = source.with_name("grown")
    before = {path.name: path.read_bytes() for path in source.iterdir()}

    done = CliRunner().invoke(app, ["grow", str(source), "--gamma", "0.5", "--k-new", "8", "--out", str(out), "--json"])

    assert done.exit_code == 0, done.output
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
    checkpoint, network = load_model(out)
    growth = json.loads((out / "growth.json").read_text())
    assert json.loads(done.stdout)["growth"] == growth
    assert (checkpoint.init, checkpoint.trained) == (checkpoint_id(source), True)
    assert checkpoint.accuracy == growth["accuracy_after"]
    assert growth["added"] == growth["budget"] == 86
    assert {name: layer["final"] for layer in growth["layers"] for name in layer["convolutions"]} == {
        name: module.out_channels for name, module in network.named_modules() if isinstance(module, torch.nn.Conv2d)
    }
    assert growth["parameters_after"] == sum(value.numel() for value in network.parameters())
    assert growth["macs_after"] == profile(checkpoint.spec).total.macs > growth["macs_before"]
    assert growth["optimise_s"] > 0 < growth["score_s"]


@pytest.mark.usefixtures("at_hand")
def test_people_read_a_table_and_what_to_do_next(source: Path) -> None:
    out = source.with_name("grown")
    words = ["--gamma", "0.5", "--k-new", "8", "--multiple-of", "4", "--select", "random", "--compat", "firefly"]

    done = CliRunner().invoke(app, ["grow", str(source), *words, "--out", str(out)])

    assert done.exit_code == 0, done.output
    assert "features.0" in done.stdout and "channels added; parameters" in done.stdout
    assert f"groupnl train --init {out} --dataset digits" in done.stderr.replace("\n", " ")
    assert all(width % 4 == 0 for _, width in load_model(out)[0].spec.widths)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--gamma", "9", "--k-new", "4"], "--gamma 9 asks for"),
        (["--gamma", "0"], "--gamma is 0."),
        (["--gamma", "0.5", "--k-new", "-1"], "--k-new is -1."),
        (["--gamma", "0.5", "--dataset", "folder", "--data", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(source: Path, words: list[str], said: str) -> None:
    out = source.with_name("grown")

    done = CliRunner().invoke(app, ["grow", str(source), *words, "--out", str(out)])

    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
    assert sorted(path.name for path in source.parent.iterdir()) == ["net"]


@pytest.mark.usefixtures("at_hand")
def test_where_growth_is_interrupted_nothing_is_written(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*said: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("groupnl_deploy.growth.step.score", interrupt)

    with pytest.raises(KeyboardInterrupt):
        grow_checkpoint(source, source.with_name("grown"), GrowthSettings(0.5, 4), Silence())

    assert sorted(path.name for path in source.parent.iterdir()) == ["net"]
