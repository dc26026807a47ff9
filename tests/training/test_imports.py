"""Files of other programs: what is taken from them, what is refused and how, and that nothing in them runs."""

import argparse
import fractions
import itertools
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from groupnl_deploy.errors import GroupNLError, UsageError, VerificationFailed
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.models.sketch import sketch
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training import checkpoint as checkpoint_module
from groupnl_deploy.training.checkpoint import ImportedFrom, initialise_checkpoint, load_model, save_checkpoint
from groupnl_deploy.training.foreign import read_foreign
from groupnl_deploy.training.imports import import_weights
from groupnl_deploy.workspace import file_sha256

STATE = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return model_spec("resnet18_cifar", "groupnl", width=0.125)


@pytest.fixture(scope="module")
def state(spec: ModelSpec) -> STATE:
    """Of a network with other weights and hyper-parameters than a fresh one has."""
    return create_model(replace(spec, seed=5)).state_dict()


def timm_checkpoint(state: STATE, **changes: Any) -> dict[str, Any]:
    """As timm's CheckpointSaver writes it."""
    weight = torch.nn.Parameter(torch.ones(3, 2))
    optimizer = torch.optim.AdamW([weight])
    weight.sum().backward()
    optimizer.step()
    options = argparse.Namespace(model="gnl_resnet50", lr=1e-3, opt_betas=None, scale=[0.08, 1.0], amp=True)
    known = {"epoch": 299, "arch": "gnl_resnet50", "state_dict": state, "optimizer": optimizer.state_dict()}
    return known | {"version": 2, "args": options, "amp_scaler": {"scale": 65536.0}, "metric": 76.5} | changes


def refusal(path: Path, spec: ModelSpec, kind: type[GroupNLError] = UsageError, **options: Any) -> GroupNLError:
    """The error of an import, which must leave nothing behind."""
    before = sorted(entry.name for entry in path.parent.iterdir()) if path.parent.exists() else []
    with pytest.raises(kind) as caught:
        import_weights(path, spec, path.parent / "net", **options)
    assert sorted(entry.name for entry in path.parent.iterdir()) == before
    assert caught.value.remedy
    return caught.value


def equal(first: STATE, second: STATE) -> bool:
    return first.keys() == second.keys() and all(torch.equal(tensor, second[key]) for key, tensor in first.items())


def save(path: Path, content: Any, format: str) -> None:
    if format == "safetensors":
        safetensors.torch.save_file(content, path)
    else:
        torch.save(content, path, _use_new_zipfile_serialization=format == "zip")


