"""x / max(‖x‖₂, ε) over channels, as the released GroupNL code computes it, in its cheapest exact form."""

import numpy as np
import onnx_ir as ir

from exporters.rules.answers import NOT_MINE, Answer, Fired, Refused
from exporters.rules.graph import (
    NodeBuilder,
    channels,
    constant,
    fills_blocks,
    ints,
    number,
    only_output,
    operand,
    producer,
    replace,
    shape,
)


def cheapest_normalise(node: ir.Node, block: int) -> Answer:
    """Div(x, max(ReduceL2(x), ε)) = x / √max(Σx², ε²), the sum written as a pointwise convolution with ones.

    A convolution keeps ONNX Runtime's blocked layout and its speed; a reduction over channels has neither. With a
    `block` of that layout the inverse norm is spread over the channels by another such convolution, and multiplied
    there; without one a quotient that broadcasts reads less. Channels that do not fill blocks gain nothing by it.
    """
    found = norm_of(node.inputs[0], node.inputs[1])
    if found is None:
        return NOT_MINE
    source, smallest = found
    if not (smallest > 0 and smallest**2 >= np.finfo(np.float32).tiny):
        return Refused(f"the smallest norm is {smallest:g}, whose square is another bound")
    count, sizes = channels(source), shape(source)
    if count is None or sizes is None:
        return Refused("the number of channels is not known")
    if not fills_blocks(count, block):
        return Refused(f"{count} channels do not fill the runtime's blocks of {block}: a reduction is faster")
    builder = NodeBuilder(node)
    ones = builder.constant(np.ones((1, count, 1, 1), dtype=np.float32), "ones")
    squares = builder.op("Mul", source, source)
    energy = builder.op("Conv", squares, ones, sizes=(sizes[0], 1, *sizes[2:]), kernel_shape=[1, 1])
    floor = builder.constant(np.array(smallest**2, dtype=np.float32), "smallest_energy")
    norm = builder.op("Sqrt", builder.op("Clip", energy, floor))
    replace(only_output(node), _spread(builder, source, norm, count) if block else builder.op("Div", source, norm))
    return Fired()


def _spread(builder: NodeBuilder, source: ir.Value, norm: ir.Value, count: int) -> ir.Value:
    """x · (1/‖x‖), the inverse norm repeated for each channel by a convolution with ones."""
    ones = builder.constant(np.ones((count, 1, 1, 1), dtype=np.float32), "ones_per_channel")
    inverse = builder.op("Conv", builder.op("Reciprocal", norm), ones, sizes=shape(source), kernel_shape=[1, 1])
    return builder.op("Mul", source, inverse)


def norm_of(value: ir.Value | None, divisor: ir.Value | None) -> tuple[ir.Value, float] | None:
    """(x, ε) where `divisor` is max(‖x‖₂ over channels, ε) and `value` is x, in float32."""
    clip = producer(divisor, "Clip", "Max")
    norm = producer(clip.inputs[0], "ReduceL2") if clip is not None else None
    if value is None or clip is None or norm is None or norm.inputs[0] is not value or len(clip.inputs) > 3:
        return None
    smallest = constant(operand(clip, 1))
    if smallest is None or smallest.size != 1 or smallest.dtype != np.float32 or operand(clip, 2) is not None:
        return None
    computed = constant(operand(norm, 1))  # the axes are an input from opset 18 on
    axes = ints(norm, "axes") if computed is None else tuple(computed.reshape(-1))
    if axes != (1,) or number(norm, "keepdims", 1) != 1:
        return None
    return value, float(smallest.reshape(()))
