"""How far sparse layers mix their channels: held against gradients, and against what the paper's blocks have."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from groupnl_deploy.cli.main import app
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.mixing import mixing_of
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.registry import create_model, model_spec


def reached(layers, inputs: int) -> np.ndarray:
    """bool (outputs, inputs): where a derivative is not 0, by autograd."""
    image = torch.randn(1, inputs, 5, 5, dtype=torch.float64, requires_grad=True)
    maps = image
    for layer in layers:
        maps = layer(maps)
    rows = [torch.autograd.grad(maps[0, row].sum(), image, retain_graph=True)[0] for row in range(maps.shape[1])]
    return np.stack([row[0].abs().amax((1, 2)).numpy() > 0 for row in rows])


@pytest.mark.parametrize(
    ("name", "method", "knobs"),
    [
        ("resnet18_cifar", "groupnl-sparse", {"ratio": 4, "nl_groups": 2}),
        ("resnet50_cifar", "groupnl-sparse", {}),
        ("mobilenetv1_cifar", "groupnl-sparse", {}),
    ],
)
def test_paths_are_those_of_derivatives(name, method, knobs):
    spec = model_spec(name, method, "paper", knobs=knobs, width=0.25)  # no norm, which couples all channels
    network = create_model(spec).double().eval()
    found = mixing_of(spec)
    sparse = [key for key, layer in network.named_modules() if isinstance(layer, GroupNLConv2d)]
    assert sorted(one.name for one in found) == sorted(sparse)
    for one in found[:3]:
        layer, behind = network.get_submodule(one.name), network.get_submodule(one.next)
        inputs = one.alone.shape[1]
        assert np.array_equal(reached([layer], inputs), one.alone.numpy()), one.name
        assert np.array_equal(reached([layer, behind], inputs), one.both.numpy()), one.name


def test_basic_blocks_fall_apart_and_bottlenecks_do_not():
    basic = mixing_of(model_spec("resnet18_cifar", "groupnl-sparse", width=0.25))
    first, last = basic[0], basic[-1]
    assert (first.next, first.inputs_each, first.islands, first.rank) == ("layer1.0.conv2", 4, 4, 8)
    assert (last.next, last.islands, last.rank) == ("fc", 1, 10)
    assert all(one.islands > 1 for one in basic[:-1])
    bottleneck = mixing_of(model_spec("resnet50_cifar", "groupnl-sparse", width=0.25))
    assert {one.islands for one in bottleneck} == {1}
    assert (bottleneck[0].next, bottleneck[0].rank, bottleneck[0].both.all()) == ("layer1.0.conv3", 8, True)
    light = mixing_of(model_spec("mobilenetv3_large_100", "groupnl-sparse", width=0.25))
    assert {one.next.rpartition(".")[2] for one in light} == {"conv_pw", "conv_pwl"}  # and no squeeze-excite


def test_a_network_without_sparse_layers_is_refused():
    with pytest.raises(InvalidSpec, match="has no sparse GroupNL layer"):
        mixing_of(model_spec("resnet18_cifar", "groupnl"))


def test_the_table_the_document_and_the_picture(tmp_path):
    words = ["models", "show", "resnet18_cifar", "--conv", "groupnl-sparse", "--width", "0.25"]
    table = CliRunner().invoke(app, [*words, "--mixing"]).stdout
    assert "layer1.0.conv1" in table and "Reached" in table and "no path between them" in " ".join(table.split())
    picture = tmp_path / "mixing.svg"
    done = CliRunner().invoke(app, [*words, "--mixing-plot", str(picture), "--json"])
    (first, *_), label = json.loads(done.stdout)["mixing"], json.loads(done.stdout)["label"]
    assert label == "resnet18_cifar x0.25 groupnl-sparse (released)" and b"<svg" in picture.read_bytes()
    assert (first["layer"], first["inputs"], first["seeds"], first["parts"], first["rank"]) == (
        "layer1.0.conv1",
        16,
        8,
        4,
        8,
    )
    refused = CliRunner().invoke(app, ["models", "show", "resnet18_cifar", "--conv", "groupnl", "--mixing"])
    assert (refused.exit_code, refused.stdout) == (
        2,
        "",
    ) and "Show one that has: --conv groupnl-sparse." in refused.stderr
    refused = CliRunner().invoke(app, [*words, "--mixing-plot", str(picture)])
    assert refused.exit_code == 2 and "exists already" in refused.stderr