@pytest.mark.parametrize("format", ["zip", "legacy"])
def test_a_training_checkpoint_becomes_a_checkpoint_folder(tmp_path, spec, state, format):
    path = tmp_path / "last.pth.tar"
    save(path, timm_checkpoint(state), format)
    imported = import_weights(path, spec, tmp_path / "net")
    checkpoint, model = load_model(tmp_path / "net")
    assert checkpoint == imported.checkpoint
    assert equal(model.state_dict(), state)
    assert (checkpoint.trained, checkpoint.accuracy, checkpoint.data) == (True, None, None)
    assert (checkpoint.mean, checkpoint.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert checkpoint.imported == ImportedFrom(
        file="last.pth.tar",
        sha256=file_sha256(path),
        weights="raw",
        key="state_dict",
        arch="gnl_resnet50",
        epoch=299,
        metric=76.5,
    )
    assert imported.notes == (f"the file calls its network “gnl_resnet50”; its keys fit {spec.label}",)


def contents():
    """In `make test` each form lies under one name, two of them under another's."""
    misleading = {"zip": "model.safetensors", "legacy": "model", "safetensors": "model.pt"}
    for format, name in itertools.product(misleading, ("model.pt", "model.safetensors", "model")):
        yield pytest.param(format, name, marks=[] if misleading[format] == name else pytest.mark.slow)


@pytest.mark.parametrize(("format", "name"), list(contents()))
def test_the_content_says_what_a_file_is_and_not_its_name(tmp_path, spec, state, format, name):
    save(tmp_path / name, state, format)
    imported = import_weights(tmp_path / name, spec, tmp_path / "net")
    assert equal(load_model(tmp_path / "net")[1].state_dict(), state)
    assert imported.notes == ()
    origin = imported.checkpoint.imported
    assert origin is not None and (origin.arch, origin.epoch, origin.metric) == (None, None, None)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_prefixes_of_wrappers_are_taken_off(tmp_path, spec, state, prefix):
    torch.save({"model": {prefix + key: tensor for key, tensor in state.items()}}, tmp_path / "a.pth")
    imported = import_weights(tmp_path / "a.pth", spec, tmp_path / "net")
    assert equal(load_model(tmp_path / "net")[1].state_dict(), state)
    assert imported.notes == (f"every key began with “{prefix}”, which was taken off",)


def test_the_moving_average_is_taken_where_asked_for_and_mentioned_where_not(tmp_path, spec, state):
    average = {key: tensor + 1 for key, tensor in state.items()}
    torch.save(timm_checkpoint(state, arch=None, state_dict_ema=average), tmp_path / "a.pth")
    raw = import_weights(tmp_path / "a.pth", spec, tmp_path / "raw")
    ema = import_weights(tmp_path / "a.pth", spec, tmp_path / "ema", ema=True)
    assert equal(load_model(tmp_path / "raw")[1].state_dict(), state)
    assert equal(load_model(tmp_path / "ema")[1].state_dict(), average)
    assert [one.checkpoint.imported.weights for one in (raw, ema)] == ["raw", "ema"]
    assert "--ema" in raw.notes[0] and ema.notes == ()


def test_asking_for_an_average_that_is_not_there_says_what_is(tmp_path, spec, state):
    torch.save(timm_checkpoint(state), tmp_path / "a.pth")
    error = refusal(tmp_path / "a.pth", spec, ema=True)
    assert "state_dict_ema" in error.message and "epoch, arch, state_dict, optimizer" in error.message
    torch.save(state, tmp_path / "a.pth")
    assert f"a bare state dict of {len(state)} tensors" in refusal(tmp_path / "a.pth", spec, ema=True).message


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_numpy_number_as_the_metric_is_read_without_numpy(tmp_path, spec, state, kind):
    torch.save(timm_checkpoint(state, metric=kind(76.5)), tmp_path / "a.pth")
    assert read_foreign(tmp_path / "a.pth").origin.metric == 76.5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metric", float("nan")),
        pytest.param("metric", np.int64(3), marks=pytest.mark.slow),
        pytest.param("epoch", True, marks=pytest.mark.slow),
        pytest.param("epoch", -1, marks=pytest.mark.slow),
        ("epoch", 10**40),
        ("arch", "\ud800"),
    ],
)
def test_what_a_file_says_of_itself_is_left_out_where_it_says_nothing(tmp_path, spec, state, field, value):
    torch.save(timm_checkpoint(state, **{field: value}), tmp_path / "a.pth")
    checkpoint = import_weights(tmp_path / "a.pth", spec, tmp_path / "net").checkpoint
    assert getattr(checkpoint.imported, field) is None
    assert load_model(tmp_path / "net")[0] == checkpoint


