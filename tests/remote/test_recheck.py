"""Manifests and records edited by hand: every claim that has a witness, changed alone, is refused before a push."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from typer.testing import CliRunner

from device_agent.manifest import MANIFEST_FILE, ArtifactFile, DataRecord
from exporters import parity, reference
from exporters.artifact import Artifact, open_artifact
from exporters.options import ExportOptions
from groupnl_deploy import recheck
from groupnl_deploy.cli.main import app
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.recheck import require_artifact
from groupnl_deploy.training.checkpoint import load_checkpoint
from groupnl_deploy.training.imports import import_weights

DIGITS = {"name": "digits", "sha256": None, "class_names": [str(digit) for digit in range(10)], "split_seed": 0}
Edit = Callable[[dict[str, Any]], object]


def edited(folder: Path, edit: Edit, name: str = MANIFEST_FILE) -> Path:
    """The same folder, with its record changed by hand and valid still."""
    path = folder / name
    table = json.loads(path.read_text())
    edit(table)
    path.write_text(json.dumps(table))
    return folder


def put(*keys: str | int, value: Any) -> Edit:
    def edit(table: dict[str, Any]) -> None:
        inner: Any = table
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value

    return edit


def swapped(table: dict[str, Any], *roles: str) -> None:
    """Two files, each in the other's role."""
    one, other = (next(file for file in table["files"] if file["role"] == role) for role in roles)
    one["role"], other["role"] = other["role"], one["role"]


def overwritten(artifact: Artifact, role: Any, data: bytes) -> Artifact:
    """Another file in a role, with its digest."""
    artifact.path(role).write_bytes(data)
    others = tuple(file for file in artifact.manifest.files if file.role != role)
    return reworded(artifact, files=(*others, ArtifactFile.in_role(role, artifact.path(role))))


def reworded(artifact: Artifact, **changes: Any) -> Artifact:
    return dataclasses.replace(artifact, manifest=dataclasses.replace(artifact.manifest, **changes))


def test_what_was_exported_passes_and_nothing_is_left_unchecked(untrained) -> None:
    assert require_artifact(untrained.onnx) == require_artifact(untrained.torch) == ()
    assert require_artifact(untrained.onnx, untrained.checkpoint) == ()


