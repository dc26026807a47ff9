"""Convolutions over single pixels with the sum and the activation behind them, as one operator."""

import numpy as np
import onnx_ir as ir

from exporters.native.nodes import layer_name, window, write
from exporters.native.operators import POINTWISE
from exporters.rules.answers import NOT_MINE, Answer, Fired, Refused
from exporters.rules.graph import NodeBuilder, constant, number, only_output, only_reader, operand, same_shape

_AS_IT_IS = {"strides": (1, 1), "pads": (0, 0, 0, 0)}


def native_pointwise(node: ir.Node) -> Answer:
    """act(Conv(x) + r) with filters of one pixel → Pointwise, of which r and the activation are parts."""
    weight, bias = constant(node.inputs[1]), constant(operand(node, 2))
    if weight is None or weight.shape[2:] != (1, 1) or number(node, "group", 1) != 1 or weight.dtype != np.float32:
        return NOT_MINE
    if bias is None and operand(node, 2) is not None:
        return Refused(f"{layer_name(node)}: its bias is computed")
    how = window(node)
    if how is None or any(how[name] != plain for name, plain in _AS_IT_IS.items()):
        return Refused(f"{layer_name(node)}: it leaves pixels out or adds some")
    builder, source = NodeBuilder(node), node.inputs[0]
    assert source is not None, "a convolution has an input"
    filters, shifts = weight.reshape(weight.shape[:2]), np.zeros(len(weight), np.float32) if bias is None else bias
    last, residual = _with_sum(only_output(node))
    inputs = [source, builder.constant(filters, "weight"), builder.constant(shifts, "bias"), *residual]
    write(node, POINTWISE, *inputs, old=last)
    return Fired("with a residual" if residual else "")


def _with_sum(made: ir.Value) -> tuple[ir.Value, list[ir.Value]]:
    """The sum with maps of the same shape that alone reads `made`, and these maps; else `made` and none."""
    added = only_reader(made, "Add")
    other = None if added is None else next((value for value in added.inputs if value is not made), None)
    if added is None or other is None or constant(other) is not None or not same_shape(made, other):
        return made, []
    return only_output(added), [other]
