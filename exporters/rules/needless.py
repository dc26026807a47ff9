"""Nodes of `expand`, `repeat` and `split` that change nothing, or nothing that their readers would see."""

import onnx_ir as ir

from exporters.rules.answers import NOT_MINE, Answer, Fired, Refused
from exporters.rules.graph import (
    BINARY,
    constant,
    kind,
    number_of_axis,
    only_output,
    producer,
    readers,
    replace,
    same_shape,
)


def drop_expand(node: ir.Node) -> Answer:
    """op(x, Expand(y)) = op(x, y) where x alone has the result's shape already."""
    expanded, source = only_output(node), node.inputs[0]
    if source is None:
        return NOT_MINE
    if expanded.is_graph_output():
        return Refused("the expanded tensor is an output")
    for reader in readers(expanded):
        others = [value for value in reader.inputs if value is not expanded]
        other = others[0] if len(others) == 1 else None
        full = _is_shape_of(node.inputs[1], other) or same_shape(other, only_output(reader))
        if kind(reader) not in BINARY or not full:
            return Refused(f"{reader.op_type} needs the expanded tensor")
    replace(expanded, source)
    return Fired()


def _is_shape_of(sizes: ir.Value | None, value: ir.Value | None) -> bool:
    """Whether `sizes` is Shape(value), whatever that will be."""
    made = producer(sizes, "Shape")
    return made is not None and value is not None and made.inputs[0] is value and not made.attributes


def drop_identity_tile(node: ir.Node) -> Answer:
    """Tile(x, 1 … 1) = x. With r = 2 every copy that GroupNL makes is this one."""
    source, repeats = node.inputs[0], constant(node.inputs[1])
    if source is None:
        return NOT_MINE
    if repeats is None:
        return Refused("the number of copies is computed")
    if not (repeats == 1).all():
        return NOT_MINE
    replace(only_output(node), source)
    return Fired()


def rejoin_split(node: ir.Node) -> Answer:
    """Concat(Split(x)) = x, all parts in their order on the same axis."""
    split = producer(node.inputs[0], "Split")
    if split is None or list(node.inputs) != list(split.outputs):
        return NOT_MINE
    source = split.inputs[0]
    if source is None or number_of_axis(node) != number_of_axis(split):
        return NOT_MINE
    replace(only_output(node), source)
    return Fired()
