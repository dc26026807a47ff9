"""The sparse seed convolution, m input channels and one filter a group, in the form the runtime is fast at.

ONNX Runtime has a kernel for depthwise convolutions; a grouped one with two channels a group runs as many tiny
matrix products. With the channels of a group numbered j = 0 … m − 1::

    grouped(x, w) = Σ_j depthwise(x[j::m], w[:, j])
"""

import numpy as np
import onnx_ir as ir

from exporters.costs import Costs
from exporters.rules.graph import (
    UNARY,
    Array,
    Builder,
    Refused,
    channels,
    constant,
    ints,
    known_convolution,
    number,
    only_output,
    only_reader,
    operand,
    producer,
    replace,
    shape,
)

# Filters that the runtime computes at once: a k x k convolution of fewer would not gain by being split.
BLOCK = 16
# Less of a gain than this is noise in the table.
CLEAR_GAIN = 0.9


def depthwise_seeds(node: ir.Node, costs: Costs) -> bool | str:
    """Conv with m channels a group → m depthwise convolutions and their sum, where the target's table says so."""
    weight, groups = constant(node.inputs[1]), number(node, "group", 1)
    if groups == 1 or weight is None or weight.shape[1] < 2:
        return False
    if weight.shape[0] != groups:
        raise Refused(f"{weight.shape[0] // groups} filters a group: no depthwise kernel does that")
    if weight.shape[1] > 4:
        raise Refused(f"{weight.shape[1]} channels a group: as many convolutions would take longer")
    choice = _choice(node, weight, costs)
    builder = Builder(node)
    every = _every_mth(builder, node.inputs[0], weight.shape[1])
    total = None
    for j, maps in enumerate(every):
        filters = builder.constant(weight[:, j : j + 1], "weight")
        bias = node.inputs[2:] if j == 0 else ()
        part = builder.same(node, maps, filters, *bias, sizes=shape(only_output(node)))
        total = part if total is None else builder.op("Add", total, part)
    assert total is not None
    replace(only_output(node), total)
    return choice


def _choice(node: ir.Node, weight: Array, costs: Costs) -> str:
    """The reason for the depthwise form. Raises `Refused` where the table says that one node is faster."""
    sizes = shape(node.inputs[0])
    if sizes is None or len(sizes) != 4:
        raise Refused("the input's shape is not known")
    m, kernel, stride = weight.shape[1], weight.shape[2], ints(node, "strides", (1,))[0]
    near = costs.nearest_sparse(sizes[1], kernel, stride, sizes[2])
    # Of m channels the grouped form reads as many as of two; the other is m convolutions in place of two.
    times = near.depthwise_us / near.grouped_us * m / 2
    where = f"{times:.2f} of one node's time at {near.channels} channels, {near.kernel_size}x{near.kernel_size}"
    said = f"{where}, stride {near.stride}, {near.pixels} px ({costs.target})"
    if times > CLEAR_GAIN:
        raise Refused(f"{m} depthwise convolutions would take {said}")
    return f"{m} depthwise convolutions: {said}"


def _every_mth(builder: Builder, value: ir.Value | None, m: int) -> list[ir.Value]:
    """x[0::m] … x[m-1::m]: from the filters of the convolution that makes x where there is one, else by slices."""
    assert value is not None
    activations, conv = _convolution_before(value, m)
    if conv is None:
        return _slices(builder, value, m)
    weight, sizes = constant(conv.inputs[1]), shape(value)
    assert weight is not None
    bias = constant(operand(conv, 2))
    parts = []
    for j in range(m):
        inputs = [builder.constant(weight[j::m], "weight")]
        inputs += [] if bias is None else [builder.constant(bias[j::m], "bias")]
        few = None if sizes is None else (sizes[0], sizes[1] // m, *sizes[2:])
        part = builder.same(conv, conv.inputs[0], *inputs, sizes=few)
        for activation in activations:
            part = builder.same(activation, part, *activation.inputs[1:])
        parts.append(part)
    return parts


def _convolution_before(value: ir.Value, m: int) -> tuple[list[ir.Node], ir.Node | None]:
    """The activations behind a convolution that nobody else reads, and the convolution if it splits well."""
    activations: list[ir.Node] = []
    while only_reader(value) is not None:
        conv = producer(value, "Conv")
        if conv is not None:
            weight = constant(conv.inputs[1])
            if weight is None or number(conv, "group", 1) != 1 or not known_convolution(conv):
                return activations, None
            splits = weight.shape[2:] == (1, 1) or weight.shape[0] % (m * BLOCK) == 0
            return activations, conv if splits else None
        activation = producer(value, *UNARY)
        if activation is None or activation.inputs[0] is None:
            break
        activations.insert(0, activation)
        value = activation.inputs[0]
    return activations, None


def _slices(builder: Builder, value: ir.Value, m: int) -> list[ir.Value]:
    count, sizes = channels(value), shape(value)
    if count is None or sizes is None:
        raise Refused("the number of channels is not known")
    few = (sizes[0], count // m, *sizes[2:])
    one = builder.constant(np.array([1], dtype=np.int64), "axis")
    end, step = (builder.constant(np.array([number_], dtype=np.int64), "slice") for number_ in (count, m))
    starts = [builder.constant(np.array([j], dtype=np.int64), "slice") for j in range(m)]
    return [builder.op("Slice", value, start, end, one, step, sizes=few) for start in starts]
