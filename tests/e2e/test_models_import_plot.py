"""`groupnl models import` against the authors' own logits, `groupnl models plot`, and their refusals."""

import argparse
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from groupnl_deploy.cli.main import app
from groupnl_deploy.models.methods import METHODS
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.training.checkpoint import load_model

DATA = Path(__file__).parents[1] / "data"
REFERENCE: dict[str, dict[str, Any]] = json.loads((DATA / "authors_reference.json").read_text())
GROUPNL = Path(sys.executable).with_name("groupnl")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def synth() -> dict[str, Callable[..., Any]]:
    """Weights and an input that depend only on names and shapes."""
    return runpy.run_path(str(DATA / "synth_weights.py"))


def models(*arguments: object) -> Result:
    """In this process: PyTorch is imported once for all."""
    return CliRunner().invoke(app, ["models", *map(str, arguments)], env={"NO_COLOR": "1"})


def document(*arguments: object) -> dict[str, Any]:
    done = models(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    data: dict[str, Any] = json.loads(done.stdout)
    assert data["schema_version"] == 1
    return data


def refusal(*arguments: object, code: int = 2) -> str:
    done = models(*arguments)
    assert done.exit_code == code, done.output
    assert done.stdout == "" and "Traceback" not in done.stderr
    assert "Error:" in done.stderr and "Try:" in done.stderr
    return done.stderr


def save_as_the_authors_do(path: Path, name: str, weights: dict[str, torch.Tensor]) -> tuple[str, ...]:
    """A training checkpoint, wrapped otherwise for each network; returns the options to import it with."""
    content = {"epoch": 309, "arch": name, "version": 2, "metric": 77.25, "args": argparse.Namespace(model=name)}
    weight = torch.nn.Parameter(torch.zeros(64, 3))
    weight.grad = torch.ones(64, 3)
    optimizer = torch.optim.AdamW([weight])
    optimizer.step()
    content |= {"optimizer": optimizer.state_dict(), "amp_scaler": {"scale": 65536.0, "_growth_tracker": 3}}
    if name == "gnl_resnet50":  # as DistributedDataParallel names them
        torch.save(content | {"state_dict": {f"module.{key}": value for key, value in weights.items()}}, path)
        return ()
    if name == "mobilenetv3_gnl_large_100":
        other = {key: torch.zeros_like(value) for key, value in weights.items()}
        torch.save(content | {"state_dict": other, "state_dict_ema": weights}, path)
        return ("--ema",)
    torch.save(content | {"state_dict": weights}, path)
    return ()


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if "mobilenet" in n else pytest.mark.slow) for n in sorted(REFERENCE)]
)
def test_an_imported_network_answers_as_the_authors_code_does(tmp_path: Path, synth, name: str) -> None:
    expected = REFERENCE[name]
    weights = {
        key: torch.from_numpy(np.asarray(value)) for key, value in synth["synth_state_dict"](expected["shapes"]).items()
    }
    options = save_as_the_authors_do(tmp_path / "last.pth.tar", name, weights)
    made = document("import", tmp_path / "last.pth.tar", "--model", name, "--out", tmp_path / "net", *options)
    known = {
        "file": "last.pth.tar",
        "weights": "ema" if options else "raw",
        "arch": name,
        "epoch": 309,
        "metric": 77.25,
    }
    record = made["checkpoint"]
    assert record["imported"].items() >= known.items()
    assert (record["trained"], record["accuracy"], record["data"]) == (True, None, None)
    model = load_model(tmp_path / "net")[1]
    with torch.inference_mode():
        logits = model(torch.from_numpy(synth["synth_input"]()))[0].numpy()
    assert np.abs(logits[:32] - expected["logits"]).max() < 1e-4 * expected["std"]
    assert logits.std() == pytest.approx(expected["std"], rel=1e-3)
    assert logits.argmax() == expected["argmax"]


@pytest.mark.slow
def test_a_thin_network_of_other_classes_from_safetensors_goes_on_to_export(tmp_path: Path) -> None:
    spec = model_spec(
        "resnet18_cifar", "groupnl-sparse", "paper", width=0.25, num_classes=7, knobs={"ratio": 4, "nl_groups": 2}
    )
    safetensors.torch.save_file(create_model(spec).state_dict(), tmp_path / "net.safetensors")
    options = ("--conv", "groupnl-sparse", "--semantics", "paper", "--ratio", 4, "--nl-groups", 2)
    size = ("--width", 0.25, "--classes", 7)
    model = ("--model", "resnet18_cifar")
    done = models("import", tmp_path / "net.safetensors", *model, "--out", tmp_path / "net", *options, *size)
    assert done.exit_code == 0 and done.stdout == "", done.output
    assert "accuracy unknown" in done.stderr and "groupnl export" in done.stderr
    assert load_model(tmp_path / "net")[0].spec == spec
    exported = CliRunner().invoke(
        app, ["export", str(tmp_path / "net"), "--format", "torch", "--out", str(tmp_path / "art"), "--json"]
    )
    assert exported.exit_code == 0, exported.output
    manifest = json.loads(exported.stdout)["manifest"]
    assert (manifest["trained"], manifest["accuracy"]) == (True, None)


