"""Depthwise convolutions with all that scales and shifts their maps, and the activation behind, as one operator."""

import numpy as np
import onnx_ir as ir

from exporters.native.follow import followed, is_closed
from exporters.native.maps import LINE, POST_SCALE, Maps
from exporters.native.nodes import layer_name, window, write
from exporters.native.operators import DEPTHWISE
from exporters.rules.answers import NOT_MINE, Answer, Fired, Refused
from exporters.rules.graph import NodeBuilder, constant, number, only_output, operand, shape


def native_depthwise(node: ir.Node) -> Answer:
    """Conv with one channel and one filter a group → Depthwise; filters of one pixel are the runtime's."""
    sizes, group = shape(node.inputs[1]), number(node, "group", 1)
    if sizes is None or len(sizes) != 4 or sizes[:2] != (group, 1) or sizes[2:] == (1, 1):
        return NOT_MINE
    if only_output(node).dtype != ir.DataType.FLOAT:
        return NOT_MINE
    name, weight, bias = layer_name(node), constant(node.inputs[1]), constant(operand(node, 2))
    if weight is None or (bias is None and operand(node, 2) is not None):
        return Refused(f"{name}: its filters or bias are computed")
    how = window(node)
    if isinstance(how, Refused):
        return Refused(f"{name}: {how.reason}")
    made = only_output(node)
    known = followed(made, group)
    last = next(value for value in reversed(known) if _is_scaled(known[value]) and is_closed(made, value))
    scale, shift = known[last].rows[POST_SCALE:]
    builder = NodeBuilder(node)
    filters = weight.astype(np.float64) * scale.reshape(-1, 1, 1, 1)
    shifts = shift if bias is None else scale * bias.astype(np.float64) + shift
    numbers = (
        builder.constant(values.astype(np.float32), role) for values, role in ((filters, "weight"), (shifts, "bias"))
    )
    assert node.inputs[0] is not None, "a convolution has an input"
    write(node, DEPTHWISE, node.inputs[0], *numbers, old=last, **how)
    return Fired(f"{name}: {DEPTHWISE}, {sizes[2]}x{sizes[3]}, {group} channels")


def _is_scaled(maps: Maps) -> bool:
    """Whether they are the maps of the convolution in their order, scaled and shifted."""
    return maps.least is None and maps.all_are(LINE) and np.array_equal(maps.source, np.arange(len(maps)))
