"""Whole networks at the level native, proved with the library; each layer becomes an operator and none is missed."""

import itertools
from functools import partial

import pytest
import torch
from torch import nn

from device_agent.native import register
from exporters.model_files import variants
from exporters.native.nodes import native_operators
from exporters.onnx_exporter import export_onnx
from exporters.optimize import optimize
from exporters.parity import prove_onnx
from exporters.reference import reference_of
from exporters.targets import TARGETS
from exporters.tolerances import DYNAMIC, ONE_BY_ONE
from groupnl_deploy.export import parity_inputs
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.registry import list_models, model_spec
from groupnl_deploy.training.checkpoint import initialise_checkpoint
from tests.rigs.groupnl_layers import shaken

NETS = [entry.name for entry in list_models()]


@pytest.fixture
def operators(native_library):
    """Gives a session our operators."""
    return partial(register, library=native_library.path, sha256=native_library.record.sha256)


def expected(model):
    """How many nodes of each operator its layers must become."""
    layers = [module for module in model.modules() if isinstance(module, GroupNLConv2d)]
    inside = {layer.conv1 for layer in layers}
    convs = [module for module in model.modules() if isinstance(module, nn.Conv2d) and module not in inside]
    counts = {
        "GroupNL": sum(layer.conv1.groups == layer.seed_channels for layer in layers),
        "Generate": sum(layer.conv1.groups != layer.seed_channels for layer in layers),
        "Depthwise": sum(conv.groups == conv.in_channels == conv.out_channels > 1 for conv in convs),
    }
    return {name: count for name, count in counts.items() if count}


def exported(model, inputs, operators, target="rpi4", batch="1"):
    """Every form for a target, proved: the operators in it and the layers of the network, counted."""
    reference = reference_of(model, inputs, DYNAMIC if batch == "dynamic" else ONE_BY_ONE)
    proof = partial(prove_onnx, reference, register=operators)
    raw = export_onnx(model, (1, *inputs.shape[1:]), dynamic_batch=batch == "dynamic")
    best = optimize(raw, proof, "native", TARGETS[target])
    made = variants(best, TARGETS[target], proof)
    for one in made:
        proof(one.best.model) if one.about.proof == "run" else None
    found = native_operators(best.model)
    return {name: found[name] for name in found if name != "Scale"}, found.get("Scale", 0)


def network(name, method, semantics="released", width=None, pixels=None):
    """A network with BatchNorms that do something, and images for it."""
    size = {} if pixels is None else {"input_shape": (3, pixels, pixels), "num_classes": 7}
    knobs = {"nl_groups": 2} if method.startswith("groupnl") else None
    draft, model = initialise_checkpoint(
        model_spec(name, method, semantics, knobs=knobs, **size, **({} if width is None else {"width": width}))
    )
    return shaken(model), parity_inputs(draft)[:4]


@pytest.mark.slow
@pytest.mark.parametrize(
    "method, semantics, batch",
    [
        ("groupnl-sparse", "released", "dynamic"),
        ("standard", "released", "1"),
    ],
)
def test_a_small_network_is_proved_with_the_library(operators, method, semantics, batch):
    model, inputs = network("mobilenetv3_large_100", method, semantics, 0.25, 64)
    found, scales = exported(model, inputs, operators, batch=batch)
    assert found == expected(model) and sum(found.values()) == 15 and scales == 8


def test_where_the_runtimes_maps_are_in_blocks_and_ours_are_not_its_depthwise_convolutions_stay(operators):
    model, inputs = network("mobilenetv1_cifar", "standard", "released", 0.25, 32)
    assert exported(model, inputs[:2], operators, "generic") == ({}, 0)


def turns():
    """Every network with every kind of layer, both semantics and both targets in turn."""
    for turn, (name, method) in enumerate(itertools.product(NETS, ("groupnl", "groupnl-sparse", "standard"))):
        semantics = "released" if method == "standard" or turn % 2 else "paper"
        yield name, method, semantics, ("rpi4", "x86")[turn // 3 % 2]


@pytest.mark.slow
@pytest.mark.parametrize("name, method, semantics, target", list(turns()))
def test_every_network_at_its_own_size_becomes_operators_layer_by_layer(name, method, semantics, target, operators):
    torch.manual_seed(0)
    model, inputs = network(name, method, semantics)
    found, _ = exported(model, inputs[:2], operators, target)
    assert found == expected(model)
