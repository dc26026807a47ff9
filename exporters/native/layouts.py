"""A graph being written in which every value can stand in two layouts, plain and in blocks, and is reordered on demand.

Where a value has one pixel and whole blocks of channels the two layouts are the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from exporters.native.filters import padded
from exporters.native.operators import RUNTIME_DOMAIN
from exporters.native.writer import GraphWriter
from exporters.rules.graph import Array, shape

_REORDERED_AT_ONCE = 4  # `ReorderInput` wants a multiple of so many channels


class TwoLayouts:
    """The new graph of a model, written in the old one's order.

    Args:
        model: the plain graph; shapes are on its values.
        block: how many channels stand together.
    """

    def __init__(self, model: ir.Model, block: int) -> None:
        self.block, self._graph = block, GraphWriter(model)
        self._outputs = list(model.graph.outputs)
        self._plain, self._blocked = dict(self._graph.given), dict[ir.Value, ir.Value]()
        self._soiled = set[ir.Value]()  # whose last block is padded with other numbers than zero

    def can_be_blocked(self, value: ir.Value | None) -> bool:
        """Whether it is an image, float32 (N, C, H, W) of known size."""
        sizes = shape(value)
        return value is not None and sizes is not None and len(sizes) == 4 and value.dtype == ir.DataType.FLOAT

    def is_blocked(self, value: ir.Value | None) -> bool:
        """Whether it stands in blocks already."""
        return value is not None and (value in self._blocked or (value in self._plain and self._is_both(value)))

    def is_whole(self, value: ir.Value) -> bool:
        """Whether its channels fill their blocks."""
        return _channels(value) % self.block == 0

    def plain(self, value: ir.Value) -> ir.Value:
        """The value in the plain layout, behind a `ReorderOutput` where it is in blocks alone."""
        if value not in self._plain:
            made, attributes = ir.Value(name=value.name), {"channels": _channels(value)}
            self.node("ReorderOutput", [self._blocked[value]], [made], attributes, RUNTIME_DOMAIN)
            self._plain[value] = made
        return self._plain[value]

    def blocked(self, value: ir.Value) -> ir.Value:
        """The value in blocks, behind a `ReorderInput` where it is plain alone."""
        if value not in self._blocked:
            self._blocked[value] = self._plain[value] if self._is_both(value) else self._reordered(value)
        return self._blocked[value]

    def is_clean(self, value: ir.Value) -> bool:
        """Whether zeros pad its last block, where it stands in blocks."""
        return value not in self._soiled

    def cleaned(self, value: ir.Value) -> ir.Value:
        """The value in blocks, with zeros behind its channels."""
        if not self.is_clean(value):
            self.plain(value)
            self._blocked[value] = self._reordered(value)
            self._soiled.discard(value)
        return self.blocked(value)

    def made_blocked(self, value: ir.Value, clean: bool = True) -> ir.Value:
        """What a node in blocks gives for `value`; unless `clean`, what pads its last block may not be zero."""
        if not clean and not self.is_whole(value):
            self._soiled.add(value)
        if self._is_both(value):
            self._plain[value] = self._blocked[value] = ir.Value(name=value.name)
        else:
            self._blocked[value] = self._graph.named(f"{value.name}/blocked")
        return self._blocked[value]

    def node(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        outputs: Sequence[ir.Value],
        attributes: Mapping[str, Any],
        domain: str = "",
        name: str | None = None,
    ) -> None:
        """Write one node, whose inputs and outputs are values of the new graph; `name` is that of the old node."""
        self._graph.node(op_type, inputs, outputs, attributes, domain, name)

    def copy(self, node: ir.Node) -> None:
        """Write a node as it is, on plain values."""
        inputs = [None if value is None else self.plain(value) for value in node.inputs]
        made = {value: ir.Value(name=value.name) for value in node.outputs}
        self.node(node.op_type, inputs, list(made.values()), node.attributes, node.domain, node.name)
        self._plain |= made

    def constant(self, array: Array, name: str) -> ir.Value:
        """A new initializer."""
        return self._graph.constant(array, name)

    def finished(self, domains: Mapping[str, int]) -> ir.Model:
        """The model, with these domains beside ONNX's own."""
        return self._graph.finished([self.plain(value) for value in self._outputs], domains)

    def _is_both(self, value: ir.Value) -> bool:
        sizes = shape(value)
        return self.can_be_blocked(value) and sizes is not None and sizes[2:] == (1, 1) and self.is_whole(value)

    def _reordered(self, value: ir.Value) -> ir.Value:
        source, made = self._plain[value], self._graph.named(f"{value.name}/blocked")
        if _channels(value) % _REORDERED_AT_ONCE:
            source = self._padded(source, _channels(value))
        self.node("ReorderInput", [source], [made], {}, RUNTIME_DOMAIN)
        return made

    def _padded(self, source: ir.Value, count: int) -> ir.Value:
        """With channels of zeros behind, up to what can be reordered."""
        more = np.zeros(8, dtype=np.int64)
        more[5] = padded(count, _REORDERED_AT_ONCE) - count
        made = self._graph.named(f"{source.name}/padded")
        self.node("Pad", [source, self.constant(more, f"{source.name}/pads")], [made], {})
        return made


def _channels(value: ir.Value) -> int:
    sizes = shape(value)
    assert sizes is not None and len(sizes) == 4, f"{value.name} is an image"
    return sizes[1]
