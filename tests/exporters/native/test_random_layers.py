"""Layers written down in random ways: whatever becomes an operator computes what stood there before."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.rigs.groupnl_layers import counted, graph_made_native

PIXELS = (5, 4)


class Layer:
    """A graph that is drawn node by node; what it computes stays of the order of one."""

    def __init__(self, seed):
        self.nodes, self.weights, self.random = [], [], np.random.default_rng(seed)

    def pick(self, *choices):
        return choices[self.random.integers(len(choices))]

    def node(self, op, *inputs, outputs=1, **more):
        names = [f"{op}_{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, **more))
        return names[0] if outputs == 1 else names

    def weight(self, values, dtype=np.float32):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def per_channel(self, channels, low=0.3, high=1.5):
        """Numbers for a step, one a channel in any of the usual shapes, or one for all; of either sign."""
        shape = self.pick((1, channels, 1, 1), (channels, 1, 1), (1,), ())
        sign = self.random.choice([-1, 1], shape)
        return self.weight(sign * self.random.uniform(low, high, shape))

    def step(self, value, channels):
        """Something that scales and shifts channels."""
        op = self.pick("none", "none", "Add", "Sub", "Mul", "Div", "Neg", "BatchNormalization")
        if op == "none":
            return value
        if op == "Neg":
            return self.node("Neg", value)
        if op == "BatchNormalization":
            numbers = (self.random.uniform(low, 1.2, channels) for low in (0.4, -0.5, -0.5, 0.5))
            return self.node(op, value, *map(self.weight, numbers))
        turned = op != "Div" and self.pick(False, True)
        operands = (value, self.per_channel(channels))
        return self.node(op, *(operands[::-1] if turned else operands))

    def steps(self, value, channels):
        for _ in range(self.pick(0, 1, 2, 3)):
            value = self.step(value, channels)
        return value

    def bent(self, value, channels):
        """One of the functions, in one of its forms."""
        form = self.pick("sine", "monomial", "gaussian", "square", "laplace", "exponential")
        if form == "sine":
            return self.node("Sin", self.steps(value, channels))
        if form == "monomial":
            exponent = self.weight(self.random.uniform(1, 3, (1, channels, 1, 1)))
            return self.node("Mul", self.node("Pow", self.node("Abs", value), exponent), self.node("Sign", value))
        falling = self.weight(-self.random.uniform(0.3, 1.2, (1, channels, 1, 1)))
        if form == "exponential":
            return self.node("Exp", self.node("Mul", value, falling))
        squared = self.node("Mul", value, value)
        inner = {"gaussian": squared, "square": self.node("Pow", value, self.weight(2.0)), "laplace": None}[form]
        return self.node("Exp", self.node("Mul", inner or self.node("Abs", value), falling))

    def copied(self, value, seeds, groups, copies):
        parts = [value]
        if groups > 1:
            sizes = self.weight([seeds // groups] * groups, np.int64)
            parts = self.node("Split", value, sizes, outputs=groups, axis=1)
        repeats = self.weight([1, copies, 1, 1], np.int64)
        tiled = [self.node("Tile", part, repeats) for part in parts]
        return tiled[0] if groups == 1 else self.node("Concat", *tiled, axis=1)

    def model(self, seeds, groups, copies):
        """From the seed convolution to whatever stands behind the layer."""
        inputs, dense = self.pick(1, 2, 3), self.pick(False, False, True)
        filters = self.weight(self.random.standard_normal((seeds, seeds * inputs if dense else inputs, 3, 3)) / 3)
        bias = [self.weight(self.random.standard_normal(seeds) / 4)] if self.pick(True, False) else []
        group = 1 if dense else seeds
        maps = self.node("Conv", "x", filters, *bias, group=group, pads=[1] * 4)
        if self.pick(True, False):
            axes = {"axes": [1], "keepdims": 1}
            least = self.weight(1e-12)
            maps = self.node("Div", maps, self.node("Clip", self.node("ReduceL2", maps, **axes), least))
        maps = self.steps(maps, seeds)
        generated = self.bent(self.copied(maps, seeds, groups, copies), seeds * copies)
        generated, seed_half = self.steps(generated, seeds * copies), self.steps(maps, seeds)
        whole, channels = self.node("Concat", seed_half, generated, axis=1), seeds * (copies + 1)
        if self.pick(True, False) and seeds > 1:
            channels -= int(self.random.integers(1, seeds))
            ends = [self.weight([one], np.int64) for one in (0, channels, 1)]
            whole = self.node("Slice", whole, *ends)
        whole = self.steps(whole, channels)
        whole = self.node(self.pick("Relu", "HardSwish", "Sigmoid", "Identity", "Tanh"), whole)
        return self._graph(seeds * inputs, whole)

    def _graph(self, channels, last):
        self.nodes[-1].output[0] = "y"
        takes = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, channels, *PIXELS))
        graph = helper.make_graph(self.nodes, "layer", [takes], [onnx.ValueInfoProto(name="y")], self.weights)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(onnx.shape_inference.infer_shapes(made), full_check=True)
        return onnx.shape_inference.infer_shapes(made)


def require_one_operator(seed):
    layer = Layer(seed)
    groups, block, copies = (layer.pick(1, 2), layer.pick(1, 2, 3), layer.pick(1, 2, 3))
    best = graph_made_native(layer.model(groups * block, groups, copies))
    found = counted(best)
    refused = [(report.name, report.refusals) for report in best.passes if report.refusals]
    assert found.get("GroupNL", 0) + found.get("Generate", 0) == 1, refused


@pytest.mark.parametrize("seed", range(5))
def test_a_layer_in_any_form_is_one_operator_and_computes_the_same(seed):
    require_one_operator(seed)


@pytest.mark.slow
def test_hundreds_of_layers_in_any_form_are_one_operator_each():
    for seed in range(5, 400):
        require_one_operator(seed)
