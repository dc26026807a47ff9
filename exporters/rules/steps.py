"""One step of the form a·x + b, one a and one b a channel: found in a node, and written as one."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from exporters.rules.graph import (
    Array,
    NodeBuilder,
    channels,
    constant,
    ints,
    kind,
    number,
    only_output,
    operand,
    real,
    shape,
)

STEPS = ("BatchNormalization", "Add", "Sub", "Mul", "Div", "Conv")


@dataclass(frozen=True)
class Affine:
    """a·x + b; a and b are (C,) in float64."""

    source: ir.Value
    scale: Array
    shift: Array

    def then(self, scale: Array, shift: Array) -> "Affine":
        """Another step behind this one."""
        return Affine(self.source, scale * self.scale, scale * self.shift + shift)


def step_of(node: ir.Node) -> Affine | None:
    """The step that one node takes on (N, C, H, W) maps; None if it takes none."""
    if kind(node) not in STEPS or only_output(node).dtype not in (None, ir.DataType.FLOAT):
        return None
    if node.op_type == "BatchNormalization":
        return _batchnorm(node)
    if node.op_type == "Conv":
        return _depthwise_step(node)
    left, right = node.inputs
    for source, other, swapped in ((left, right, False), (right, left, True)):
        count, numbers = channels(source), per_channel(other, channels(source))
        if source is None or count is None or numbers is None or constant(source) is not None:
            continue
        if node.op_type == "Div" and (swapped or not numbers.all()):
            return None
        return _arithmetic(node.op_type, source, numbers, swapped)
    return None


def _arithmetic(op_type: str, source: ir.Value, numbers: Array, swapped: bool) -> Affine:
    one, zero = np.ones_like(numbers), np.zeros_like(numbers)
    steps = {"Mul": (numbers, zero), "Add": (one, numbers), "Div": (one / numbers if numbers.all() else one, zero)}
    steps["Sub"] = (-one, numbers) if swapped else (one, -numbers)
    return Affine(source, *steps[op_type])


def _batchnorm(node: ir.Node) -> Affine | None:
    parameters = [constant(value) for value in node.inputs[1:5]]
    source = node.inputs[0]
    if source is None or channels(source) is None or number(node, "training_mode", 0):
        return None
    if any(values is None or values.dtype != np.float32 for values in parameters):
        return None
    gamma, beta, mean, variance = (values.astype(np.float64) for values in parameters if values is not None)
    scale = gamma / np.sqrt(variance + real(node, "epsilon", 1e-5))
    return Affine(source, scale, beta - scale * mean)


def _depthwise_step(node: ir.Node) -> Affine | None:
    """A 1x1 depthwise convolution is such a step."""
    source, weight = node.inputs[0], constant(node.inputs[1])
    count = channels(source)
    if source is None or weight is None or weight.shape != (count, 1, 1, 1) or number(node, "group", 1) != count:
        return None
    if weight.dtype != np.float32:
        return None
    if any(stride != 1 for stride in ints(node, "strides")) or any(ints(node, "pads")):
        return None
    given = operand(node, 2)
    bias = np.zeros(count) if given is None else constant(given)
    if bias is None:
        return None
    return Affine(source, weight.reshape(count).astype(np.float64), bias.astype(np.float64))


def per_channel(value: ir.Value | None, count: int | None) -> Array | None:
    """(count,) the numbers of a constant that has one for each channel, or one for all; None for any other value."""
    numbers = constant(value)
    if numbers is None or count is None or numbers.dtype != np.float32 or numbers.ndim > 4:
        return None
    if numbers.size == 1:
        return np.full(count, float(numbers.reshape(())), dtype=np.float64)
    if numbers.shape in ((1, count, 1, 1), (count, 1, 1)):
        return numbers.reshape(count).astype(np.float64)
    return None


def affine_step(builder: NodeBuilder, affine: Affine) -> ir.Value:
    """a·x + b as a 1x1 depthwise convolution, which keeps the runtime's blocked layout even where b is zero."""
    count = len(affine.scale)
    weight = builder.constant(affine.scale.astype(np.float32).reshape(count, 1, 1, 1), "scale")
    bias = [builder.constant(affine.shift.astype(np.float32), "shift")] if affine.shift.any() else []
    sizes = shape(affine.source)
    return builder.op("Conv", affine.source, weight, *bias, sizes=sizes, group=count, kernel_shape=[1, 1])


def plain_step(builder: NodeBuilder, affine: Affine) -> ir.Value:
    """a·x + b as the BatchNorm of mean 0 and variance 1.

    For maps outside the runtime's blocked layout, such as those before a sine: it does not enter it as a convolution
    would.
    """
    zero, one = np.zeros(len(affine.scale)), np.ones(len(affine.scale))
    numbers = [values.astype(np.float32) for values in (affine.scale, affine.shift, zero, one)]
    parameters = [builder.constant(values, "arguments") for values in numbers]
    source = affine.source
    return builder.op("BatchNormalization", source, *parameters, sizes=shape(source), epsilon=0.0)


def into_convolution(builder: NodeBuilder, conv: ir.Node, affine: Affine) -> ir.Value:
    """a·Conv(x) + b as one convolution: every filter times its a, the bias likewise, plus b."""
    weight, old = constant(conv.inputs[1]), constant(operand(conv, 2))
    assert weight is not None, "the caller asked `known_convolution`"
    scaled = weight.astype(np.float64) * affine.scale.reshape(-1, 1, 1, 1)
    bias = affine.shift + (0 if old is None else old.astype(np.float64) * affine.scale)
    inputs = builder.constant(scaled.astype(np.float32), "weight"), builder.constant(bias.astype(np.float32), "bias")
    return builder.same(conv, conv.inputs[0], *inputs, sizes=shape(only_output(conv)))
