"""The registry: every entry builds, equal specs give equal bits, wrong names are explained."""

import subprocess
import sys

import pytest
import torch

from groupnl_deploy.models.registry import (
    DuplicateModel,
    UnknownModel,
    create_model,
    list_models,
    register_model,
)
from groupnl_deploy.models.spec import ConvSpec, ModelSpec

NAMES = [entry.name for entry in list_models()]
CONVS = {
    "standard": ConvSpec("standard"),
    "released": ConvSpec.preset("groupnl", "released"),
    "paper": ConvSpec.preset("groupnl", "paper"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("conv", CONVS.values(), ids=CONVS)
def test_every_model_builds_and_trains_one_step(name, conv):
    model = create_model(ModelSpec(name, conv, width=0.25, num_classes=7))
    logits = model(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, 7)
    logits.square().sum().backward()
    learnable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert all(torch.isfinite(parameter.grad).all() for parameter in learnable)


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_decides_every_bit_and_the_callers_random_state_is_untouched(name):
    spec = ModelSpec(name, CONVS["paper"], width=0.25, seed=5)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = create_model(spec).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    second = create_model(spec).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_another_seed_gives_other_weights_and_hyper_parameters():
    states = [
        create_model(ModelSpec("resnet18_cifar", CONVS["released"], width=0.25, seed=seed)).state_dict()
        for seed in (0, 1)
    ]
    for key in ("conv1.weight", "layer1.0.conv1.periods", "layer1.0.conv1.shifts"):
        assert not torch.equal(states[0][key], states[1][key])


def test_entries_have_a_summary_and_are_sorted():
    assert sorted(NAMES) == NAMES
    assert all(entry.summary for entry in list_models())


def test_an_unknown_name_lists_the_known_and_the_nearest():
    with pytest.raises(UnknownModel, match=r"resnet81_cifar.*known models: .*did you mean “resnet18_cifar”"):
        create_model(ModelSpec("resnet81_cifar", CONVS["standard"]))


def test_a_duplicate_name_is_refused():
    with pytest.raises(DuplicateModel, match="resnet18_cifar"):
        register_model("resnet18_cifar", summary="again")(lambda spec: torch.nn.Identity())


def test_the_models_import_nothing_else_of_the_host():
    code = (
        "import sys; from groupnl_deploy.models import registry; registry.list_models();"
        "print(sorted(m for m in sys.modules if m.startswith(('groupnl_deploy.', 'device_agent'))))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "groupnl_deploy.models.resnet" in loaded
    assert "groupnl_deploy.errors" not in loaded
    assert "groupnl_deploy.training" not in loaded
