"""The sparse seed convolution, m input channels and one filter a group, in the form the runtime is fast at.

ONNX Runtime has a kernel for depthwise convolutions; a grouped one with two channels a group runs as many tiny
matrix products. With the channels of a group numbered j = 0 … m − 1::

    grouped(x, w) = Σ_j depthwise(x[j::m], w[:, j]) = Σ_j depthwise(x, w)[j::m]
"""

from typing import Any

import numpy as np
import onnx_ir as ir

from exporters.costs import Costs
from exporters.rules.answers import NOT_MINE, Answer, Fired, Refused
from exporters.rules.filters import channels_apart
from exporters.rules.graph import (
    Array,
    NodeBuilder,
    constant,
    ints,
    number,
    only_output,
    replace,
    shape,
)

# A pointwise sum multiplies with as many zeros as there are channels; slices leave the blocked layout and enter it.
MOST_SUMMED = 64
# Of the grouped form's time; what saves less is noise in the table.
CLEAR_GAIN = 0.9


def depthwise_seeds(node: ir.Node, costs: Costs, block: int, shuffles: bool = False) -> Answer:
    """Conv with m channels a group → m depthwise convolutions and their sum, where the target's table says so.

    `shuffles` takes every m-th channel by a shuffle and a split, where the runtime has no slices with steps.
    """
    weight, groups = constant(node.inputs[1]), number(node, "group", 1)
    if groups == 1 or weight is None or weight.shape[1] < 2:
        return NOT_MINE
    if weight.shape[0] != groups:
        return Refused(f"{weight.shape[0] // groups} filters a group: no depthwise kernel does that")
    if weight.shape[1] > 4:
        return Refused(f"{weight.shape[1]} channels a group: as many convolutions would take longer")
    choice = _choice(node, weight, costs)
    if isinstance(choice, Refused):
        return choice
    source, m, builder = node.inputs[0], weight.shape[1], NodeBuilder(node)
    assert source is not None, "a convolution has an input"
    every = channels_apart(builder, source, [slice(j, None, m) for j in range(m)], block)
    if every is None and block and groups * m <= MOST_SUMMED:
        replace(only_output(node), _summed(builder, node, weight))
        return Fired(f"{choice.note}; summed by a pointwise one, as the filters before cannot be parted")
    apart = _shuffled if shuffles else _slices
    replace(only_output(node), _depthwise(builder, node, weight, every or apart(builder, source, m)))
    return choice


def _depthwise(builder: NodeBuilder, node: ir.Node, weight: Array, every: list[ir.Value]) -> ir.Value:
    """The sum of one depthwise convolution for each of the groups' channels, which `every` has apart."""
    total = None
    for j, maps in enumerate(every):
        filters = builder.constant(weight[:, j : j + 1], "weight")
        bias = node.inputs[2:] if j == 0 else ()
        part = builder.same(node, maps, filters, *bias, sizes=shape(only_output(node)))
        total = part if total is None else builder.op("Add", total, part)
    assert total is not None
    return total


def _choice(node: ir.Node, weight: Array, costs: Costs) -> Fired | Refused:
    """The depthwise form with its reason; refused where the table says that one node is faster."""
    sizes = shape(node.inputs[0])
    if sizes is None or len(sizes) != 4:
        return Refused("the input's shape is not known")
    m, kernel, stride = weight.shape[1], weight.shape[2], ints(node, "strides", (1,))[0]
    near = costs.nearest_sparse(sizes[1], kernel, stride, sizes[2])
    # The table is of m = 2. With other m the grouped form reads as many channels; the other is m convolutions, not two.
    times = near.depthwise_us / near.grouped_us * m / 2
    where = f"{times:.2f} of one node's time at {near.channels} channels, {near.kernel_size}x{near.kernel_size}"
    said = f"{where}, stride {near.stride}, {near.pixels} px ({costs.target})"
    if times > CLEAR_GAIN:
        return Refused(f"{m} depthwise convolutions would take {said}; up to {CLEAR_GAIN} would be a clear gain")
    return Fired(f"{m} depthwise convolutions: {said}")


def _summed(builder: NodeBuilder, node: ir.Node, weight: Array) -> ir.Value:
    """A depthwise convolution over all channels, then a pointwise one whose filters are ones for a group's channels."""
    groups, m, *kernel = weight.shape
    count, sizes = groups * m, shape(only_output(node))
    filters = builder.constant(weight.reshape(count, 1, *kernel), "weight")
    attributes: dict[str, Any] = dict(node.attributes) | {"group": ir.AttrInt64("group", count)}
    wide = None if sizes is None else (sizes[0], count, *sizes[2:])
    apart = builder.op("Conv", node.inputs[0], filters, sizes=wide, **attributes)
    ones = np.kron(np.eye(groups, dtype=weight.dtype), np.ones((1, m), dtype=weight.dtype))
    members = builder.constant(ones.reshape(groups, count, 1, 1), "ones_in_group")
    return builder.op("Conv", apart, members, *node.inputs[2:], sizes=sizes, kernel_shape=[1, 1])


def _slices(builder: NodeBuilder, value: ir.Value, m: int) -> list[ir.Value]:
    sizes = shape(value)
    assert sizes is not None, "as `_choice` found"
    count = sizes[1]
    few = (sizes[0], count // m, *sizes[2:])
    one = builder.constant(np.array([1], dtype=np.int64), "axis")
    end, step = (builder.constant(np.array([number_], dtype=np.int64), "slice") for number_ in (count, m))
    starts = [builder.constant(np.array([j], dtype=np.int64), "slice") for j in range(m)]
    return [builder.op("Slice", value, start, end, one, step, sizes=few) for start in starts]


def _shuffled(builder: NodeBuilder, value: ir.Value, m: int) -> list[ir.Value]:
    """Channel shuffle: (1, groups·m, H, W) → (1, m·groups, H, W), then a part for each j."""
    sizes = shape(value)
    assert sizes is not None, "as `_choice` found"
    batch, count, *pixels = sizes
    few = count // m
    turned = builder.op("Transpose", _reshaped(builder, value, (batch, few, m, *pixels)), perm=[0, 2, 1, 3, 4])
    whole = _reshaped(builder, turned, sizes)
    axis = builder.constant(np.array([1], dtype=np.int64), "axis")
    ends = [builder.constant(np.array([j * few], dtype=np.int64), "slice") for j in range(m + 1)]
    part = (batch, few, *pixels)
    return [builder.op("Slice", whole, ends[j], ends[j + 1], axis, sizes=part) for j in range(m)]


def _reshaped(builder: NodeBuilder, value: ir.Value, sizes: tuple[int, ...]) -> ir.Value:
    return builder.op("Reshape", value, builder.constant(np.array(sizes, dtype=np.int64), "shape"), sizes=sizes)