def test_a_manifest_from_before_a_field_says_nothing_of_it_and_passes(untrained_copy) -> None:
    folder = edited(untrained_copy.onnx.directory, lambda table: table.pop("picked"))
    assert require_artifact(open_artifact(folder)) == () and open_artifact(folder).manifest.picked is None


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/b", "", ".", "..", "a\nb", "\x1b[2J"])
def test_a_file_of_a_manifest_lies_in_its_folder(untrained, tmp_path: Path, name: str) -> None:
    folder = edited(shutil.copytree(untrained.onnx.directory, tmp_path / "a"), put("files", 0, "name", value=name))
    done = CliRunner().invoke(app, ["push", str(folder), "--device", "local"])
    assert done.exit_code == 4 and f"{name!r} is not a plain file name" in done.stderr
    assert "\x1b[2J" not in done.stderr


BOTH = [
    (put("trained", value=True), "its trained is True, and its checkpoint's False"),
    (put("accuracy", value=0.99), "it has an accuracy and is untrained"),
    (put("accuracy", value=1.5), "its accuracy is 1.5"),
    (put("picked", value=True), "its picked is True, and its checkpoint's False"),
    (put("data", value=DIGITS), "its data set is digits, 10 classes, and its checkpoint's None"),
    (put("label", value="resnet50 x1 standard"), "its label is 'resnet50 x1 standard'"),
    (put("model", "width", value=0.25), "its label is"),
    (put("model", "num_classes", value=7), "its output is"),
    (put("model", "seed", value=1), "its model is"),
    (put("model", "padding", value="same"), "its label is"),
    (put("model", "colour", value="red"), "unknown key"),
    (put("inputs", 0, "shape", value=[1, 3, 64, 64]), "its input is"),
    (put("inputs", 0, "name", value="image"), "its input is"),
    (put("outputs", 0, "shape", value=[1, 11]), "its output is"),
    (put("outputs", 0, "name", value="scores"), "its output is"),
    (put("preprocessing", "mean", value=[0.5, 0.5, 0.5]), "its mean is"),
    (put("preprocessing", "std", value=[0.5, 0.5]), "2 deviations for 3 channels"),
    (put("preprocessing", "std", value=[0.5, 0.5, 0]), "divides by"),
    (put("parity", "max_abs_error", value=1e9), "off by 1e+09"),
    (put("parity", "same_top1", value=False), "more than the proof allows"),
    (put("parity", "tolerance", value=1.0), "its tolerance is 1"),
    (put("golden", "tolerances", 0, value=1.0), "its golden tolerance of logits is 1"),
    (put("optimize", value="none"), "its level is none, and it was made by full"),
    (put("target", value="zzz"), "its target is zzz"),
    (put("source", "sha256", value="zzz"), "its source is zzz"),
    (put("parity", "images", value=0), "on 0 images"),
    (put("golden", "tie", value=0.5), "its golden tie is 0.5"),
    (put("golden", value=None), "it has no golden pair"),
    (put("preprocessing", "mean", value=[0.486, 0.456, 0.406]), "its golden image was not prepared with mean"),
    (put("preprocessing", "std", value=[0.229, 0.224, 0.226]), "its golden image was not prepared with mean"),
    (lambda table: table["parity"].update(eager_error=1.0, tolerance=0.1), "it names no place where rounding grows"),
    (put("parity", "batches", value=[1, 2, 5]), "it was proved at batches (1, 2, 5), and its batch is 1"),
    (lambda table: swapped(table, "golden_input", "golden_output"), "its golden output is not what the manifest says"),
]
ONNX = [
    (put("opset", value=13), "its opset is 13, and the graph's 17"),
    (lambda table: table.update(target="rpi4", opset=19), "whose ONNX Runtime 1.15.1 does not read its opset"),
    (put("opset", value=None), "its opset is None"),
    (put("ir_version", value=4), "its ir_version is 4"),
    (put("batch", value="dynamic"), "its input is"),
    (put("passes", -1, "nodes_after", value=1), "its last pass left 1 nodes"),
]
TORCH = [
    (put("optimize", value="none"), "its level is none, and it was made by standard or full"),
    (put("opset", value=17), "its opset is 17, and it has no graph"),
    (put("form", value="eager"), "its weights are another network's"),
    (put("model", "conv", "method", value="groupnl-sparse"), "its label is"),
]


@pytest.mark.parametrize(
    "format, edit, words",
    [*(("onnx", *case) for case in BOTH + ONNX), *(("torch", *case) for case in TORCH + BOTH[:1])],
)
def test_a_claim_changed_by_hand_is_refused(untrained_copy, format, edit, words) -> None:
    folder = edited(getattr(untrained_copy, format).directory, edit)
    with pytest.raises(VerificationFailed) as caught:
        require_artifact(open_artifact(folder))
    assert words in caught.value.message and caught.value.exit_code == 4


def test_a_golden_image_that_is_no_array_is_refused(untrained_copy) -> None:
    with pytest.raises(VerificationFailed, match="its golden input is not what the manifest says: it is no archive"):
        require_artifact(overwritten(untrained_copy.onnx, "golden_input", b"no array"))


def test_the_eager_networks_weights_are_the_checkpoints_to_the_bit(untrained, tmp_path) -> None:
    artifact = export_checkpoint(untrained.checkpoint, tmp_path / "eager", "torch", ExportOptions(optimize="none"))
    assert require_artifact(artifact, untrained.checkpoint) == ()
    path = artifact.directory / "model.safetensors"
    state = safetensors.torch.load_file(path)
    state["classifier.bias"][0] += 1
    safetensors.torch.save_file(state, path)
    files = tuple(ArtifactFile.in_role(file.role, artifact.path(file.role)) for file in artifact.manifest.files)
    with pytest.raises(VerificationFailed, match="its weights are not its checkpoint's"):
        require_artifact(reworded(artifact, files=files), untrained.checkpoint)


def test_another_graph_with_its_digest_is_refused(untrained_copy, tmp_path) -> None:
    other = model_spec("vgg11_cifar", "groupnl", width=0.125, num_classes=3)
    import_folder(tmp_path, other)
    export_checkpoint(tmp_path / "other", tmp_path / "other-onnx", "onnx", ExportOptions("none"))
    data = (tmp_path / "other-onnx" / "model.onnx").read_bytes()
    folder = untrained_copy.onnx.directory
    (folder / "model.onnx").write_bytes(data)

    def edit(table: dict[str, Any]) -> None:
        (row,) = (row for row in table["files"] if row["name"] == "model.onnx")
        row |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}

    with pytest.raises(VerificationFailed, match="its output is"):
        require_artifact(open_artifact(edited(folder, edit)))


