"""Everything but convolutions in blocks: native operators, pools, what is computed number by number, concatenations."""

from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir

from exporters.native.layouts import TwoLayouts
from exporters.native.operators import ACTIVATIONS, DOMAIN, GENERATE, GROUPNL, POINTWISE, RUNTIME_DOMAIN, SCALE
from exporters.rules.graph import constant, kind, number, number_of_axis, only_output, operand, same_shape, shape

# What they make of the numbers that pad a block stays finite.
_KEEPS_ZERO = {"Abs", "Elu", "Erf", "HardSwish", "Identity", "LeakyRelu", "Neg", "Relu", "Sign", "Sin", "Sqrt", "Tanh"}
_NEEDS_ZERO = {"Exp", "Sqrt"}  # of zero they make a number, of another one perhaps none
_UNARY = _KEEPS_ZERO | {"Clip", "Cos", "Exp", "HardSigmoid", "Sigmoid", "Softplus"}
_BINARY = {"Add", "Max", "Min", "Mul", "Sub", "Sum"}
_POOLS = {"AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"}
_POOL_ATTRIBUTES = ("kernel_shape", "strides", "pads", "dilations", "auto_pad", "ceil_mode", "count_include_pad")


class NativeNodes:
    """Native operators, with the attribute `block`.

    Args:
        out: what is written to.
        apart: the sparse layers whose channels were put apart.
    """

    def __init__(self, out: TwoLayouts, apart: set[ir.Node]) -> None:
        self._out, self._apart = out, apart

    def write(self, node: ir.Node) -> bool:
        """Write one in blocks. False where it has to stay plain."""
        images = [node.inputs[0], *(node.inputs[1:] if node.op_type == SCALE else ())]
        if node.op_type == POINTWISE or not all(self._out.can_be_blocked(value) for value in (*images, *node.outputs)):
            return False
        sums_channels = node.op_type == GENERATE and number(node, "normalize", 0)
        standing = self._out.cleaned if sums_channels else self._out.blocked
        inputs = [standing(value) for value in images if value is not None]
        inputs += [self._out.plain(value) for value in node.inputs[len(images) :] if value is not None]
        more = {"apart": int(node in self._apart)} if node.op_type == GROUPNL else {}
        attributes = dict(node.attributes) | {"block": self._out.block} | more
        self._out.node(
            node.op_type, inputs, [self._out.made_blocked(value) for value in node.outputs], attributes, DOMAIN
        )
        return True


def _pool(out: TwoLayouts, node: ir.Node) -> bool:
    source = node.inputs[0]
    if source is None or not out.is_blocked(source) or len(node.outputs) > 1:
        return False
    if kind(node) == "AveragePool" and "dilations" in node.attributes:
        return False
    if not out.can_be_blocked(only_output(node)):
        return False
    attributes = {name: node.attributes[name] for name in _POOL_ATTRIBUTES if name in node.attributes}
    made = out.made_blocked(only_output(node), out.is_clean(source))
    out.node(kind(node), [out.blocked(source)], [made], attributes, RUNTIME_DOMAIN)
    return True


def _unary(out: TwoLayouts, node: ir.Node) -> bool:
    source = node.inputs[0]
    if source is None or not out.is_blocked(source):
        return False
    standing = out.cleaned if kind(node) in _NEEDS_ZERO else out.blocked
    inputs = [standing(source), *(value and out.plain(value) for value in node.inputs[1:])]
    made = out.made_blocked(only_output(node), kind(node) in _KEEPS_ZERO and out.is_clean(source))
    out.node(kind(node), inputs, [made], node.attributes)
    return True


def _binary(out: TwoLayouts, node: ir.Node) -> bool:
    """Images of one shape, or with single numbers; or images and a gate."""
    result = only_output(node)
    images = [value for value in node.inputs if not _is_single(value)]
    if not images or not all(out.is_blocked(value) for value in images):
        return False
    if not all(same_shape(value, result) for value in images):
        return kind(node) == "Mul" and _gate(out, node)
    inputs = [value and (out.plain(value) if _is_single(value) else out.blocked(value)) for value in node.inputs]
    clean = len(images) == len(node.inputs) and all(out.is_clean(value) for value in images if value is not None)
    out.node(kind(node), inputs, [out.made_blocked(result, clean)], node.attributes)
    return True


def _is_single(value: ir.Value | None) -> bool:
    array = constant(value)
    return array is not None and array.size == 1


def _gate(out: TwoLayouts, node: ir.Node) -> bool:
    """Images times one number a channel."""
    result = only_output(node)
    for images, gate in (node.inputs, reversed(node.inputs)):
        sizes, few = shape(images), shape(gate)
        if sizes is None or few is None or images is None or gate is None or few != (*sizes[:2], 1, 1):
            continue
        if same_shape(images, result):
            attributes = {"activation": ACTIVATIONS["none"], "block": out.block}
            made = out.made_blocked(result, out.is_clean(images))
            out.node(SCALE, [out.blocked(images), out.blocked(gate)], [made], attributes, DOMAIN)
            return True
    return False


def _concat(out: TwoLayouts, node: ir.Node) -> bool:
    """Channels behind channels, where whole blocks stand before the last."""
    values = [value for value in node.inputs if value is not None]
    if number_of_axis(node) != 1 or not all(out.is_blocked(value) for value in values):
        return False
    if not all(out.is_whole(value) for value in values[:-1]):
        return False
    made = out.made_blocked(only_output(node), out.is_clean(values[-1]))
    out.node("Concat", [out.blocked(value) for value in values], [made], {"axis": 1})
    return True


def _resize(out: TwoLayouts, node: ir.Node) -> bool:
    """Every pixel several times, whole numbers of it."""
    source, result = node.inputs[0], only_output(node)
    scales, before, after = constant(operand(node, 2)), shape(source), shape(result)
    if source is None or not out.is_blocked(source) or before is None or after is None or scales is None:
        return False
    times = [1, 1, after[2] // before[2], after[3] // before[3]]
    asked = {name: attribute.as_string() for name, attribute in node.attributes.items() if name in _NEAREST}
    if len(node.inputs) != 3 or asked != _NEAREST or not np.array_equal(scales, times):
        return False
    made = out.made_blocked(result, out.is_clean(source))
    out.node("Upsample", [out.blocked(source)], [made], {"scales": times}, RUNTIME_DOMAIN)
    return True


_NEAREST = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}

NODES: Mapping[str, Callable[[TwoLayouts, ir.Node], bool]] = {
    **dict.fromkeys(_POOLS, _pool),
    **dict.fromkeys(_UNARY, _unary),
    **dict.fromkeys(_BINARY, _binary),
    "Concat": _concat,
    "Resize": _resize,
}
"""By operator: writes the node in blocks, or says that it cannot."""
