"""The forms in which people have checkpoints: what is read, with which note; what is refused, with which way out."""

import argparse
import collections
import copy
import datetime
import gzip
import pathlib
import pickle
import tarfile
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.training.checkpoint import initialise_checkpoint, load_model, save_checkpoint
from groupnl_deploy.training.imports import Imported, import_weights
from groupnl_deploy.training.preparation import ImageOptions

STATE = dict[str, torch.Tensor]
SPEC = model_spec("resnet18_cifar", width=0.125)
IMAGES = ImageOptions((0.5,), (0.5,))


def network(seed: int = 5) -> nn.Module:
    torch.manual_seed(seed)
    model = create_model(SPEC)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 1.5)
    return model


@pytest.fixture(scope="module")
def state() -> STATE:
    return network().state_dict()


def imported(path: Path, content: Any, **options: Any) -> Imported:
    torch.save(content, path)
    return import_weights(path, SPEC, path.with_name("net"), images=IMAGES, **options)


def refused(path: Path, **options: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        import_weights(path, SPEC, path.with_name("net"), images=IMAGES, **options)
    assert not path.with_name("net").exists()
    assert caught.value.remedy
    return caught.value


def require_same(folder: Path, state: STATE) -> None:
    loaded = load_model(folder)[1].state_dict()
    assert loaded.keys() == state.keys() and all(torch.equal(loaded[key], state[key]) for key in state)


def before(prefix: str, state: STATE) -> STATE:
    return {prefix + key: value for key, value in state.items()}


def other(state: STATE) -> STATE:
    return {key: value + 1 for key, value in state.items()}


def counted_by_thop(state: STATE) -> STATE:
    modules = {key.rpartition(".")[0] for key in state} | {""}
    extra = {f"{name}.total_{what}".lstrip("."): torch.zeros(1) for name in modules for what in ("ops", "params")}
    return state | extra


def averaged(state: STATE) -> STATE:
    model = network(7)
    model.load_state_dict(state)
    average = torch.optim.swa_utils.AveragedModel(model)
    average.update_parameters(model)
    return average.state_dict()


LOSSES = {
    "criterion.weight": torch.ones(10),
    "val_acc.correct": torch.zeros(1),
    "train_loss.mean_value": torch.zeros(1),
}
READ: dict[str, tuple[Callable[[STATE], Any], str]] = {
    "lightning": (lambda state: lightning(before("model.", state)), "“model.”"),
    "lightning, compiled": (lambda state: lightning(before("model._orig_mod.", state)), "“model._orig_mod.”"),
    "lightning with a criterion": (lambda state: lightning(before("model.", state) | LOSSES), "criterion"),
    "lightning, another attribute": (lambda state: lightning(before("backbone.", state) | LOSSES), "“backbone.”"),
    "a criterion beside a bare network": (lambda state: state | LOSSES, "criterion"),
    "net": (lambda state: {"net": state, "acc": 93.1, "epoch": 7}, ""),
    "model_state_dict": (lambda state: {"model_state_dict": state, "loss": torch.tensor(0.3)}, ""),
    "nested": (lambda state: {"run": {"best": {"weights": state}}, "config": {"lr": 1}}, "“run.best.weights”"),
    "AveragedModel": (averaged, "AveragedModel"),
    "thop": (counted_by_thop, "thop"),
    "model_ema beside it": (lambda state: {"model": state, "model_ema": other(state)}, "--ema"),
    "a backbone of another's beside it": (lambda state: {"model": state, "teacher": other(state)}, "teacher"),
    "a path": (lambda state: {"state_dict": state, "args": argparse.Namespace(out=pathlib.Path("a/b"))}, ""),
    "moments": (lambda state: {"state_dict": state, "at": [datetime.datetime.now(datetime.UTC), SPAN, DAY]}, ""),
    "a defaultdict": (lambda state: {"state_dict": state, "history": counts()}, ""),
    "a namespace": (lambda state: {"state_dict": state, "options": types.SimpleNamespace(lr=0.1, sizes={1, 2})}, ""),
    "numbers of NumPy's": (lambda state: {"state_dict": state, "acc": np.float32(3), "at": np.int64(3)}, ""),
    "plain objects of PyTorch's": (lambda state: {"state_dict": state, "x": (torch.Size((1,)), torch.float16, 2j)}, ""),
    "arrays": (lambda state: {key: value.numpy() for key, value in state.items()}, ""),
    "parameters": (lambda state: {key: nn.Parameter(value, False) for key, value in state.items()}, ""),
    "optimizer and schedule": (lambda state: training(state, lambda it: it.state_dict()), ""),
    "optimizer and schedule as objects": (lambda state: training(state, lambda it: it), ""),
}
SPAN, DAY = datetime.timedelta(hours=1), datetime.date(2026, 1, 1)


def lightning(state: STATE) -> dict[str, Any]:
    content: dict[str, Any] = {"epoch": 3, "global_step": 99, "pytorch-lightning_version": "2.4.0", "state_dict": state}
    content |= {"loops": {"fit_loop": {"state_dict": {}}}, "callbacks": {"EarlyStopping": {"best": torch.tensor(1.0)}}}
    content |= {
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}}],
        "lr_schedulers": [],
        "MixedPrecision": {},
    }
    return content | {"hparams_name": "kwargs", "hyper_parameters": {"lr": 0.1, "path": pathlib.Path("x")}}


