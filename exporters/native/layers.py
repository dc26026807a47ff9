"""GroupNL layers, from the seed convolution to the activation, as one operator.

A sparse seed convolution with one filter a group becomes part of it; any other stays the runtime's.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from exporters.native.follow import Known, followed, is_closed
from exporters.native.maps import LINE, POST_SCALE, POST_SHIFT, PRE_SCALE, PRE_SHIFT, Maps
from exporters.native.nodes import layer_name, window, write
from exporters.native.operators import FUNCTIONS, GENERATE, GROUPNL
from exporters.rules.answers import NOT_MINE, Answer, Fired, Refused
from exporters.rules.graph import Array, NodeBuilder, constant, kind, number, only_output, operand, readers


@dataclass(frozen=True)
class Layer:
    """A GroupNL layer in a graph: its seed convolution with `seeds` filters, the value that it gives, and what
    that is of the seed maps, in so many `groups`.
    """

    conv: ir.Node
    seeds: int
    last: ir.Value
    maps: Maps
    groups: int

    @property
    def function(self) -> str:
        """By which maps are generated; the first where none are."""
        return str(self.maps.function[-1]) if len(self.maps) > self.seeds else next(iter(FUNCTIONS))

    @property
    def attributes(self) -> dict[str, Any]:
        """Those that both operators have."""
        return {
            "channels": len(self.maps),
            "nl_groups": self.groups,
            "function": FUNCTIONS[self.function],
            "normalize": int(self.maps.least is not None),
            "epsilon": self.maps.least or 0.0,
        }

    def __str__(self) -> str:
        normalised = "" if self.maps.least is None else ", normalised"
        return f"{self.function}, {self.seeds} → {len(self.maps)} channels{normalised}"


def native_layers(node: ir.Node) -> Answer:
    """Conv and all that makes a GroupNL layer of its maps → GroupNL, or Generate behind the Conv."""
    layer = _layer_behind(node)
    if not isinstance(layer, Layer):
        return layer
    rows = _inside(layer)
    with np.errstate(over="ignore"):
        numbers = (layer.maps.rows if rows is None else rows).astype(np.float32)
    if not np.isfinite(numbers).all():
        return Refused(f"{layer_name(node)}: its scales or shifts are beyond the range of single precision")
    builder, seeds = NodeBuilder(node), layer.seeds
    parameters = [builder.constant(numbers[POST_SCALE:, :seeds], "seed_maps")]
    parameters += [builder.constant(numbers[:, seeds:], "generated_maps")] if len(layer.maps) > seeds else []
    return _written(layer, parameters, rows is not None)


def _written(layer: Layer, parameters: list[ir.Value], inside: bool) -> Fired:
    node, (source, weight) = layer.conv, layer.conv.inputs[:2]
    assert source is not None and weight is not None, "a convolution has both"
    if not inside:
        write(node, GENERATE, only_output(node), *parameters, old=layer.last, **layer.attributes)
        return Fired(f"{layer_name(node)}: {GENERATE} behind the runtime's convolution, {layer}")
    how = window(node)
    assert not isinstance(how, Refused), "as `_inside` found"
    more: dict[str, Any] = {**layer.attributes, **how, "apart": 0}
    write(node, GROUPNL, source, weight, *parameters, old=layer.last, **more)
    return Fired(f"{layer_name(node)}: {GROUPNL}, {layer}")


def _layer_behind(node: ir.Node) -> Layer | Answer:
    """The layer whose seed convolution `node` is."""
    made, weight = only_output(node), constant(node.inputs[1])
    if weight is None or weight.ndim != 4 or weight.dtype != np.float32:
        return NOT_MINE
    seeds, name = len(weight), layer_name(node)
    known = followed(made, seeds)
    if not any(np.isin(maps.function, list(FUNCTIONS)).any() or maps.least is not None for maps in known.values()):
        return NOT_MINE
    whole = [value for value, maps in known.items() if _is_layer(maps, seeds)]
    if not whole:
        return Refused(f"{name}: {_why_none(known)}")
    last = next((value for value in reversed(whole) if is_closed(made, value)), None)
    if last is None:
        return Refused(f"{name}: something else reads what the layer computes on its way")
    groups = _groups(known[last], seeds)
    if groups is None:
        return Refused(f"{name}: its generated maps are in an order that the operator has not")
    return Layer(node, seeds, last, known[last], groups)


def _why_none(known: Known) -> str:
    """Why nothing that is made of the seed maps is a layer."""
    joins = {node for value in known for node in readers(value) if kind(node) == "Concat"}
    parts = [[known[value].least for value in node.inputs if value is not None and value in known] for node in joins]
    if any(len(set(each)) > 1 for each in parts):
        return "its seed maps are divided by their norm in one half alone, and the operator divides both"
    return "its seed and generated maps are not joined in a form that the operator has"


def _is_layer(maps: Maps, seeds: int) -> bool:
    """Whether the seed maps are the first channels, each scaled and shifted, and one function makes all others."""
    first, rest = maps.take(np.arange(min(seeds, len(maps)))), maps.function[seeds:]
    ordered = first.all_are(LINE) and np.array_equal(first.source, np.arange(seeds))
    generated = maps.least is not None if not len(rest) else rest[0] in FUNCTIONS and (rest == rest[0]).all()
    return bool(ordered and generated)


def _groups(maps: Maps, seeds: int) -> int | None:
    """The fewest blocks of seed maps whose copies are in the order that the operator has; None where none are."""
    each, copies = np.arange(len(maps) - seeds), max(-(-len(maps) // seeds) - 1, 1)
    for groups in range(1, seeds + 1):
        block = seeds // groups
        order = each // (copies * block) * block + each % block
        if not seeds % groups and np.array_equal(maps.source[seeds:], order):
            return groups
    return None


def _inside(layer: Layer) -> Array | None:
    """The rows of the layer of what its convolution gives without a bias; None where the operator cannot have it.

    It has one filter a group. Of maps that are divided by their norm the bias is none of the shifts.
    """
    conv, maps, given = layer.conv, layer.maps, operand(layer.conv, 2)
    bias = np.zeros(layer.seeds) if given is None else constant(given)
    if number(conv, "group", 1) != layer.seeds or isinstance(window(conv), Refused) or bias is None:
        return None
    if bias.any() and maps.least is not None:
        return None
    each, rows, line = bias.astype(np.float64)[maps.source], maps.rows.copy(), maps.function == LINE
    rows[POST_SHIFT] += np.where(line, rows[POST_SCALE] * each, 0)
    rows[PRE_SHIFT] += np.where(line, 0, rows[PRE_SCALE] * each)
    return rows
