"""Follows a graph from seed maps on, node by node, and says what every value is of them, as far as it is `Maps`."""

from collections import deque
from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir

from exporters.native import maps
from exporters.native.maps import Maps
from exporters.rules.copies import repeated
from exporters.rules.graph import (
    Array,
    constant,
    ints,
    kind,
    number,
    number_of_axis,
    operand,
    readers,
)
from exporters.rules.normalise import norm_of
from exporters.rules.steps import per_channel, step_of

Known = Mapping[ir.Value, Maps]
_UNARY: Mapping[str, Callable[[Maps], Maps | None]] = {
    "Abs": maps.absolute,
    "Exp": maps.exponential,
    "Identity": lambda of: of,
    "Neg": lambda of: of.then(-np.ones(len(of)), np.zeros(len(of))),
    "Sign": maps.sign,
    "Sin": maps.sine,
}


def followed(seeds: ir.Value, count: int) -> dict[ir.Value, Maps]:
    """Every value that is made of `count` seed maps alone and can be said, in an order in which each follows its own.

    The seed maps are the first.
    """
    known = {seeds: maps.seed_maps(count)}
    waiting = deque(readers(seeds))
    while waiting:
        node = waiting.popleft()
        for value, found in zip(node.outputs, _made(node, known), strict=False):
            if found is not None and value not in known:
                known[value] = found
                waiting.extend(readers(value))
    return known


def between(seeds: ir.Value, last: ir.Value) -> frozenset[ir.Node]:
    """The nodes that make `last` of the seed maps."""
    found, waiting = set[ir.Node](), [last]
    while waiting:
        value = waiting.pop()
        made = None if value is seeds else value.producer()
        if made is not None and made not in found:
            found.add(made)
            waiting.extend(one for one in made.inputs if one is not None)
    return frozenset(found)


def is_closed(seeds: ir.Value, last: ir.Value) -> bool:
    """Whether nothing but what makes `last` reads the seed maps and what is made of them on the way."""
    if last is seeds:
        return True
    nodes = between(seeds, last)
    inner = [seeds, *(value for node in nodes for value in node.outputs if value is not last)]
    return not any(value.is_graph_output() or set(readers(value)) - nodes for value in inner)


def _made(node: ir.Node, known: Known) -> list[Maps | None]:
    """What the node's outputs are, in their order; None for what cannot be said."""
    name, first = kind(node), None if not node.inputs else known.get(node.inputs[0])  # type: ignore[arg-type]
    if name == "Concat":
        return [_joined(node, known)]
    if name in ("Add", "Sub", "Mul", "Div", "BatchNormalization", "Conv"):
        return [_stepped(node, known)]
    if first is None:
        return []
    if name == "Split":
        return _split(node, first)
    if name in _UNARY:
        return [_UNARY[name](first)]
    if name == "Pow":
        exponent = per_channel(operand(node, 1), len(first))
        return [None if exponent is None else maps.power(first, exponent)]
    chosen = _CHOICES[name](node, len(first)) if name in _CHOICES else None
    return [None if chosen is None else first.take(chosen)]


def _stepped(node: ir.Node, known: Known) -> Maps | None:
    """A linear step; else a product of two maps, or one divided by the norm."""
    step = step_of(node)
    if step is not None:
        source = known.get(step.source)
        if source is None or source.rounds_on_purpose(step.scale, step.shift):
            return None
        return source.then(step.scale, step.shift)
    if kind(node) not in ("Mul", "Div"):
        return None
    one, other = (None if value is None else known.get(value) for value in node.inputs)
    if kind(node) == "Mul":
        return None if one is None or other is None else maps.product(one, other)
    norm = norm_of(*node.inputs)
    seeds = len(next(iter(known.values())))
    return None if norm is None or one is None else maps.divided_by_norm(one, seeds, norm[1])


def _joined(node: ir.Node, known: Known) -> Maps | None:
    parts = [known.get(value) for value in node.inputs if value is not None]
    found = [part for part in parts if part is not None]
    return maps.joined(found) if len(found) == len(parts) and number_of_axis(node) == 1 else None


def _split(node: ir.Node, whole: Maps) -> list[Maps | None]:
    sizes = constant(operand(node, 1))
    each = len(whole) // len(node.outputs)
    lengths = ints(node, "split", [each] * len(node.outputs)) if sizes is None else [int(size) for size in sizes]
    computed = operand(node, 1) is not None and sizes is None
    if number_of_axis(node) != 1 or computed or sum(lengths) != len(whole):
        return []
    ends = np.cumsum(lengths)
    return [whole.take(np.arange(end - length, end)) for end, length in zip(ends, lengths, strict=True)]


def _tiled(node: ir.Node, count: int) -> Array | None:
    copies = repeated(node)
    return np.tile(np.arange(count), copies) if copies else None


def _sliced(node: ir.Node, count: int) -> Array | None:
    given = [constant(value) for value in node.inputs[1:]]
    if len(given) < 3 or any(values is None or values.size != 1 for values in given):
        return None
    starts, ends, axes, *steps = (int(values.reshape(())) for values in given if values is not None)
    return np.arange(count)[slice(starts, ends, *steps)] if axes in (1, -3) else None


def _gathered(node: ir.Node, count: int) -> Array | None:
    chosen = constant(operand(node, 1))
    if chosen is None or chosen.ndim != 1 or number(node, "axis", 0) not in (1, -3):
        return None
    every: Array = np.arange(count)[chosen]
    return every


_CHOICES: Mapping[str, Callable[[ir.Node, int], Array | None]] = {
    "Tile": _tiled,
    "Slice": _sliced,
    "Gather": _gathered,
}
