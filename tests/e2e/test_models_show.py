"""`groupnl models show`: its JSON, its table at two widths, folders, and its refusals."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from groupnl_deploy.cli.main import app

TEN_KEYS = {
    "params",
    "learnable_params",
    "weight_params",
    "flops",
    "macs",
    "gradient_count",
    "gradient_bytes",
    "traffic_count",
    "traffic_bytes",
    "activation_bytes",
}


# What the library calls the options; a user has never seen these names.
FIELDS = ("nl_groups", "phi_", "omega_", "bn_position", "group_size", "num_groups", "num_classes", "input_shape")


def show(*arguments: object, columns: int = 120) -> Result:
    """In this process: PyTorch is imported once for all."""
    command = ["models", "show", *map(str, arguments)]
    return CliRunner().invoke(app, command, env={"COLUMNS": str(columns), "NO_COLOR": "1"})


def document(*arguments: object) -> dict[str, Any]:
    done = show(*arguments, "--json")
    assert done.exit_code == 0 and done.stderr == "", done.output
    data: dict[str, Any] = json.loads(done.stdout)
    return data


def refusal(*arguments: object) -> str:
    """The two sentences of an error; nothing on stdout, no traceback."""
    done = show(*arguments)
    assert done.exit_code == 2 and done.stdout == "", done.output
    assert done.stderr.startswith("Error: ") and "\nTry: " in done.stderr and "Traceback" not in done.stderr
    return done.stderr


def test_one_document_and_nothing_else_on_stdout() -> None:
    data = document("gnl_resnet50")
    assert set(data) == {"schema_version", "model", "label", "gpus", "input_shape", "layers", "total", "uncounted"}
    assert (data["schema_version"], data["gpus"], data["input_shape"]) == (1, 8, [3, 224, 224])
    assert data["model"]["name"] == "resnet50" and data["model"]["conv"]["method"] == "groupnl-sparse"
    assert "resnet50" in data["label"] and "groupnl-sparse" in data["label"]
    assert (data["total"]["params"], data["total"]["learnable_params"]) == (17362384, 17362280)
    assert data["total"]["flops"] == 2608868864


def test_every_layer_and_the_total_have_exactly_the_ten_keys() -> None:
    data = document("resnet18_cifar", "--conv", "groupnl", "--gpus", 4)
    assert set(data["total"]) == TEN_KEYS
    assert all(set(layer) == TEN_KEYS | {"order", "kind", "output_shape"} for layer in data["layers"].values())
    by_place = sorted(data["layers"], key=lambda name: data["layers"][name]["order"])
    assert [data["layers"][name]["order"] for name in by_place] == list(range(len(by_place)))
    assert by_place[0] == "conv1" and by_place[-1] == "fc" and data["layers"]["fc"]["output_shape"] == [10]
    assert data["layers"]["conv1"]["kind"] == "Conv2d"
    for key in TEN_KEYS:
        assert data["total"][key] == sum(counts[key] for counts in data["layers"].values()), key
    assert data["total"]["traffic_count"] == 6 * data["total"]["gradient_count"]
    assert {"conv1", "layer1.0.conv1", "layer2.0.downsample.0", "fc"} <= set(data["layers"])


def test_a_plain_name_is_the_standard_network_and_conv_overrules_an_alias() -> None:
    assert document("resnet50")["model"]["conv"]["method"] == "standard"
    assert document("gnl_resnet50", "--conv", "standard")["total"] == document("resnet50")["total"]


def test_knobs_and_sizes_reach_the_network() -> None:
    data = document("resnet18_cifar", "--conv", "groupnl", "--ratio", 4, "--nl-groups", 8)
    assert data["model"]["conv"]["ratio"] == 4 and data["model"]["conv"]["nl_groups"] == 8
    grouped = document("resnext50_32x4d", "--conv", "grouped", "--group-size", 8)
    assert round(grouped["total"]["weight_params"] / 1e6, 2) == 24.09
    sized = document("resnet18_cifar", "--width", 0.5, "--classes", 7, "--size", 64)
    assert sized["input_shape"] == [3, 64, 64] and sized["model"]["num_classes"] == 7
    assert sized["model"]["width"] == 0.5


@pytest.mark.parametrize(
    "name", ["resnet18_cifar", pytest.param("gnl_resnet101", marks=pytest.mark.slow), "mobilenetv3_large_100"]
)
def test_the_table_fits_eighty_columns_and_ends_in_the_total(name: str) -> None:
    narrow, wide = show(name, columns=80), show(name, columns=120)
    assert narrow.exit_code == wide.exit_code == 0 and narrow.stderr == ""
    assert max(map(len, narrow.stdout.splitlines())) <= 80
    assert [line.split() for line in narrow.stdout.splitlines()] == [line.split() for line in wide.stdout.splitlines()]
    lines = [line.split() for line in narrow.stdout.splitlines()]
    headings = ["Layer", "Kind", "Output", "Bytes", "Param", "FLOPs", "MACs"]
    assert lines.count(headings) == 1
    rows = lines[lines.index(headings) + 2 :]
    assert len(rows[0]) == len(headings)
    assert [row[0] for row in rows if len(row) == 5] == ["total"]


def test_below_the_table_stand_gradient_traffic_and_the_frozen_count() -> None:
    text = show("gnl_resnet101").stdout
    assert "Parameters   26.37 M, 240 of them frozen" in text
    assert "FLOPs        4369.02 M" in text
    assert "Gradient     26.37 M numbers, 100.58 MiB" in text
    assert "46.14 M numbers, 176.02 MiB a step from each of 8 GPUs" in text
    assert "369.13 M numbers, 1408.13 MiB from all of them" in text
    assert "none with one GPU" in show("resnet18_cifar", "--gpus", 1).stdout


def test_a_checkpoint_and_an_artifact_are_shown_as_they_are(untrained) -> None:
    named = document("vgg11_cifar", "--conv", "groupnl", "--width", 0.125)
    for folder in (untrained.checkpoint, untrained.onnx.directory, untrained.torch.directory):
        data = document(folder)
        assert data["total"] == named["total"] and data["model"] == named["model"]
    assert untrained.checkpoint.is_dir()
    for options in (["--conv", "groupnl"], ["--ratio", 2], ["--width", 1], ["--classes", 10], ["--size", 32]):
        assert "says what it is" in refusal(untrained.checkpoint, *options)


def test_a_registered_name_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "resnet18_cifar").mkdir()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert document("resnet18_cifar")["model"]["name"] == "resnet18_cifar"
    for folder in ("./resnet18_cifar", "empty"):
        assert "neither a checkpoint nor an artifact" in refusal(folder)
    assert "does not exist" in refusal("./nothing")


def test_an_artifact_of_another_version_is_refused(untrained_copy) -> None:
    manifest = untrained_copy.onnx.directory / "manifest.json"
    data = json.loads(manifest.read_text())
    data["model"]["surprise"] = 1
    manifest.write_text(json.dumps(data))
    assert "surprise" in refusal(untrained_copy.onnx.directory)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["resnet5"], ["resnet5", "did you mean", "resnet50"]),
        (["gnl_resnet5"], ["did you mean", "gnl_resnet50"]),
        (["resnet50", "--conv", "gost"], ["gost", "ghost"]),
        (["resnet50", "--ratio", 4], ["--ratio is a knob of", "standard", "another --conv"]),
        (["resnet50", "--conv", "ghost", "--nl-groups", 4], ["--nl-groups", "ghost"]),
        (["resnet50", "--conv", "grouped"], ["either --group-size or --num-groups"]),
        (["resnext50_32x4d", "--conv", "grouped", "--num-groups", 3], ["3 groups", "divisor of 128"]),
        (["resnext50_32x4d", "--conv", "grouped", "--group-size", 3], ["a --group-size that is a divisor of 128"]),
        (
            ["vgg11_cifar", "--conv", "groupnl", "--nl-groups", 5],
            ["32 seed channels", "5 equal groups", "a --width and --ratio whose seed channels", "fewer --nl-groups"],
        ),
        (["resnet50", "--conv", "groupnl", "--ratio", 0], ["--ratio is 0", "give a whole number"]),
        (["resnet50", "--conv", "groupnl", "--omega-range", "2,1"], ["--omega-range is (2.0, 1.0)", "smaller one"]),
        (
            ["resnet50", "--conv", "groupnl", "--nlf", "gaussian", "--phi-sign", "+"],
            ["leave --phi-sign out, or --nlf at sinusoidal"],
        ),
        (["gnl_resnet50", "--nlf", "sinusodial"], ["“sinusodial”", "did you mean “sinusoidal”?"]),
        (["gnl_resnet50", "--bn-position", "seed"], ["“seed”", "did you mean “seeds”?"]),
        (["resnet50", "--gpus", 0], ["--gpus is 0", "at least one"]),
        (["resnet50", "--classes", 0], ["--classes is 0", "at least 1"]),
        (["resnet50", "--size", 0], ["--size is 0", "at least 1"]),
        (["resnet50", "--width", "nan"], ["--width is nan"]),
        (["resnet50", "--width", 0.001], ["--width 0.001 leaves no channel of 64", "choose a larger --width"]),
        (["vgg11_cifar", "--size", 16], ["does not take an input of (3, 16, 16)", "another --size"]),
    ],
)
def test_refusals_name_the_mistake_and_the_option(arguments: list[object], words: list[str]) -> None:
    message = refusal(*arguments).lower()
    assert all(word in message for word in words), message
    assert not any(field in message for field in FIELDS), message


@pytest.mark.slow
def test_what_the_name_alone_does_not_mean_is_said_with_both_sizes() -> None:
    told = show("resnet18_cifar", "--conv", "groupnl")
    assert "5.60 M" in told.stderr and "11.17 M" in told.stderr
    known = document("resnet18_cifar", "--conv", "groupnl")["departure"]
    assert (known["fields"], known["params"], known["own_params"]) == (["conv"], 5_595_362, 11_173_962)
    assert " ".join(known["sentences"]) in told.stderr.replace("\n", " ").replace("Note: ", "")
    assert "departure" not in document("mobilenetv3_gnl_large_100")