def counts() -> Any:
    history = collections.defaultdict(list, {"loss": [1.0]})
    others = [
        collections.defaultdict(kind) for kind in (int, str, float, set, dict)
    ]  # protocol 2 has old names of some
    return [
        history,
        *others,
        range(3),
        collections.Counter("aab"),
        collections.deque([1], 3),
        collections.OrderedDict(a=1),
    ]


def training(state: STATE, kept: Callable[[Any], Any]) -> dict[str, Any]:
    layer = nn.Linear(2, 3)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 3])
    return {"state_dict": state, "optimizer": kept(optimizer), "scheduler": kept(schedule)}


@pytest.mark.parametrize("form", READ)
def test_a_form_that_is_read(tmp_path, state, form):
    make, note = READ[form]
    made = imported(tmp_path / "a.pth", make(state))
    require_same(tmp_path / "net", state)
    assert note in "; ".join(made.notes), made.notes
    assert bool(made.notes) == bool(note), made.notes


PICKED: dict[str, tuple[Callable[[STATE, STATE], Any], dict[str, Any]]] = {
    "teacher": (lambda one, two: {"student": one, "teacher": two}, {"take": "teacher"}),
    "teacher within": (lambda one, two: {"nets": {"student": one, "teacher": two}}, {"take": "nets.teacher"}),
    "teacher by its last word": (lambda one, two: {"nets": {"student": one, "teacher": two}}, {"take": "teacher"}),
    "teacher by prefix": (lambda one, two: before("student.", one) | before("teacher.", two), {"take": "teacher"}),
    "model_ema": (lambda one, two: {"model": one, "model_ema": two}, {"ema": True}),
    "model_ema by name": (lambda one, two: {"model": one, "model_ema": two}, {"take": "model_ema"}),
    "ema": (lambda one, two: {"net": one, "ema": {"module": two, "decay": 0.99}}, {"ema": True}),
    "ema_state_dict": (lambda one, two: {"state_dict": one, "ema_state_dict": two}, {"ema": True}),
    "ema in one state dict": (
        lambda one, two: {"state_dict": before("model.", one) | before("ema_model.module.", two)},
        {"ema": True},
    ),
}