class Touch:
    """Unpickled by an open unpickler, this creates the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("format", ["zip", "legacy", "plain"])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_file_that_wants_to_run_something_is_refused_by_name_and_does_not_run(
    tmp_path, spec, state, protocol, format
):
    path, touched = tmp_path / "a.pth", tmp_path / "touched"
    content = timm_checkpoint(state, extra=Touch(touched))
    if format == "plain":
        path.write_bytes(pickle.dumps(Touch(touched), protocol))
    else:
        torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=format == "zip")
    error = refusal(path, spec)
    assert f"{os.system.__module__}.system" in error.message and "nothing in the file was executed" in error.message
    assert "save the weights alone" in error.remedy
    assert not touched.exists()


def test_a_harmless_object_that_is_not_on_the_list_is_refused_too(tmp_path, spec, state):
    torch.save(timm_checkpoint(state, args=fractions.Fraction(1, 3)), tmp_path / "a.pth")
    assert "wants fractions.Fraction" in refusal(tmp_path / "a.pth", spec).message
    torch.save(torch.nn.Linear(2, 3), tmp_path / "a.pth")
    assert "torch.nn.modules.linear.Linear" in refusal(tmp_path / "a.pth", spec).message


@pytest.mark.slow
def test_every_kind_of_wrong_key_is_listed_at_once(tmp_path, spec, state):
    wrong = {key: tensor for key, tensor in state.items() if not key.startswith("layer1.0.conv1.")}
    wrong |= {"head.weight": torch.zeros(2), "layer2.0.bn1.bias": torch.zeros(7), "bn1.weight": torch.zeros(())}
    torch.save(wrong, tmp_path / "a.pth")
    error = refusal(tmp_path / "a.pth", spec)
    assert "3 missing (layer1.0.conv1.periods, layer1.0.conv1.shifts, layer1.0.conv1.conv1.weight)" in error.message
    assert "1 unexpected (head.weight)" in error.message
    assert "2 of another shape" in error.message
    assert "layer2.0.bn1.bias 7 instead of 16" in error.message
    assert "bn1.weight a single number instead of 8" in error.message


def test_a_long_list_is_cut_and_says_so(tmp_path, spec):
    torch.save({f"other.{index}": torch.zeros(1) for index in range(50)}, tmp_path / "a.pth")
    error = refusal(tmp_path / "a.pth", spec)
    assert "50 unexpected (other.0, " in error.message and "other.7 and 42 more)" in error.message
    assert "--conv" in error.remedy


@pytest.mark.parametrize(
    ("held", "asked", "words"),
    [
        (("gnl_resnet50", {}), ("resnet50", {}), ["looks like GroupNL", "--model gnl_resnet50."]),
        (("resnet50", {}), ("gnl_resnet50", {}), ["has no hyper-parameters", "--model resnet50."]),
        (("resnet50", {"num_classes": 7}), ("resnet50", {}), ["has 7 classes: give --classes 7"]),
        (("resnet34", {}), ("resnet18", {}), ["--model resnet34."]),
        (("resnet34", {"num_classes": 7}), ("resnet18", {}), ["--model resnet34 --classes 7."]),
        (("resnet18_cifar", {"method": "ghost"}), ("resnet18_cifar", {}), ["--model resnet18_cifar --conv ghost."]),
    ],
)
def test_the_remedy_names_the_network_that_the_file_resembles(tmp_path, held, asked, words):
    shapes = sketch(model_spec(held[0], **held[1])).state_dict()
    # One number stands for all: a small file with the shapes of a large network.
    torch.save({key: torch.zeros(()).expand(tensor.shape) for key, tensor in shapes.items()}, tmp_path / "a.pth")
    error = refusal(tmp_path / "a.pth", model_spec(asked[0], **asked[1]))
    for word in words:
        assert word in error.remedy


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32_with_a_note(tmp_path, spec, state, dtype):
    held = {key: tensor.to(dtype) if tensor.is_floating_point() else tensor for key, tensor in state.items()}
    torch.save(held, tmp_path / "a.pth")
    imported = import_weights(tmp_path / "a.pth", spec, tmp_path / "net")
    loaded = load_model(tmp_path / "net")[1].state_dict()
    assert all(torch.equal(tensor, held[key].to(tensor.dtype)) for key, tensor in loaded.items())
    assert {tensor.dtype for tensor in loaded.values()} == {torch.float32, torch.int64}
    assert imported.notes == (f"weights in {str(dtype).removeprefix('torch.')} became float32",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensor: tensor.fill_(float("nan")), ["NaN or infinite", "bn1.weight"]),
        (lambda tensor: tensor.fill_(float("inf")), ["NaN or infinite", "bn1.weight"]),
        (lambda tensor: tensor.to(torch.int8), ["int8", "bn1.weight"]),
        (lambda tensor: tensor.to_sparse(), ["no ordinary floats", "bn1.weight"]),
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse")
def test_weights_that_are_no_finite_floats_are_refused(tmp_path, spec, state, change, words):
    torch.save(state | {"bn1.weight": change(state["bn1.weight"].clone())}, tmp_path / "a.pth")
    message = refusal(tmp_path / "a.pth", spec).message
    for word in words:
        assert word in message


def test_counters_that_old_files_lack_start_at_zero(tmp_path, spec, state):
    torch.save({key: tensor for key, tensor in state.items() if "num_batches" not in key}, tmp_path / "a.pth")
    imported = import_weights(tmp_path / "a.pth", spec, tmp_path / "net")
    assert "num_batches_tracked" in imported.notes[0]
    loaded = load_model(tmp_path / "net")[1].state_dict()
    assert all(tensor == 0 for key, tensor in loaded.items() if "num_batches" in key)


@pytest.mark.parametrize("format", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, spec, state, format, share):
    path = tmp_path / "a.pth"
    save(path, state, format)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert "damaged" in refusal(path, spec, VerificationFailed).message


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"", "is empty"), (b"hello, this is no model", "neither a file of PyTorch's nor safetensors")],
)
def test_a_file_of_something_else_is_refused(tmp_path, spec, data, text):
    (tmp_path / "a.pth").write_bytes(data)
    assert text in refusal(tmp_path / "a.pth", spec).message


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([torch.zeros(1)], "holds a list"),
        ({}, "the dictionary is empty"),
        ({"weights": [torch.zeros(1)], "epoch": 3}, "no tensors are weights, epoch"),
        ({"state_dict": {"a": 1, "b": torch.zeros(1)}}, "under “state_dict”: no tensors are a"),
        ({"state_dict": {3: torch.zeros(1)}}, "no tensors are 3"),
    ],
)
def test_a_file_without_a_state_dict_is_refused(tmp_path, spec, content, text):
    torch.save(content, tmp_path / "a.pth")
    assert text in refusal(tmp_path / "a.pth", spec).message


@pytest.mark.filterwarnings("ignore:.torch.jit.trace:DeprecationWarning")
def test_torchscript_is_refused(tmp_path, spec):
    torch.jit.trace(torch.nn.Linear(2, 3), torch.zeros(1, 2)).save(tmp_path / "a.pt")
    assert "TorchScript" in refusal(tmp_path / "a.pt", spec).message


def test_a_folder_and_a_missing_file_are_refused(tmp_path, spec):
    (tmp_path / "folder").mkdir()
    assert "is a folder" in refusal(tmp_path / "folder", spec).message
    assert "no such file" in refusal(tmp_path / "nothing.pth", spec).message


def test_an_existing_folder_is_refused_before_the_file_is_read(tmp_path, spec):
    (tmp_path / "net").mkdir()
    assert "exists already" in refusal(tmp_path / "nothing.pth", spec).message


def test_ctrl_c_leaves_nothing(tmp_path, spec, state, monkeypatch):
    torch.save(state, tmp_path / "a.pth")

    def interrupted(path: Path, tensors: STATE) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint_module, "write_tensors", interrupted)
    with pytest.raises(KeyboardInterrupt):
        import_weights(tmp_path / "a.pth", spec, tmp_path / "net")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


def test_records_from_before_imports_are_read_as_they_were(tmp_path, spec):
    save_checkpoint(tmp_path / "net", *initialise_checkpoint(spec))
    path = tmp_path / "net" / "checkpoint.json"
    record = json.loads(path.read_text())
    assert record.pop("imported") is None
    path.write_text(json.dumps(record))
    assert load_model(tmp_path / "net")[0].imported is None
