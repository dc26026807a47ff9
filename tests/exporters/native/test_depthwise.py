"""Depthwise convolutions become operators with all that scales their maps; gates behind them, too."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from exporters.native.operators import ACTIVATIONS
from tests.rigs.groupnl_layers import counted, graph_made_native, kinds_left, made_native, shaken

SIZE = (8, 9, 6)


def depthwise(*behind, kernel=3, norm=True, **more):
    """A depthwise convolution over eight channels, a BatchNorm and what stands behind it."""
    torch.manual_seed(0)
    conv = nn.Conv2d(8, 8, kernel, groups=8, bias=not norm, **({"padding": 1} | more))
    return shaken(nn.Sequential(conv, *([nn.BatchNorm2d(8)] if norm else []), *behind))


def refusals(best):
    return [reason for report in best.passes for reason in report.refusals if report.name.startswith("native")]


@pytest.mark.parametrize(
    "name, activation",
    [
        ("none", nn.Identity),
        pytest.param("relu", nn.ReLU, marks=pytest.mark.slow),
        ("relu6", nn.ReLU6),
        ("hardswish", nn.Hardswish),
        ("silu", nn.SiLU),
        pytest.param("hardsigmoid", nn.Hardsigmoid, marks=pytest.mark.slow),
        pytest.param("sigmoid", nn.Sigmoid, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("norm", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_batchnorm_bias_and_activation_go_into_the_operator(name, activation, norm):
    best = made_native(depthwise(activation(), norm=norm), SIZE)
    assert counted(best) == {"Depthwise": 1} and not kinds_left(best)
    node = next(node for node in best.model.graph.node if node.domain)
    assert next(one.i for one in node.attribute if one.name == "activation") == ACTIVATIONS[name]


@pytest.mark.parametrize(
    "more",
    [
        {"kernel": 5, "stride": 2, "padding": 2},
        {"padding": 2, "dilation": 2},
        {"padding": 0},
        {"kernel": (3, 1), "padding": (1, 0), "stride": (1, 2)},
    ],
)
def test_any_window_goes_into_the_operator(more):
    best = made_native(depthwise(**{"kernel": 3} | more), SIZE)
    assert counted(best) == {"Depthwise": 1} and not kinds_left(best)


def test_what_is_no_depthwise_convolution_stays():
    torch.manual_seed(0)
    of_others = nn.Conv2d(8, 16, 3, groups=8), nn.Conv2d(16, 8, 2), nn.Conv2d(8, 8, 2, groups=2)
    best = made_native(nn.Sequential(*of_others, nn.Conv2d(8, 8, 1, groups=8)).eval(), SIZE)
    assert not counted(best)


def test_pads_that_the_filters_do_not_reach_over_are_refused():
    best = made_native(depthwise(padding=3), SIZE)
    assert not counted(best) and any("pads more than its filters reach" in reason for reason in refusals(best))


def graph(*nodes, weight=(8, 1, 3, 3), outputs=("y",), size=SIZE):
    """A graph of these nodes with the filters w and a bias b."""
    random = np.random.default_rng(0)
    given = {"w": random.standard_normal(weight), "b": random.standard_normal(weight[0])}
    weights = [numpy_helper.from_array(values.astype(np.float32), name) for name, values in given.items()]
    takes = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, *size))
    gives = [onnx.ValueInfoProto(name=name) for name in outputs]
    made = helper.make_graph(nodes, "graph", [takes], gives, weights)
    return onnx.shape_inference.infer_shapes(
        helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    )


@pytest.mark.parametrize("how", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_pads_that_the_graph_leaves_to_the_runtime_are_worked_out(how, stride):
    conv = helper.make_node("Conv", ["x", "w", "b"], ["y"], group=8, auto_pad=how, strides=[stride] * 2)
    best = graph_made_native(graph(conv))
    assert counted(best) == {"Depthwise": 1} and not kinds_left(best)


def test_maps_that_are_an_output_before_the_activation_keep_their_name_and_the_activation_stays():
    conv = helper.make_node("Conv", ["x", "w", "b"], ["y"], group=8)
    best = graph_made_native(graph(conv, helper.make_node("Relu", ["y"], ["z"]), outputs=("y", "z")))
    assert counted(best) == {"Depthwise": 1} and kinds_left(best) == {"Relu"}
    assert [value.name for value in best.model.graph.output] == ["y", "z"]


def test_computed_filters_are_refused():
    nodes = helper.make_node("Mul", ["w", "s"], ["v"]), helper.make_node("Conv", ["x", "v"], ["y"], group=8)
    made = graph(helper.make_node("ReduceMax", ["x"], ["s"], keepdims=0), *nodes)
    best = graph_made_native(made)
    assert not counted(best) and any("filters or bias are computed" in reason for reason in refusals(best))


class Excited(nn.Module):
    """A depthwise convolution, and squeeze-excite behind it."""

    def __init__(self, layer, activation=nn.Hardsigmoid):
        super().__init__()
        self.layer, self.squeeze, self.excite = layer, nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.gate = activation()

    def forward(self, x):
        maps = self.layer(x)
        return maps * self.gate(self.excite(self.squeeze(maps.mean((2, 3), keepdim=True)).relu()))


@pytest.mark.parametrize("dynamic", [False, True])
def test_the_mean_comes_from_the_layer_and_the_product_is_an_operator(dynamic):
    best = made_native(Excited(depthwise(nn.SiLU())).eval(), SIZE, dynamic_batch=dynamic)
    assert counted(best) == {"Depthwise": 1, "Scale": 1}
    assert not kinds_left(best) & {"GlobalAveragePool", "ReduceMean", "Mul"}


def test_a_gate_on_maps_of_the_runtimes_stays_the_runtimes():
    torch.manual_seed(0)
    best = made_native(Excited(nn.Conv2d(8, 8, 3)).eval(), SIZE)
    assert not counted(best) and "Mul" in kinds_left(best)
