"""Convolutions over single pixels with the sum and the activation behind them, as one operator."""

import numpy as np
import onnx_ir as ir

from exporters.native.nodes import activation_behind, layer_name, window, write
from exporters.native.operators import POINTWISE
from exporters.rules.answers import NOT_MINE, Answer, Fired, Refused
from exporters.rules.graph import NodeBuilder, constant, number, only_output, only_reader, operand, same_shape, shape

_AS_IT_IS = {"strides": (1, 1), "pads": (0, 0, 0, 0)}
# ONNX Runtime multiplies large matrices as fast as we do; it is slow where a map has one pixel or few, and its
# HardSwish and SiLU are passes of their own.
FEW_PIXELS = 256
_PASSES_OF_THEIR_OWN = ("hardswish", "silu", "hardsigmoid", "sigmoid")


def native_pointwise(node: ir.Node) -> Answer:
    """act(Conv(x) + r) with filters of one pixel → Pointwise, with r and the activation inside, where it pays."""
    weight, bias = constant(node.inputs[1]), constant(operand(node, 2))
    if weight is None or weight.shape[2:] != (1, 1) or number(node, "group", 1) != 1 or weight.dtype != np.float32:
        return NOT_MINE
    if bias is None and operand(node, 2) is not None:
        return Refused(f"{layer_name(node)}: its bias is computed")
    how = window(node)
    if isinstance(how, Refused) or any(how[name] != plain for name, plain in _AS_IT_IS.items()):
        return Refused(f"{layer_name(node)}: it leaves pixels out or adds some")
    last, residual = _with_sum(only_output(node))
    if not _pays(last):
        return Refused("the runtime is as fast at large maps without an activation that is a pass of its own")
    builder, source = NodeBuilder(node), node.inputs[0]
    assert source is not None, "a convolution has an input"
    filters, shifts = weight.reshape(weight.shape[:2]), np.zeros(len(weight), np.float32) if bias is None else bias
    inputs = [source, builder.constant(filters, "weight"), builder.constant(shifts, "bias"), *residual]
    write(node, POINTWISE, *inputs, old=last)
    return Fired("with a residual" if residual else "")


def _pays(made: ir.Value) -> bool:
    """Whether the operator is faster than the runtime, by what it gives before the activation."""
    sizes = shape(made)
    few = sizes is not None and sizes[2] * sizes[3] <= FEW_PIXELS
    return few or activation_behind(made)[0] in _PASSES_OF_THEIR_OWN


def _with_sum(made: ir.Value) -> tuple[ir.Value, list[ir.Value]]:
    """The sum with maps of the same shape that alone reads `made`, and these maps; else `made` and none."""
    added = only_reader(made, "Add")
    other = None if added is None else next((value for value in added.inputs if value is not made), None)
    if added is None or other is None or constant(other) is not None or not same_shape(made, other):
        return made, []
    return only_output(added), [other]