@pytest.mark.parametrize("case", PICKED)
def test_one_of_several_by_its_name(tmp_path, state, case):
    make, options = PICKED[case]
    made = imported(tmp_path / "a.pth", make(state, other(state)), **options)
    require_same(tmp_path / "net", other(state))
    origin = made.checkpoint.imported
    assert origin is not None and origin.weights == ("ema" if "ema" in case else "raw")


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda one, two: {"student": one, "teacher": two}, "student, teacher"),
        (lambda one, two: {"runs": {"a": one, "b": two}}, "runs.a, runs.b"),
        (lambda one, two: {"state_dict": before("student.", one) | before("teacher.", two)}, "student, teacher"),
    ],
)
def test_several_are_named_and_the_remedy_takes_one(tmp_path, state, make, names):
    torch.save(make(state, other(state)), tmp_path / "a.pth")
    error = refused(tmp_path / "a.pth")
    assert names in error.message
    take = error.remedy.rstrip(".").rpartition(" ")[2]
    import_weights(tmp_path / "a.pth", SPEC, tmp_path / "net", images=IMAGES, take=take)
    require_same(tmp_path / "net", state)


def test_a_name_that_is_not_there_is_answered_with_those_that_are(tmp_path, state):
    torch.save({"student": state, "teacher": state}, tmp_path / "a.pth")
    error = refused(tmp_path / "a.pth", take="tutor")
    assert "student, teacher" in error.message and "--take student" in error.remedy
    torch.save(state, tmp_path / "a.pth")
    assert "bare state dict" in refused(tmp_path / "a.pth", take="x").message


def pruned() -> nn.Module:
    model = network()
    prune.l1_unstructured(model.conv1, "weight", 0.5)
    return model


def spectral() -> nn.Module:
    model = network()
    nn.utils.spectral_norm(model.conv1)
    return model


def weight_normed() -> nn.Module:
    model = network()
    parametrizations.weight_norm(model.conv1)
    return model


def old_weight_normed(state: STATE) -> STATE:
    weight = state["conv1.weight"]
    norm = weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    rest = {key: value for key, value in state.items() if key != "conv1.weight"}
    return rest | {"conv1.weight_g": norm, "conv1.weight_v": weight}


def mmpretrain(state: STATE) -> STATE:
    return {("head." if key.startswith("fc.") else "backbone.") + key: value for key, value in state.items()}


def headless(state: STATE) -> STATE:
    return {key: value for key, value in state.items() if not key.startswith("fc.")}


def optimizer_alone(state: STATE) -> Any:
    return training(state, lambda it: it.state_dict())["optimizer"]


def quantized(state: STATE) -> torch.Tensor:
    return torch.quantize_per_tensor(state["conv1.weight"], 0.1, 0, torch.qint8)


def deepspeed(state: STATE) -> dict[str, Any]:
    return {"module": {key: torch.empty(0) for key in state}, "ds_version": "0.15.1", "param_shapes": []}


def negative(state: STATE) -> STATE:
    changed = copy.deepcopy(state)
    changed["layer1.0.bn1.running_var"][0] = -1
    return changed


REFUSED: dict[str, tuple[Callable[[STATE], Any], str, str]] = {
    "pruned": (lambda state: pruned().state_dict(), "pruned", "prune.remove"),
    "weight norm": (lambda state: weight_normed().state_dict(), "parametrised", "remove_parametrizations"),
    "old weight norm": (old_weight_normed, "weight_norm", "remove_weight_norm"),
    "spectral norm": (lambda state: spectral().state_dict(), "spectral_norm", "remove_spectral_norm"),
    "mmpretrain": (mmpretrain, "“backbone.”", "removeprefix('backbone.').replace('head.fc.', 'fc.')"),
    "headless": (headless, "without its classifier: fc.weight, fc.bias", "groupnl train --init"),
    "headless under a prefix": (lambda state: before("encoder.", headless(state)), "without its classifier", "--init"),
    "an optimizer alone": (
        lambda state: training(state, lambda it: it.state_dict())["optimizer"],
        "optimizer",
        "beside",
    ),
    "a whole model": (lambda state: network(), "whole network", "state_dict()"),
    "a whole model under a key": (
        lambda state: {"model": nn.Sequential(nn.Linear(2, 3))},
        "whole network",
        "state_dict()",
    ),
    "quantized": (
        lambda state: state | {"conv1.scale": torch.ones(1), "conv1.zero_point": torch.ones(1)},
        "quantized",
        "--onnx",
    ),
    "a quantized tensor": (lambda state: state | {"conv1.weight": quantized(state)}, "no ordinary floats", "quantized"),
    "an average alone": (lambda state: {"model_ema": state}, "moving average of the weights alone", "--ema"),
    "pieces of DeepSpeed's": (deepspeed, "pieces", "zero_to_fp32"),
    "negative variance": (negative, "layer1.0.bn1.running_var", "before that"),
}