def import_folder(tmp_path: Path, spec: Any) -> None:
    torch.save(create_model(dataclasses.replace(spec, seed=9)).state_dict(), tmp_path / "w.pth")
    import_weights(tmp_path / "w.pth", spec, tmp_path / "other")


@pytest.mark.parametrize("format", ["onnx", "torch"])
def test_an_untrained_network_is_known_by_its_answers_where_its_checkpoint_is_away(untrained, tmp_path, format) -> None:
    away = tmp_path / "away" / "deep" / "net"
    shutil.copytree(getattr(untrained, format).directory, away)
    assert require_artifact(open_artifact(away)) == ()  # it says that it is untrained
    edited(away, put("trained", value=True))
    with pytest.raises(VerificationFailed, match="answers as the untrained network of its seed"):
        require_artifact(open_artifact(away))


def test_what_nobody_can_check_is_said(tmp_path, monkeypatch) -> None:
    spec = model_spec("vgg11_cifar", "groupnl", width=0.125)
    import_folder(tmp_path, spec)
    export_checkpoint(tmp_path / "other", tmp_path / "far" / "away" / "net", "onnx", ExportOptions("none"))
    artifact = open_artifact(tmp_path / "far" / "away" / "net")
    monkeypatch.chdir(tmp_path / "far")
    (note,) = require_artifact(artifact)
    assert "nobody checked it" in note and "--checkpoint" in note
    assert require_artifact(artifact, tmp_path / "other") == ()
    monkeypatch.chdir(tmp_path)
    assert require_artifact(artifact) == ()  # found in the working folder
    accurate = reworded(artifact, accuracy=0.9, data=DataRecord("digits", None, (), 0))
    with pytest.raises(VerificationFailed, match=r"its accuracy is 0.9, and its checkpoint's None"):
        require_artifact(accurate, tmp_path / "other")


def test_a_checkpoint_that_is_another_or_none_is_refused(untrained, tmp_path) -> None:
    import_folder(tmp_path, model_spec("vgg11_cifar", "groupnl", width=0.125))
    with pytest.raises(VerificationFailed, match="is another"):
        require_artifact(untrained.onnx, tmp_path / "other")
    with pytest.raises(UsageError, match="is not a checkpoint folder"):
        require_artifact(untrained.onnx, tmp_path)


def test_a_push_refuses_and_sends_nothing(untrained_copy, monkeypatch) -> None:
    folder = edited(untrained_copy.onnx.directory, put("trained", value=True))
    done = CliRunner().invoke(app, ["push", str(folder), "--device", "local"])
    assert done.exit_code == 4 and done.stdout == "" and "its trained is True" in done.stderr
    assert "Export its checkpoint again" in done.stderr


RECORDS = [
    (put("trained", value=True), "has no recipe"),
    (put("accuracy", value=0.5), "it has an accuracy and is untrained"),
    (put("std", value=[1, 1]), "2 deviations for 3 channels"),
    (put("mean", value=[1, 1, 1, 1]), "4 means"),
    (put("epochs", value=3), "has a recipe and is untrained"),
]


@pytest.mark.parametrize("edit, words", RECORDS)
def test_a_record_changed_by_hand_is_not_exported(untrained_copy, tmp_path, edit, words) -> None:
    edited(untrained_copy.checkpoint, edit, "checkpoint.json")
    load_checkpoint(untrained_copy.checkpoint)  # valid by itself
    with pytest.raises(VerificationFailed) as caught:
        export_checkpoint(untrained_copy.checkpoint, tmp_path / "out", "onnx")
    assert words in caught.value.message and not (tmp_path / "out").exists()


def test_a_record_of_a_training_that_never_was_is_known_by_the_weights(untrained_copy, tmp_path) -> None:
    recipe = {"epochs": 3, "seed": 0}

    def edit(table: dict[str, Any]) -> None:
        table |= {"trained": True, "recipe": recipe, "epochs": 3, "epoch": 3, "data": DIGITS, "accuracy": 0.98}

    edited(untrained_copy.checkpoint, edit, "checkpoint.json")
    with pytest.raises(VerificationFailed, match="those of the untrained network of its seed"):
        export_checkpoint(untrained_copy.checkpoint, tmp_path / "out", "torch")


def test_the_numbers_are_those_of_the_proof() -> None:
    assert recheck.TOLERANCE == reference.TOLERANCE and recheck.ROUNDINGS == reference.ROUNDINGS
    assert recheck.ON_A_DEVICE == parity.ON_A_DEVICE
