"""Torchvision's MobileNets and EfficientNetV2: its keys become ours, and the answers stay its own."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.training.checkpoint import load_model
from groupnl_deploy.training.foreign.torchvision import NETWORKS, translated
from groupnl_deploy.training.imports import import_weights
from groupnl_deploy.training.preparation import ImageOptions
from groupnl_deploy.training.resemblance import outline, shapes_of

DATA = Path(__file__).parents[1] / "data"
REFERENCE: dict[str, Any] = json.loads((DATA / "torchvision_reference.json").read_text())
SYNTH = runpy.run_path(str(DATA / "synth_weights.py"))


def weights(shapes: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    made = {key: torch.from_numpy(value) for key, value in SYNTH["synth_state_dict"](shapes).items()}
    return {key: value * REFERENCE["damping"] if value.ndim > 1 else value for key, value in made.items()}


@pytest.mark.parametrize(
    "name",
    [
        "mobilenetv3_large_100",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("mobilenetv2_100", "efficientnetv2_s")),
    ],
)
def test_an_imported_network_answers_as_torchvisions_own(tmp_path, name):
    expected = REFERENCE["networks"][name]
    state = {f"module.{key}": value for key, value in weights(expected["shapes"]).items()}
    torch.save({"model": state, "epoch": 3}, tmp_path / "a.pth")
    images = ImageOptions((0.5,), (0.5,))
    made = import_weights(tmp_path / "a.pth", model_spec(name), tmp_path / "net", images=images)
    assert made.checkpoint.spec.bn_eps == NETWORKS[name][1]
    assert any(f"torchvision's of {NETWORKS[name][0]}" in note for note in made.notes)
    assert not any("could also be" in sentence for sentence in made.checkpoint.assumed)
    model = load_model(tmp_path / "net")[1]
    with torch.inference_mode():
        logits = model(torch.from_numpy(SYNTH["synth_input"](REFERENCE["pixels"])))[0]
    assert (logits[:16] - torch.tensor(expected["logits"])).abs().max() < 1e-4 * expected["std"]
    assert int(logits.argmax()) == expected["argmax"]


def test_the_order_of_keys_in_the_file_means_nothing():
    shapes = REFERENCE["networks"]["mobilenetv2_100"]["shapes"]
    state = {key: torch.zeros(()).expand(shape) for key, shape in shapes.items()}
    wanted = outline(model_spec("mobilenetv2_100"))[0]
    assert translated(state, wanted).keys() == translated(dict(reversed(state.items())), wanted).keys()


@pytest.mark.parametrize("theirs", sorted(REFERENCE["others"]))
def test_another_network_of_torchvisions_is_refused(tmp_path, theirs):
    state = {key: torch.zeros(()).expand(shape) for key, shape in REFERENCE["others"][theirs].items()}
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(UsageError) as caught:
        import_weights(tmp_path / "a.pth", model_spec("mobilenetv3_large_100"), tmp_path / "net")
    assert "has torchvision's keys" in caught.value.message
    assert "mobilenetv2_100, mobilenetv3_large_100, efficientnetv2_s" in caught.value.remedy


def test_a_network_that_pads_otherwise_is_refused_by_name(tmp_path):
    shapes = REFERENCE["networks"]["mobilenetv3_large_100"]["shapes"]
    torch.save({key: torch.zeros(()).expand(shape) for key, shape in shapes.items()}, tmp_path / "a.pth")
    with pytest.raises(UsageError) as caught:
        import_weights(tmp_path / "a.pth", model_spec("tf_mobilenetv3_large_100"), tmp_path / "net")
    assert "--model mobilenetv3_large_100" in caught.value.remedy


def test_one_without_its_classifier_is_called_so(tmp_path):
    shapes = REFERENCE["networks"]["mobilenetv2_100"]["shapes"]
    state = {key: torch.zeros(()).expand(shape) for key, shape in shapes.items() if "classifier" not in key}
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(UsageError, match=r"without its classifier: classifier.weight, classifier.bias"):
        import_weights(tmp_path / "a.pth", model_spec("mobilenetv2_100"), tmp_path / "net")


def test_groupnl_within_torchvisions_names_is_read(tmp_path):
    spec = model_spec("mobilenetv2_100", "groupnl-sparse", width=0.25, num_classes=3)
    own = create_model(spec).state_dict()
    plain = outline(model_spec("mobilenetv2_100"))[0]
    names = {ours: theirs for theirs, ours in _pairs(plain).items()}
    state = {_theirs(key, names): tensor for key, tensor in own.items()}
    assert state.keys() != own.keys()
    torch.save(state, tmp_path / "a.pth")
    kept = import_weights(tmp_path / "a.pth", spec, tmp_path / "net").checkpoint
    loaded = load_model(tmp_path / "net")[1].state_dict()
    assert kept.spec == spec and all(torch.equal(loaded[key], own[key]) for key in own)


def _pairs(wanted: Any) -> dict[str, str]:
    """Torchvision's layer → ours, of MobileNetV2."""
    shapes = REFERENCE["networks"]["mobilenetv2_100"]["shapes"]
    state = {key: torch.full((), float(index)).expand(shape) for index, (key, shape) in enumerate(shapes.items())}
    ours = {int(value.flatten()[0]): key for key, value in translated(state, wanted).items() if value.numel()}
    theirs = list(state)
    return {theirs[index].rpartition(".")[0]: key.rpartition(".")[0] for index, key in ours.items()}


def _theirs(key: str, names: dict[str, str]) -> str:
    layer = max((name for name in names if key.startswith(f"{name}.")), key=len)
    return names[layer] + key[len(layer) :]


def test_shapes_are_those_that_torchvision_saves():
    for name in NETWORKS:
        state = {key: torch.zeros(()).expand(shape) for key, shape in REFERENCE["networks"][name]["shapes"].items()}
        wanted = outline(model_spec(name))[0]
        assert shapes_of(translated(state, wanted)).items() >= wanted.items()