@pytest.mark.parametrize("form", REFUSED)
@pytest.mark.filterwarnings("ignore")
def test_a_form_that_is_refused_with_its_way_out(tmp_path, state, form):
    make, message, remedy = REFUSED[form]
    torch.save(make(state), tmp_path / "a.pth")
    error = refused(tmp_path / "a.pth")
    assert message in error.message and remedy in error.remedy, (error.message, error.remedy)


@pytest.mark.filterwarnings("ignore")
def test_the_remedies_for_weights_in_another_form_work(tmp_path, state):
    """What each refusal says to do there, done."""
    one, two, three = pruned(), weight_normed(), spectral()
    prune.remove(one.conv1, "weight")
    nn.utils.parametrize.remove_parametrizations(two.conv1, "weight")
    nn.utils.remove_spectral_norm(three.conv1)
    for index, model in enumerate((one, two, three)):
        torch.save(model.state_dict(), tmp_path / "a.pth")
        import_weights(tmp_path / "a.pth", SPEC, tmp_path / f"net{index}", images=IMAGES)


def test_the_line_for_a_prefix_and_a_head_works(tmp_path, state):
    torch.save(mmpretrain(state), tmp_path / "a.pth")
    line = refused(tmp_path / "a.pth").remedy.partition(", as ")[2].rstrip(".")
    assert line == "{key.removeprefix('backbone.').replace('head.fc.', 'fc.'): value for key, value in state.items()}"
    given = mmpretrain(state)
    renamed = {key.removeprefix("backbone.").replace("head.fc.", "fc."): value for key, value in given.items()}
    imported(tmp_path / "b.pth", renamed)
    require_same(tmp_path / "net", state)


def test_zeros_for_a_classifier_go_on(tmp_path, state):
    torch.save(headless(state), tmp_path / "a.pth")
    remedy = refused(tmp_path / "a.pth").remedy
    assert "state['fc.weight'] = torch.zeros(10, 64) and state['fc.bias'] = torch.zeros(10)" in remedy
    zeros = {"fc.weight": torch.zeros(10, 64), "fc.bias": torch.zeros(10)}
    imported(tmp_path / "b.pth", headless(state) | zeros)


@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.filterwarnings("ignore")
def test_a_later_pickle_protocol_is_named(tmp_path, state, protocol, zipped):
    torch.save(state, tmp_path / "a.pth", pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    error = refused(tmp_path / "a.pth")
    assert f"was saved with pickle protocol {protocol}" in error.message and "torch.save's own" in error.remedy


def test_protocol_three_is_read(tmp_path, state):
    torch.save(state, tmp_path / "a.pth", pickle_protocol=3)
    import_weights(tmp_path / "a.pth", SPEC, tmp_path / "net", images=IMAGES)
    require_same(tmp_path / "net", state)


FILES: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"", "is empty", "again"),
    "a web page": (b"\n<!DOCTYPE html><html><head>", "is a web page", "Download the file itself"),
    "a pointer of git's": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS", "git lfs pull"),
    "gzip": (gzip.compress(b"abc"), "gzip", "gunzip"),
    "xz": (b"\xfd7zXZ\0\0", "compressed archive", "Unpack"),
    "HDF5": (b"\x89HDF\r\n\x1a\n\0\0\0\0", "HDF5", "groupnl export --onnx"),
    "TensorFlow Lite": (b"\x1c\0\0\0TFL3\x14\0\x20\0", "TensorFlow Lite", "groupnl export --onnx"),
    "ONNX": (b"\x08\x07\x12\x07pytorch\x1a\x051.9", "ONNX", "groupnl export --onnx"),
    "JSON": (b'{"architecture": "resnet50"}', "JSON", "torch.save"),
    "an array": (b"\x93NUMPY\x01\x00", "NumPy array", "torch.save"),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_of_something_else_is_called_what_it_is(tmp_path, what):
    data, message, remedy = FILES[what]
    (tmp_path / "a.pth").write_bytes(data)
    error = refused(tmp_path / "a.pth")
    assert message in error.message and remedy in error.remedy


