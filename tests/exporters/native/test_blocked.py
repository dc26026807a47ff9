"""Graphs on images in blocks, written by hand: they compute what the plain graph computes, wherever they come from."""

from collections import Counter

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from onnx import helper

from device_agent.manifest import Parity
from exporters.graph_facts import graph_facts
from exporters.native.blocked import in_blocks
from exporters.native.operators import DOMAIN, RUNTIME_DOMAIN
from exporters.native.this_runtime import runtimes_block
from exporters.native.unblocked import out_of_blocks
from exporters.onnx_exporter import export_onnx
from exporters.optimize import optimize
from exporters.parity import session_of
from exporters.runtimes import range_of
from exporters.targets import TARGETS
from groupnl_deploy.models.registry import create_model, model_spec
from tests.rigs.native_reference import native_answers
from tests.rigs.random_graphs import RandomGraph

# Of the largest number: other kernels sum in another order.
ROUNDING = 2e-5
STEPS = 1e-5  # in double precision all is exact but the numbers that a BatchNorm becomes
BATCHES = [(1, 1), (2, 2), ("batch", 3)]


def blocked(model, block):
    return ir.serde.serialize_model(in_blocks(ir.serde.deserialize_model(model), block))


def unblocked(model, block):
    return ir.serde.serialize_model(out_of_blocks(ir.serde.deserialize_model(model), block))


def counted(model):
    """How many nodes of each kind, ONNX's own by name alone."""
    return Counter(node.op_type if node.domain == "" else (node.domain, node.op_type) for node in model.graph.node)


def reorders(model):
    return sum(node.op_type.startswith("Reorder") for node in model.graph.node)


def answers(model, feeds, optimized=True):
    return session_of(model, optimized).run(None, feeds)


def require_near(expected, found):
    assert [array.shape for array in found] == [array.shape for array in expected]
    for right, array in zip(expected, found, strict=True):
        np.testing.assert_allclose(array, right, rtol=0, atol=ROUNDING * max(float(np.abs(right).max()), 1e-3))


def graph_of(seed, native=False):
    name, batch = BATCHES[seed % len(BATCHES)]
    drawn = RandomGraph(seed, native, name)
    return drawn.model(), drawn.inputs(batch)


def has_native(model):
    return any(node.domain == DOMAIN for node in model.graph.node)


needs_blocks = pytest.mark.skipif(not runtimes_block(), reason="this processor's runtime has no layout in blocks")
TENS = [range(10), *(pytest.param(range(start, start + 10), marks=pytest.mark.slow) for start in (10, 20, 30))]


@needs_blocks
@pytest.mark.parametrize("seeds", TENS, ids=str)
def test_random_graphs_in_this_machines_blocks_compute_the_same(seeds):
    ran = 0
    for seed in seeds:
        model, feeds = graph_of(seed)
        made = blocked(model, runtimes_block())
        if not has_native(made):  # a gate becomes one of ours
            require_near(answers(model, feeds), answers(made, feeds))
            ran += 1
    assert ran


@pytest.mark.parametrize("block", [pytest.param(16, marks=pytest.mark.slow), 8])
@pytest.mark.parametrize("seeds", TENS, ids=str)
def test_read_back_from_either_block_random_graphs_compute_the_same(block, seeds):
    ran = 0
    for seed in seeds:
        model, feeds = graph_of(seed)
        back = unblocked(blocked(model, block), block)
        assert not any(node.domain == RUNTIME_DOMAIN for node in back.graph.node)
        if not has_native(back):
            require_near(answers(model, feeds), answers(back, feeds))
            ran += 1
    assert ran


@pytest.mark.parametrize("block", [16, pytest.param(8, marks=pytest.mark.slow)])
@pytest.mark.parametrize("seeds", TENS, ids=str)
def test_read_back_from_either_block_native_layers_compute_the_same_in_double_precision(block, seeds):
    apart = 0
    for seed in seeds:
        model, feeds = graph_of(seed, native=True)
        made = blocked(model, block)
        apart += sum(entry.name == "apart" and entry.i for node in made.graph.node for entry in node.attribute)
        expected, found = native_answers(model, feeds), native_answers(unblocked(made, block), feeds)
        for name, right in expected.items():
            np.testing.assert_allclose(found[name], right, rtol=0, atol=STEPS * max(float(np.abs(right).max()), 1e-3))
    assert apart, "no filters were put apart"