class Touch:
    """Unpickled by an open unpickler, this creates the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.slow
def test_a_malicious_file_does_not_run_in_a_process_of_its_own(tmp_path: Path) -> None:
    torch.save({"state_dict": Touch(tmp_path / "touched")}, tmp_path / "evil.pth")
    command = [GROUPNL, "models", "import", "evil.pth", "--model", "resnet50", "--out", "net"]
    # The variable makes torch.load unpickle openly wherever the caller leaves it the choice.
    environment = os.environ | {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr
    assert f"{os.system.__module__}.system" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["evil.pth"]


def test_mistakes_of_an_import(tmp_path: Path) -> None:
    path, out = tmp_path / "a.pth", tmp_path / "net"
    torch.save(create_model(model_spec("resnet18_cifar", width=0.125)).state_dict(), path)
    known = ("--model", "resnet18_cifar", "--out", out)
    for arguments, words in (
        ((path, "--model", "resnet18_cifra", "--out", out), ["resnet18_cifra", "resnet18_cifar"]),
        ((tmp_path / "nothing", *known), ["no such file"]),
        ((tmp_path, *known), ["is a folder"]),
        ((path, *known, "--width", 0.125, "--ema"), ["state_dict_ema", "bare state dict"]),
        ((path, *known, "--width", 0.125, "--classes", 3), ["of another shape", "--classes 10"]),
        ((path, *known, "--classes", 0), ["--classes"]),
        ((path, *known, "--conv", "groupnn"), ["groupnn", "groupnl"]),
        ((path, *known, "--conv", "ghost", "--nl-groups", 4), ["--nl-groups"]),
        ((path, *known, "--width", 0.125, "--mean", "a,b"), ["--mean", "a,b", "0.5,0.5,0.5"]),
        ((path, *known, "--width", 0.125, "--std", "0,1,1"), ["--std", "above zero"]),
        ((path, *known, "--width", 0.125, "--mean", "0.5,0.5"), ["--mean has 2 numbers", "3 channels"]),
        ((path, *known, "--width", 0.125, "--input", "224,224"), ["--input", "3,224,224"]),
        ((path, *known, "--width", 0.125, "--padding", "smae"), ["smae", "“same”"]),
        ((path, "--model", "resnet18_cifar", "--out", tmp_path), ["exists already"]),
    ):
        said = refusal("import", *arguments)
        assert all(word in said for word in words), said
    path.write_bytes(path.read_bytes()[:-100])
    assert "damaged" in refusal("import", path, *known, code=4)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pth"]


def test_a_twin_is_refused_by_name_and_its_own_name_is_taken(tmp_path: Path) -> None:
    name, size = "tf_mobilenetv3_large_100", ("--width", 0.25, "--classes", 7)
    state = create_model(model_spec(name, width=0.25, num_classes=7)).state_dict()
    torch.save({"arch": name, "state_dict": state}, tmp_path / "a.pth")
    said = refusal("import", tmp_path / "a.pth", "--model", name.removeprefix("tf_"), "--out", tmp_path / "net", *size)
    assert "SAME" in said and f"--model {name}" in said and not (tmp_path / "net").exists()
    images = ("--mean", "0.5", "--std", "0.25", "--input", "3,40,33")
    made = document("import", tmp_path / "a.pth", "--model", name, "--out", tmp_path / "net", *size, *images)
    record = made["checkpoint"]
    assert (record["mean"], record["std"], record["spec"]["input_shape"]) == ([0.5] * 3, [0.25] * 3, [3, 40, 33])
    assert record["assumed"] == [note for note in made["notes"] if "never saw an image" in note]


@pytest.mark.slow
def test_maps_of_a_photograph(tmp_path: Path) -> None:
    done = models("plot", "--nlf", "sinusoidal", "china", "--out", tmp_path / "new" / "maps.png")
    assert done.exit_code == 0 and done.stdout.strip() == str(tmp_path / "new" / "maps.png"), done.output
    with Image.open(tmp_path / "new" / "maps.png") as picture:
        assert picture.format == "PNG" and picture.width > 1000
        assert len(picture.convert("RGB").getcolors(picture.width * picture.height)) > 200


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "I;16", "F"])
def test_maps_of_every_kind_of_picture(tmp_path: Path, mode: str) -> None:
    from groupnl_deploy.report.model_plots import read_image

    gradient = np.linspace(0, 255, 400 * 30).reshape(400, 30)
    pixels = gradient.astype({"I;16": np.uint16, "F": np.float32}.get(mode, np.uint8))
    picture = Image.fromarray(pixels if mode != "I;16" else pixels * 200)
    (picture if picture.mode == mode else picture.convert(mode)).save(tmp_path / "a.tiff")
    image = read_image(str(tmp_path / "a.tiff"))
    assert image.pixels.shape == (320, 24) and image.source == "a.tiff"
    assert image.pixels.mean() == pytest.approx(0, abs=1e-4) and image.pixels.std() == pytest.approx(1, abs=1e-3)
    assert np.isfinite(image.pixels).all()


@pytest.mark.slow
def test_a_picture_of_one_colour_is_drawn(tmp_path: Path) -> None:
    Image.new("RGB", (40, 3), "red").save(tmp_path / "red.png")
    done = models("plot", "--nlf", "laplace-literal", tmp_path / "red.png", "--out", tmp_path / "maps.svg")
    assert done.exit_code == 0 and b"<svg" in (tmp_path / "maps.svg").read_bytes(), done.output


@pytest.mark.slow
def test_costs_of_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = models("plot", "vgg11_cifar")
    assert done.exit_code == 0 and done.stdout == "vgg11_cifar.png\n", done.output
    assert (tmp_path / "vgg11_cifar.png").read_bytes().startswith(PNG)


@pytest.mark.slow
def test_stages_add_up_to_the_network_and_what_cannot_be_built_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from groupnl_deploy.models.profile import Counts, profile
    from groupnl_deploy.report import model_plots

    spec = model_spec("mobilenetv2_100")
    stages = model_plots._per_stage(profile(spec))
    assert list(stages) == ["stem", *(f"blocks.{index}" for index in range(7)), "head"]
    assert Counts.sum(stages.values()) == profile(spec).total
    monkeypatch.setitem(METHODS, "grouped", replace(METHODS["grouped"], sample={"group_size": 32}))
    counted, left_out = model_plots._profiles(spec)
    assert "grouped" not in counted and len(counted) == 6
    assert "Left out: grouped, G = 32 (blocks.1.1.conv_dw" in model_plots._counted_as(spec, left_out)
    monkeypatch.setattr(model_plots, "_profiles", lambda _: (counted, left_out))  # counted once is enough
    assert model_plots.draw_stages(spec).startswith(PNG)


def test_mistakes_of_a_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groupnl_deploy.report.model_plots.draw_maps", lambda *_: PNG)  # it is not what is wrong
    text, cut, red, out = (tmp_path / f"{stem}.png" for stem in ("notes", "cut", "red", "maps"))
    text.write_text("no picture")
    Image.new("RGB", (40, 3), "red").save(red)
    Image.effect_noise((64, 64), 50).save(cut)
    cut.write_bytes(cut.read_bytes()[:-500])
    before = sorted(tmp_path.iterdir())
    for arguments, words in (
        (("--nlf", "sinusoid", "china", "--out", out), ["sinusoid", "gaussian", "“sinusoidal”?"]),
        (("--nlf", "gaussian", "chna", "--out", out), ["“chna”", "flower", "“china”?"]),
        (("--nlf", "gaussian", tmp_path / "no.png", "--out", out), ["does not exist", "china"]),
        (("--nlf", "gaussian", text, "--out", out), ["not a picture"]),
        (("--nlf", "gaussian", cut, "--out", out), ["cannot be read"]),
        (("--nlf", "gaussian", tmp_path, "--out", out), ["cannot be read"]),
        (("--nlf", "gaussian", red, "--out", text), ["exists already", "another file"]),
        (("--nlf", "gaussian", red, "--out", tmp_path / "maps.jpgg"), ["jpgg", "png"]),
        (("--nlf", "gaussian", red, "--out", "/proc/nowhere/maps.png"), ["Cannot write"]),
        (("--nlf", "gaussian", red, "--out", text / "maps.png"), ["Cannot write"]),
        (("resnet18_cifra", "--out", out), ["resnet18_cifra", "resnet18_cifar"]),
    ):
        said = refusal("plot", *arguments)
        assert all(word in said for word in words), said
    assert sorted(tmp_path.iterdir()) == before
