"""The inverse of `in_blocks`, from the file alone: a graph in blocks → the same graph in the plain layout.

It is for the proof of a file in blocks that this machine's runtime does not have. Images keep the channels that pad
their last block, so that whatever a node in blocks does to those is seen too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from exporters.native.filters import apart_order, from_in_and_out_blocks, from_out_blocks
from exporters.native.operators import DOMAIN, GENERATE, GROUPNL, RUNTIME_DOMAIN, SCALE, VERSION
from exporters.native.shapes import constant_of
from exporters.native.writer import GraphWriter
from exporters.rules.graph import Array, number, only_output

_POOLS = {"AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"}
_EVERY = 2**31  # more channels than there are


def out_of_blocks(model: ir.Model, block: int) -> ir.Model:
    """The plain graph of one in blocks of so many channels, which stays as it is."""
    work = _Unblocking(model, block)
    for node in model.graph:
        work.write(node)
    return work.finished()


class _Unblocking:
    """The plain graph being written, and what stands in it for each value of the one in blocks."""

    def __init__(self, model: ir.Model, block: int) -> None:
        self._block, self._out, self._outputs = block, GraphWriter(model), list(model.graph.outputs)
        self._values = dict(self._out.given)

    def write(self, node: ir.Node) -> None:
        """Write what a node computes on plain images."""
        if node.domain == RUNTIME_DOMAIN:
            self._values[only_output(node)] = self._of_the_runtime(node)
        elif node.domain == DOMAIN and number(node, "block", 0):
            self._native(node)
        else:
            made = {value: self._out.named(value.name) for value in node.outputs}
            self._out.node(node.op_type, self._inputs(node), list(made.values()), node.attributes, node.domain)
            self._values |= made

    def finished(self) -> ir.Model:
        """The whole model."""
        return self._out.finished([self._values[value] for value in self._outputs], {DOMAIN: VERSION})

    def _of_the_runtime(self, node: ir.Node) -> ir.Value:
        images = self._inputs(node)[0]
        assert images is not None, "each reads images"
        match node.op_type:
            case "Conv":
                return self._conv(node)
            case "ReorderInput":
                return self._in_whole_blocks(images)
            case "ReorderOutput":
                return self._first(images, number(node, "channels", 0))
            case "Upsample":
                return self._resized(images, node)
        assert node.op_type in _POOLS, f"`in_blocks` writes no {node.op_type}"
        return self._op(node.op_type, [images], node.attributes)

    def _conv(self, node: ir.Node) -> ir.Value:
        images, _, bias, residual = (*self._inputs(node), None, None)[:4]
        weight = self._out.constant(_plain_filters(node, self._block), f"{node.name}/filters")
        kept = {name: value for name, value in node.attributes.items() if not name.startswith("activation")}
        made = self._op("Conv", [images, weight, *([] if bias is None else [bias])], kept)
        if residual is not None:
            made = self._op("Add", [made, residual])
        name = node.attributes.get("activation")
        if name is None:
            return made
        params = node.attributes.get("activation_params")
        return self._activated(made, name.as_string(), () if params is None else tuple(params.as_floats()))

    def _activated(self, value: ir.Value, name: str, params: Sequence[float]) -> ir.Value:
        if name == "Clip":
            bounds = [self._out.constant(np.array(bound, dtype=np.float32), "bound") for bound in params]
            return self._op(name, [value, *bounds])
        if name == "HardSwish":
            return self._op("Mul", [value, self._activated(value, "HardSigmoid", params)])
        return self._op(name, [value], dict(zip(("alpha", "beta"), params, strict=False)))

    def _native(self, node: ir.Node) -> None:
        """The same operator between images without the channels that pad, which are put back behind it."""
        plain = self._inputs(node)
        attributes: dict[str, Any] = dict(node.attributes) | {"block": 0}
        before, after = _channels_of(node)
        images = plain[0]
        assert images is not None, "a native operator reads images"
        plain[0] = images = self._first(images, before)
        if node.op_type == GROUPNL:
            attributes["apart"] = 0
            if number(node, "apart", 0):
                plain[0] = self._together(images, node)
        made = [self._out.named(value.name) for value in node.outputs]
        self._out.node(node.op_type, plain, made, attributes, DOMAIN)
        for value, given in zip(node.outputs, made, strict=True):
            self._values[value] = given if after == _EVERY else self._in_whole_blocks(given)

    def _together(self, images: ir.Value, layer: ir.Node) -> ir.Value:
        """Channels back from where they lie apart."""
        seeds, inputs = constant_of(layer, 1).shape[:2]
        order = apart_order(seeds, inputs, self._block)
        places = self._out.constant(np.argsort(order), f"{layer.name}/places")
        return self._op("Gather", [images, places], {"axis": 1})

    def _first(self, images: ir.Value, count: int) -> ir.Value:
        """The first channels."""
        if count == _EVERY:
            return images
        ends = [self._out.constant(np.array([end]), "end") for end in (0, count, 1)]
        return self._op("Slice", [images, *ends])

    def _in_whole_blocks(self, images: ir.Value) -> ir.Value:
        """With channels of zeros up to whole blocks; only a run tells how many there are."""
        one, block = (self._out.constant(np.array([number]), "number") for number in (1, self._block))
        count = self._op("Gather", [self._op("Shape", [images]), one])
        missing = self._op("Mod", [self._op("Neg", [count]), block])
        before, after = (self._out.constant(np.zeros(zeros, dtype=np.int64), "zeros") for zeros in (5, 2))
        return self._op("Pad", [images, self._op("Concat", [before, missing, after], {"axis": 0})])

    def _resized(self, images: ir.Value, node: ir.Node) -> ir.Value:
        scales = self._out.constant(np.array(node.attributes["scales"].as_ints(), dtype=np.float32), "scales")
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self._op("Resize", [images, None, scales], how)

    def _inputs(self, node: ir.Node) -> list[ir.Value | None]:
        return [None if value is None else self._values[value] for value in node.inputs]

    def _op(
        self, op_type: str, inputs: Sequence[ir.Value | None], attributes: Mapping[str, Any] | None = None
    ) -> ir.Value:
        made = self._out.named(op_type)
        self._out.node(op_type, inputs, [made], attributes)
        return made


def _plain_filters(conv: ir.Node, block: int) -> Array:
    """The filters of a convolution in blocks in ONNX's order, with those that pad."""
    stored, group = constant_of(conv, 1), number(conv, "group", 1)
    one_a_channel = group > 1 and stored.shape[1] == 1
    reads_plain = group == 1 and stored.shape[1] < block
    return (from_out_blocks if one_a_channel or reads_plain else from_in_and_out_blocks)(stored, block)


def _channels_of(node: ir.Node) -> tuple[int, int]:
    """How many channels a native operator reads and gives; `Scale` as many as there are, those that pad too."""
    if node.op_type == SCALE:
        return _EVERY, _EVERY
    if node.op_type == GENERATE:
        return constant_of(node, 1).shape[1], number(node, "channels", 0)
    filters, inputs = constant_of(node, 1).shape[:2]
    return filters * inputs, number(node, "channels", filters)
