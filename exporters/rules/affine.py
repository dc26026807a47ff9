"""Steps of the form a·x + b, one a and one b a channel, gathered into as few as there can be.

They are what is left of ω and φ, of the BatchNorm behind a concatenation, and of whoever multiplies or adds a
constant. Several in a row are one; one behind a convolution is part of it.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from exporters.rules.graph import (
    Array,
    Builder,
    channels,
    constant,
    ints,
    kind,
    number,
    only_output,
    only_reader,
    producer,
    replace,
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


def gather_affine(node: ir.Node) -> bool:
    """A chain of per-channel steps → one: part of the convolution before it, or a 1x1 depthwise convolution.

    The depthwise form reads and writes every element once, whatever the number of steps, and takes the activation
    behind it along.
    """
    reader = only_reader(only_output(node))
    if reader is not None and step_of(reader) is not None:
        return False  # the last of the chain gathers it
    chain = affine_of(only_output(node))
    if chain is None:
        return False
    conv = producer(chain[0].source, "Conv")
    if conv is not None and only_reader(chain[0].source) is not None and known(conv):
        _into_convolution(node, conv, chain[0])
        return True
    arguments = reader is not None and kind(reader) == "Sin"
    if chain[1] == 1 and (arguments or node.op_type != "BatchNormalization"):
        return False  # one step is as few as there can be
    replace(only_output(node), affine_step(Builder(node), chain[0], arguments))
    return True


def affine_of(value: ir.Value) -> tuple[Affine, int] | None:
    """The longest chain of steps that ends in `value`, and how many they are; None for no step at all."""
    node = value.producer()
    step = None if node is None else step_of(node)
    if step is None:
        return None
    if only_reader(step.source) is not None:
        before = affine_of(step.source)
        if before is not None:
            return before[0].then(step.scale, step.shift), before[1] + 1
    return step, 1


def affine_step(builder: Builder, affine: Affine, arguments: bool = False) -> ir.Value:
    """The node that computes a·x + b.

    A convolution, in the runtime's blocked layout; but before a sine, which leaves that layout anyway, the BatchNorm
    of mean 0 and variance 1, which does not enter it.
    """
    if arguments:
        zero, one = np.zeros(len(affine.scale)), np.ones(len(affine.scale))
        numbers = [values.astype(np.float32) for values in (affine.scale, affine.shift, zero, one)]
        parameters = [builder.constant(values, "arguments") for values in numbers]
        source = affine.source
        return builder.op("BatchNormalization", source, *parameters, sizes=shape(source), epsilon=0.0)
    count = len(affine.scale)
    scale = affine.scale.astype(np.float32).reshape(count, 1, 1, 1)
    shift = affine.shift.astype(np.float32)
    if not shift.any():
        return builder.op("Mul", affine.source, builder.constant(scale.reshape(1, count, 1, 1), "scale"))
    weight, bias = builder.constant(scale, "scale"), builder.constant(shift, "shift")
    sizes = shape(affine.source)
    return builder.op("Conv", affine.source, weight, bias, sizes=sizes, group=count, kernel_shape=[1, 1])


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
        count, numbers = channels(source), _per_channel(other, channels(source))
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
    epsilon = node.attributes["epsilon"].as_float() if "epsilon" in node.attributes else 1e-5
    scale = gamma / np.sqrt(variance + epsilon)
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
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(count)
    if bias is None:
        return None
    return Affine(source, weight.reshape(count).astype(np.float64), bias.astype(np.float64))


def _per_channel(value: ir.Value | None, count: int | None) -> Array | None:
    numbers = constant(value)
    if numbers is None or count is None or numbers.dtype != np.float32 or numbers.ndim > 4:
        return None
    if numbers.size == 1:
        return np.full(count, float(numbers.reshape(())), dtype=np.float64)
    if numbers.shape in ((1, count, 1, 1), (count, 1, 1)):
        return numbers.reshape(count).astype(np.float64)
    return None


def known(conv: ir.Node) -> bool:
    """Whether filters and bias are numbers, not computed."""
    return all(value is None or constant(value) is not None for value in conv.inputs[1:])


def _into_convolution(node: ir.Node, conv: ir.Node, affine: Affine) -> None:
    """Conv(x) · a + b = Conv'(x): every filter times its a, the bias likewise, plus b."""
    builder = Builder(node)
    weight = constant(conv.inputs[1])
    assert weight is not None, "the caller has seen to it"
    scaled = weight.astype(np.float64) * affine.scale.reshape(-1, 1, 1, 1)
    old = constant(conv.inputs[2]) if len(conv.inputs) > 2 else None
    bias = affine.shift + (0 if old is None else old.astype(np.float64) * affine.scale)
    new_weight = builder.constant(scaled.astype(np.float32), "weight")
    new_bias = builder.constant(bias.astype(np.float32), "bias")
    sizes = shape(only_output(conv))
    replace(
        only_output(node),
        builder.same(conv, conv.inputs[0], new_weight, new_bias, sizes=sizes),
    )
