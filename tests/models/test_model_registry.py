"""The registry: every entry builds, equal specs give equal bits, wrong names are explained."""

import itertools
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from groupnl_deploy.models.methods import CONVOLUTIONS, METHODS
from groupnl_deploy.models.networks import ALIASES, NETWORKS, DuplicateModel, by_name
from groupnl_deploy.models.registry import UnknownModel, create_model, list_models, model_spec
from groupnl_deploy.models.spec import ConvSpec, InvalidSpec, ModelSpec

KINDS = ["vgg11_cifar", "resnet18_cifar", "resnet50_cifar", "mobilenetv2_100"]
NAMES = [entry.name for entry in list_models()]


def small(name, method, semantics="released", **changes):
    """The network at a quarter of its width and the smallest image that every one of its stages survives."""
    pixels = 32 if name.endswith("_cifar") else 64
    size = {"input_shape": (3, pixels, pixels), "num_classes": 7, "width": 0.25}
    return model_spec(name, method, semantics, knobs=dict(METHODS[method].sample), **(size | changes))


def learns(spec):
    """One step forward and backward: finite gradients everywhere, and none for what is fixed."""
    model = create_model(spec)
    logits = model(torch.randn(2, *spec.input_shape))
    assert logits.shape == (2, spec.num_classes)
    logits.square().sum().backward()
    for name, parameter in model.named_parameters():
        fixed = name.rpartition(".")[2] in ("periods", "shifts", "exponents", "scales")
        assert parameter.requires_grad != fixed, name
        assert fixed or torch.isfinite(parameter.grad).all(), name


# Those with TensorFlow's padding differ from their families in that alone: test_same_padding.py.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name.startswith("tf_") else []) for name in NAMES]
)
def test_every_network_learns_with_the_papers_groupnl(name):
    learns(small(name, "groupnl" if name in ("resnet18_cifar", "vgg11_cifar") else "groupnl-sparse"))


def places():
    """In `make test` each method is in two kinds of networks."""
    for (row, name), (column, method) in itertools.product(enumerate([*KINDS, "resnet50"]), enumerate(CONVOLUTIONS)):
        quick = name in KINDS and (row + column) % 2 == 0
        yield pytest.param(name, method, marks=[] if quick else pytest.mark.slow)


@pytest.mark.parametrize(("name", "method"), list(places()))
def test_every_method_has_its_place_in_every_kind_of_network(name, method):
    learns(small(name, method))


# Only GroupNL differs between code and paper.
BOTH_SEMANTICS = [
    (method, semantics)
    for method in CONVOLUTIONS
    for semantics in ("released", "paper")
    if semantics == "released" or METHODS[method].paper is not None
]


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1, 2], ids=["smallest", "twice that"])
@pytest.mark.parametrize("method, semantics", BOTH_SEMANTICS)
@pytest.mark.parametrize("name", NAMES)
def test_the_full_cross_learns(name, method, semantics, scale):
    pixels = scale * (32 if name.endswith("_cifar") else 64)
    learns(small(name, method, semantics=semantics, input_shape=(3, pixels, pixels)))


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [2, 4, 8])
@pytest.mark.parametrize("nl_groups", [1, 2])
@pytest.mark.parametrize("method", ["groupnl", "groupnl-sparse"])
@pytest.mark.parametrize("name", NAMES)
def test_the_full_cross_of_ratios_and_groups_builds(name, method, nl_groups, ratio):
    knobs = {"ratio": ratio, "nl_groups": nl_groups}
    with torch.device("meta"):
        try:
            create_model(model_spec(name, method, knobs=knobs))
        except InvalidSpec as error:  # 72 channels at r = 8 are 9 seeds: no two equal groups
            assert nl_groups > 1 and "equal groups" in str(error)


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_is_its_network_with_its_convolution(alias):
    spec = model_spec(alias)
    assert (spec.name, spec.conv.method) == (ALIASES[alias].network, ALIASES[alias].method)
    assert all(getattr(spec.conv, knob) == value for knob, value in ALIASES[alias].knobs.items())
    assert spec.input_shape == (3, 224, 224)
    assert model_spec(alias, "ghost").conv.method == "ghost"


def test_the_batchnorm_of_sparse_bottlenecks_stands_over_the_seeds_unless_told_otherwise():
    assert model_spec("resnet101_cifar", "groupnl-sparse").conv.bn_position == "seeds"
    assert model_spec("resnet101_cifar", "groupnl").conv.bn_position == "concat"
    told = model_spec("resnet101_cifar", "groupnl-sparse", knobs={"bn_position": "concat"})
    assert told.conv.bn_position == "concat"


@pytest.mark.parametrize("name", ["resnet18_cifar", "resnet50", "mobilenetv2_100"])
def test_a_spec_decides_every_bit_and_the_callers_random_state_is_untouched(name):
    spec = small(name, "groupnl", seed=5)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = create_model(spec).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    second = create_model(spec).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_another_seed_gives_other_weights_and_hyper_parameters():
    states = [
        create_model(ModelSpec("resnet18_cifar", ConvSpec("groupnl"), width=0.25, seed=seed)).state_dict()
        for seed in (0, 1)
    ]
    for key in ("conv1.weight", "layer1.0.conv1.periods", "layer1.0.conv1.shifts"):
        assert not torch.equal(states[0][key], states[1][key])


def test_entries_have_a_summary_and_are_sorted():
    assert sorted(NAMES) == NAMES
    assert all(entry.summary for entry in list_models())


def test_an_unknown_name_lists_the_known_and_the_nearest():
    with pytest.raises(UnknownModel, match=r"resnet81_cifar.*did you mean “resnet18_cifar”.*Known models: "):
        create_model(ModelSpec("resnet81_cifar", ConvSpec("standard")))


def test_a_duplicate_name_is_refused():
    network = NETWORKS["resnet18_cifar"]
    with pytest.raises(DuplicateModel, match="resnet18_cifar"):
        by_name([network, network])
    with pytest.raises(DuplicateModel, match="gnl_resnet50"):
        by_name([replace(network, name="gnl_resnet50")])


_BUILD = """
import sys
from groupnl_deploy.models.registry import create_model, list_models, model_spec
specs = [model_spec(network.name) for network in list_models()]
assert "torch" not in sys.modules
create_model(specs[0])
print(*(name for name in sys.modules if name.startswith(("groupnl_deploy.", "device_agent"))))
"""


@pytest.mark.slow
def test_a_network_is_known_without_pytorch_and_built_without_the_rest_of_the_host():
    loaded = subprocess.run([sys.executable, "-c", _BUILD], capture_output=True, text=True, check=True).stdout.split()
    assert "groupnl_deploy.models.efficientnet" in loaded
    assert all(name.startswith("groupnl_deploy.models") for name in loaded)
