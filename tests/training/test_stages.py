"""A network's stages: what they are, what is frozen up to one, how fast each learns."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler

from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.sgd import Sgd
from groupnl_deploy.training.stages import freeze_up_to, head_of, learning_factors, stages_of


def network(name, otherwise="standard"):
    return create_model(replace(model_spec(name, otherwise=otherwise), width=0.25))


@pytest.mark.parametrize("otherwise", ["standard", "groupnl"])
def test_the_stages_of_each_family(otherwise):
    assert stages_of(network("resnet18_cifar", otherwise)) == ("conv1", "layer1", "layer2", "layer3", "layer4", "fc")
    blocks = tuple(f"blocks.{index}" for index in range(7))
    assert stages_of(network("mobilenetv3_large_100", otherwise)) == ("conv_stem", *blocks, "conv_head", "classifier")
    vgg = stages_of(network("vgg11_cifar", otherwise))
    assert vgg[0] == "features.0" and vgg[-1] == "classifier" and len(vgg) == 9


def test_the_stages_of_a_plain_row_of_layers():
    row = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(4, 2)
    )
    assert stages_of(row) == ("0", "3", "5")
    assert stages_of(nn.Sequential(row)) == ("0.0", "0.3", "0.5")


def test_the_head_is_the_last_linear_layer_with_an_output_for_each_class():
    assert head_of(network("resnet18_cifar"), 10) == "fc"
    aside = nn.ModuleDict({"gate": nn.Linear(2, 2), "out": nn.Linear(4, 10), "aux": nn.Linear(4, 3)})
    assert head_of(aside, 10) == "out"
    assert head_of(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 10, 1)), 10) == "1"
    with pytest.raises(UsageError, match="no linear layer with 7 outputs"):
        head_of(aside, 7)


def test_the_rate_falls_by_a_factor_a_stage():
    factors = learning_factors(network("resnet18_cifar"), 0.5)
    expected = {
        "conv1.weight": 1 / 32,
        "bn1.weight": 1 / 32,
        "layer1.0.bn1.bias": 1 / 16,
        "layer4.1.conv2.weight": 1 / 2,
    }
    assert {name: factors[name] for name in expected} == expected
    assert factors["fc.weight"] == factors["fc.bias"] == 1


def test_an_optimiser_step_follows_the_factors_and_leaves_vectors_without_decay():
    weight, vector = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    recipe = Recipe(momentum=0, weight_decay=0.5, clip_norm=None, decay_vectors=False)
    optimiser = Sgd({"weight": weight, "vector": vector}, recipe, {"weight": 0.1, "vector": 0.5})
    weight.grad, vector.grad = torch.ones(2, 2), torch.ones(2)
    optimiser.step(0.2, GradScaler(enabled=False))
    assert torch.allclose(weight, torch.tensor(1 - 0.2 * 0.1 * 1.5))
    assert torch.allclose(vector, torch.tensor(1 - 0.2 * 0.5))


@pytest.mark.parametrize(
    ("place", "learned"),
    [
        ("conv1", "layer1.0.conv1.weight"),  # the stem's BatchNorm belongs to it
        ("layer2", "layer3.0.conv1.weight"),
        ("layer3.0.conv1", "layer3.0.bn1.weight"),
        ("layer4", "fc.weight"),
    ],
)
def test_nothing_is_learned_up_to_a_place(place, learned):
    model = network("resnet18_cifar")
    frozen = freeze_up_to(model, place)
    assert next(name for name, parameter in model.named_parameters() if parameter.requires_grad) == learned
    quiet = {name for name, module in model.named_modules() if any(module is one for one in frozen)}
    norms = {name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)}
    still = {name for name in norms if not model.get_parameter(f"{name}.weight").requires_grad}
    assert quiet & norms == still
    assert "" not in quiet


@pytest.mark.parametrize(
    ("place", "text", "remedy"),
    [
        ("layr2", "no stage “layr2”; its stages are conv1, layer1", "Did you mean “layer2”"),
        ("", "no stage “”", "Choose one of these"),
        ("fc", "nothing left to learn", "layer4"),
    ],
)
def test_a_place_that_cannot_be_frozen_up_to_is_refused(place, text, remedy):
    with pytest.raises(UsageError, match=text) as caught:
        freeze_up_to(network("resnet18_cifar"), place)
    assert remedy in caught.value.remedy


def test_what_is_frozen_keeps_its_weights_and_statistics_bit_for_bit(thin_spec, few_digits):
    recipe = Recipe(epochs=1, weight_decay=0.1, freeze="features.8", seed=4)
    before = create_model(thin_spec).state_dict()
    result = train(thin_spec, recipe, few_digits, lambda progress: None)
    after = result.model.state_dict()
    frozen = tuple(f"features.{index}." for index in range(11))
    kept = {key for key in before if torch.equal(before[key], after[key])}
    assert {key for key in before if key.startswith(frozen)} <= kept
    assert not {"features.12.weight", "features.12.running_mean", "classifier.weight"} & kept
    assert not any(
        key.removeprefix("momentum.").startswith(frozen) for key in result.state.tensors if "momentum." in key
    )