def test_archives_of_something_else_are_called_what_they_are(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("cat.jpg", b"")
    assert "cat.jpg" in refused(tmp_path / "a.pth").message
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("model.weights.h5", b"")
    assert "Keras" in refused(tmp_path / "a.pth").message
    with tarfile.open(tmp_path / "a.pth", "w") as tar:
        tar.add(__file__)
    assert "tar archive" in refused(tmp_path / "a.pth").message


def repacked(path: Path, compression: int, order: bytes = b"little") -> None:
    """The file's parts in a new zip."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(name, order if name.endswith("byteorder") else data)


def test_a_file_that_was_packed_again_is_read_without_compression_alone(tmp_path, state):
    torch.save(state, tmp_path / "a.pth")
    repacked(tmp_path / "a.pth", zipfile.ZIP_DEFLATED)
    error = refused(tmp_path / "a.pth")
    assert "compressed" in error.message and "zip -0 -r" in error.remedy
    repacked(tmp_path / "a.pth", zipfile.ZIP_STORED, b"big")
    assert "byte order" in refused(tmp_path / "a.pth").message
    repacked(tmp_path / "a.pth", zipfile.ZIP_STORED)
    import_weights(tmp_path / "a.pth", SPEC, tmp_path / "net", images=IMAGES)
    require_same(tmp_path / "net", state)


def test_arrays_that_pickle_itself_wrote_are_read(tmp_path, state):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({key: value.numpy() for key, value in state.items()}, 2))
    import_weights(tmp_path / "a.pkl", SPEC, tmp_path / "net", images=IMAGES)
    require_same(tmp_path / "net", state)


def test_a_checkpoint_of_our_own_is_pointed_at(tmp_path):
    save_checkpoint(tmp_path / "ours", *initialise_checkpoint(SPEC))
    for path in (tmp_path / "ours" / "model.safetensors", tmp_path / "ours"):
        with pytest.raises(UsageError, match="is a checkpoint of groupnl already") as caught:
            import_weights(path, SPEC, tmp_path / "net")
        assert f"groupnl export {tmp_path / 'ours'} --out ARTIFACT" in caught.value.remedy


def test_an_average_beside_safetensors_needs_no_option(tmp_path, state):
    safetensors.torch.save_file(before("module.", state), tmp_path / "a.safetensors")
    import_weights(tmp_path / "a.safetensors", SPEC, tmp_path / "net", images=IMAGES)
    require_same(tmp_path / "net", state)


@pytest.mark.parametrize(("alias", "ratio"), [("gnl_std_r2_resnet50", 2), ("gnl_std_r4_resnet101", 4)])
def test_the_authors_names_of_dense_groupnl(alias, ratio):
    spec = model_spec(alias)
    assert (spec.conv.method, spec.conv.ratio) == ("groupnl", ratio)
    assert spec == model_spec(spec.name, "groupnl", knobs={"ratio": ratio})
    assert model_spec(alias, knobs={"ratio": 8}).conv.ratio == 8