class Small:
    """A graph, node by node, on an input of (1, channels, 8, 8)."""

    def __init__(self, channels):
        self.random, self.nodes, self.constants = np.random.default_rng(0), [], []
        self.input = helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, channels, 8, 8])

    def node(self, op, *inputs, **attributes):
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def number(self, values):
        name = f"number_{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.array(values, dtype=np.float32), name))
        return name

    def conv(self, source, channels, filters, kernel=1, **more):
        weight = self.number(
            0.2 * self.random.standard_normal((filters, channels // more.get("group", 1), kernel, kernel))
        )
        bias = self.number(self.random.standard_normal(filters))
        return self.node("Conv", source, weight, bias, kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4, **more)

    def model(self, *outputs):
        made = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "small", [self.input], made, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return onnx.shape_inference.infer_shapes(model)

    def feeds(self):
        sizes = [dim.dim_value for dim in self.input.type.tensor_type.shape.dim]
        return {"input": self.random.standard_normal(sizes).astype(np.float32)}


def require_same_everywhere(small, model):
    """In this machine's blocks, if it has any, and read back from both."""
    feeds = small.feeds()
    expected = answers(model, feeds)
    for block in (16, 8):
        made = blocked(model, block)
        require_near(expected, answers(unblocked(made, block), feeds))
        if block == runtimes_block():
            require_near(expected, answers(made, feeds))


@pytest.mark.parametrize("last", ["Relu", "HardSwish", None])
def test_residual_and_activation_are_computed_inside_the_later_convolution(last):
    small = Small(3)
    stem = small.node("Relu", small.conv("input", 3, 24, 3))
    one, other = small.conv(stem, 24, 40), small.conv(stem, 24, 40)
    total = small.node("Add", one, other)
    model = small.model(small.node(last, total) if last else total)
    made = blocked(model, 8)
    assert counted(made) == {(RUNTIME_DOMAIN, "Conv"): 3, (RUNTIME_DOMAIN, "ReorderOutput"): 1}
    require_same_everywhere(small, model)


def test_a_convolution_before_an_activation_takes_no_sum_behind_it():
    small = Small(16)
    activated = small.node("Relu", small.conv("input", 16, 16))
    model = small.model(small.node("Add", activated, small.node("Relu", small.conv(activated, 16, 16))))
    made = blocked(model, 8)
    assert counted(made)["Add"] == 1 and counted(made)[(RUNTIME_DOMAIN, "Conv")] == 2 and reorders(made) == 2
    require_same_everywhere(small, model)


def test_a_value_that_plain_nodes_read_too_is_reordered_once():
    small = Small(3)
    stem = small.conv("input", 3, 20, 3)
    plain = [small.node("Transpose", stem, perm=perm) for perm in ([0, 1, 3, 2], [0, 2, 3, 1])]
    model = small.model(small.conv(stem, 20, 16), *plain, stem)
    assert reorders(blocked(model, 8)) == 2  # of the stem and of the other convolution, both outputs
    require_same_everywhere(small, model)


@pytest.mark.parametrize("channels", [17, 18, 30])
def test_channels_that_no_runtime_reorders_are_padded_first(channels):
    small = Small(channels)
    model = small.model(small.conv("input", channels, 16))
    assert counted(blocked(model, 16))["Pad"] == 1
    require_same_everywhere(small, model)


def test_few_channels_that_are_in_blocks_stay_there():
    small = Small(3)
    few = small.conv("input", 3, 5, 3)
    model = small.model(small.node("GlobalAveragePool", small.conv(few, 5, 16)))
    assert reorders(blocked(model, 16)) == 0  # one pixel of whole blocks is plain as well
    require_same_everywhere(small, model)


def test_whole_blocks_are_put_behind_each_other_where_they_are():
    small = Small(3)
    one, other = small.conv("input", 3, 16), small.conv("input", 3, 12)
    model = small.model(small.conv(small.node("Concat", one, other, axis=1), 28, 16))
    assert reorders(blocked(model, 16)) == 1 and reorders(blocked(model, 8)) == 1
    require_same_everywhere(small, model)
    model = small.model(small.conv(small.node("Concat", other, one, axis=1), 28, 16))
    assert reorders(blocked(model, 16)) == 4
    require_same_everywhere(small, model)


@pytest.mark.parametrize("op", ["Exp", "Sqrt"])
def test_what_pads_a_block_never_becomes_another_thing_than_a_number(op):
    """Of zeros before the Sub, Sqrt and Exp would make none: -100 has no root, e¹⁰⁰ is infinite."""
    small = Small(3)
    shift = small.number(np.full((1, 13, 1, 1), 110.0))  # a convolution in blocks, which leaves zeros
    above = small.node("Add", small.node("Abs", small.conv("input", 3, 13)), shift)
    terms = (above, small.number(100.0)) if op == "Sqrt" else (small.number(100.0), above)
    step = small.node(op, small.node("Sub", *terms))
    require_same_everywhere(small, small.model(small.conv(step, 13, 16)))


@pytest.mark.parametrize("op", ["Mul", "Add", "Sub", "Div", "BatchNormalization"])
def test_a_step_a_channel_is_a_convolution_in_blocks_and_takes_the_activation_behind_it(op):
    small = Small(3)
    numbers = [small.number(1 + small.random.random(20)) for _ in range(4)]
    factor = small.number(1 + small.random.random((1, 20, 1, 1)))
    first = small.node("Relu", small.conv("input", 3, 20))
    step = small.node(op, first, *(numbers if op == "BatchNormalization" else [factor]))
    model = small.model(small.conv(small.node("Relu", step), 20, 16))
    made = blocked(model, 8)
    assert counted(made) == {(RUNTIME_DOMAIN, "Conv"): 3, (RUNTIME_DOMAIN, "ReorderOutput"): 1}
    require_same_everywhere(small, model)


def test_a_step_a_channel_on_plain_images_stays_what_it_is():
    small = Small(3)
    step = small.node("Mul", "input", small.number(1 + small.random.random((1, 3, 1, 1))))
    model = small.model(small.conv(step, 3, 16))
    assert counted(blocked(model, 8))["Mul"] == 1
    require_same_everywhere(small, model)


@pytest.mark.parametrize("how", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("op", ["Conv", "MaxPool", "AveragePool"])
def test_padding_that_the_runtime_chooses_is_left_to_it(op, how):
    small = Small(3)
    stem, window = small.conv("input", 3, 16), {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": how}
    filters = [small.number(small.random.standard_normal((16, 16, 3, 3)))] if op == "Conv" else []
    model = small.model(small.conv(small.node(op, stem, *filters, **window), 16, 16))
    assert reorders(blocked(model, 8)) == 1
    require_same_everywhere(small, model)


def test_the_same_graph_gives_the_same_bytes():
    model, _ = graph_of(7, native=True)
    one, other = (blocked(model, 16).SerializeToString(deterministic=True) for _ in range(2))
    assert one == other


def test_a_convolution_whose_filters_are_computed_stays_plain():
    small = Small(16)
    weight = small.node("Relu", small.number(np.ones((16, 16, 1, 1))))
    model = small.model(small.node("Conv", "input", weight))
    assert set(counted(blocked(model, 16))) == {"Conv", "Relu"}
    require_same_everywhere(small, model)


def test_a_graph_without_hardswish_in_a_convolution_runs_in_the_oldest_runtime_of_its_target():
    def oldest(small, value):
        facts = graph_facts(blocked(small.model(value), 16))
        return range_of("model.onnx", 16, facts, TARGETS["x86"]).oldest_runtime

    small = Small(16)
    assert oldest(small, small.node("HardSwish", small.conv("input", 16, 16))) == "1.30.0"
    small = Small(16)
    assert oldest(small, small.conv("input", 16, 16)) == "1.17"
    small = Small(16)
    assert oldest(small, small.node("HardSwish", small.node("Relu", small.conv("input", 16, 16)))) == "1.17"


NETS = ["resnet18"]
MORE = ["mobilenetv2_100", "tf_efficientnet_lite0", "tf_efficientnet_es", "mobilenetv3_large_100", "resnet50"]


@pytest.mark.parametrize("name", [*NETS, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)])
def test_no_image_is_reordered_in_a_network(name):
    torch.manual_seed(0)
    net = create_model(model_spec(name, "standard", width=0.25, input_shape=(3, 64, 64), num_classes=16)).eval()
    model = optimize(export_onnx(net, (1, 3, 64, 64), 17), lambda model: Parity(1, 0.0, 0.0, 1.0, 1.0, True)).model
    for block in (16, 8):
        assert not [node.op_type for node in blocked(model, block).graph.node if node.op_type.startswith("Reorder")]
