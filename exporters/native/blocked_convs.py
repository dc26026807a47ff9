"""Convolutions in blocks, each with what is computed inside it."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import onnx_ir as ir

from exporters.native.filters import apart_order, in_and_out_blocks, out_blocks, pad_axis, padded
from exporters.native.fusions import Fused, fusions
from exporters.native.layouts import TwoLayouts
from exporters.native.operators import DOMAIN, GROUPNL, RUNTIME_DOMAIN
from exporters.native.shapes import constant_of
from exporters.rules.graph import Array, constant, kind, known_convolution, number, only_output, only_reader, operand

Form = Literal["dense", "grouped", "depthwise"]
_WINDOW = ("strides", "pads", "dilations", "auto_pad")


class BlockedConvs:
    """The convolutions of a graph that can be in blocks, and the nodes that are computed inside them.

    `apart` has the sparse GroupNL layers before which a convolution's filters were written in another order.
    """

    def __init__(self, out: TwoLayouts, nodes: Sequence[ir.Node]) -> None:
        self._out, self.apart = out, set[ir.Node]()
        fused = fusions([node for node in nodes if self._form(node) is not None]).values()
        self._by_last = {one.last: one for one in fused}
        self._inside = {node for one in fused for node in (one.conv, *one.inner)}

    def takes(self, node: ir.Node) -> bool:
        """Whether the node is one of them, or computed inside one."""
        return node in self._inside

    def write(self, node: ir.Node) -> None:
        """Write the convolution that ends with this node, if one does: all that it reads is there by then."""
        fused = self._by_last.get(node)
        if fused is None:
            return
        weight, bias = self._constants(fused)
        source, stored, group = self._stored(fused.conv, weight)
        inputs: list[ir.Value | None] = [source, self._constant(stored, fused, "filters"), None, None]
        if bias is not None:
            inputs[2] = self._constant(pad_axis(bias, 0, len(stored)), fused, "bias")
        if fused.residual is not None:
            inputs[3] = self._out.blocked(fused.residual)
        while inputs[-1] is None:
            inputs.pop()
        window = {name: fused.conv.attributes[name] for name in _WINDOW if name in fused.conv.attributes}
        more = {"kernel_shape": list(weight.shape[2:]), "group": group} | _activation(fused)
        made = self._out.made_blocked(fused.result, _is_clean(self._out, fused))
        self._out.node("Conv", inputs, [made], window | more, RUNTIME_DOMAIN, fused.conv.name)

    def _form(self, node: ir.Node) -> Form | None:
        """Which kind of the runtime's convolutions in blocks this is; None for none of them."""
        if kind(node) != "Conv" or not known_convolution(node):
            return None
        if not all(self._out.can_be_blocked(value) for value in (node.inputs[0], only_output(node))):
            return None
        (filters, inputs, *_), group = constant_of(node, 1).shape, number(node, "group", 1)
        if group == 1:
            return "dense"
        if inputs == 1 and filters == group:
            return "depthwise"
        each = filters // group
        return None if inputs % self._out.block or each % self._out.block else "grouped"

    def _constants(self, fused: Fused) -> tuple[Array, Array | None]:
        """Filters and bias, in the order that the sparse layer behind likes best, if there is one."""
        weight, bias = constant_of(fused.conv, 1), constant(operand(fused.conv, 2))
        layer = only_reader(fused.result)
        if layer is None or fused.residual is not None or self._form(fused.conv) != "dense":
            return weight, bias
        if (layer.domain, layer.op_type) != (DOMAIN, GROUPNL):
            return weight, bias
        seeds, inputs = constant_of(layer, 1).shape[:2]
        if inputs == 1 or seeds < self._out.block:
            return weight, bias
        self.apart.add(layer)
        order = np.array(apart_order(seeds, inputs, self._out.block))
        return weight[order], None if bias is None else bias[order]

    def _stored(self, conv: ir.Node, weight: Array) -> tuple[ir.Value, Array, int]:
        """What is read, the filters as the runtime stores them for that, and the number of groups."""
        out, source, form = self._out, conv.inputs[0], self._form(conv)
        assert source is not None, "a convolution reads images"
        if form == "depthwise":
            return out.blocked(source), out_blocks(weight, out.block), padded(len(weight), out.block)
        if form == "dense" and weight.shape[1] < out.block and not out.is_blocked(source):
            return out.plain(source), out_blocks(weight, out.block), 1
        return out.blocked(source), in_and_out_blocks(weight, out.block), number(conv, "group", 1)

    def _constant(self, array: Array, fused: Fused, role: str) -> ir.Value:
        return self._out.constant(array, f"{fused.conv.name or fused.result.name}/{role}")


def _is_clean(out: TwoLayouts, fused: Fused) -> bool:
    """Whether zeros pad the result: filters and bias have zeros there."""
    added, activation = fused.residual, fused.activation
    return (added is None or out.is_clean(added)) and (activation is None or activation.keeps_zero)


def _activation(fused: Fused) -> dict[str, Any]:
    if fused.activation is None:
        return {}
    params = {"activation_params": list(fused.activation.params)} if fused.activation.params else {}
    return {"activation": fused.activation.name, **params}
