"""Nodes of the operator set `groupnl.native`: how a rule writes one, and which a graph has."""

from collections import Counter
from typing import Any

import onnx
import onnx_ir as ir

from exporters.native.operators import ACTIVATIONS, DOMAIN, VERSION
from exporters.rules.answers import Refused
from exporters.rules.graph import (
    NodeBuilder,
    constant,
    ints,
    kind,
    only_output,
    operand,
    readers,
    real,
    replace,
    shape,
)

_HARD_SIGMOID = 1 / 6, 0.5


def write(before: ir.Node, op_type: str, *inputs: ir.Value, old: ir.Value, **attributes: Any) -> None:
    """Put an operator in the place of what made `old`, and of the activation behind it, called as of `before`."""
    graph = before.graph
    assert isinstance(graph, ir.Graph), "rules see nodes of a main graph"
    graph.opset_imports[DOMAIN] = VERSION
    activation, last = activation_behind(old)
    made = last.producer()
    assert made is not None, "a node made it"
    more = attributes | {"activation": ACTIVATIONS[activation], "block": 0}
    new = NodeBuilder(made, before).op(op_type, *inputs, domain=DOMAIN, sizes=shape(last), **more)
    replace(last, new)
    new.shape, new.type = last.shape, last.type


def native(value: ir.Value | None, *op_types: str) -> ir.Node | None:
    """The node that makes `value`, if it is one of these operators of ours."""
    node = None if value is None else value.producer()
    return node if node is not None and node.domain == DOMAIN and node.op_type in op_types else None


def native_operators(model: onnx.ModelProto) -> dict[str, int]:
    """How many nodes of each operator of ours a graph has, by name."""
    counted = Counter(node.op_type for node in model.graph.node if node.domain == DOMAIN)
    return dict(sorted(counted.items()))


def activation_behind(value: ir.Value) -> tuple[str, ir.Value]:
    """The activation that alone reads `value`, and what it gives; "none" and `value` itself where there is none."""
    found = None if value.is_graph_output() else _activation(value, readers(value))
    return found or ("none", value)


def layer_name(node: ir.Node) -> str:
    """Where in a network a node stands, for what is said of it."""
    return (node.name or only_output(node).name or node.op_type).rpartition("/")[0].strip("/") or node.op_type


def _activation(value: ir.Value, nodes: tuple[ir.Node, ...]) -> tuple[str, ir.Value] | None:
    names = [_named(node) for node in nodes]
    if len(nodes) == 1 and names[0] is not None:
        return names[0], only_output(nodes[0])
    for gate, swish in (("hardsigmoid", "hardswish"), ("sigmoid", "silu")):
        if len(nodes) != 2 or gate not in names:
            continue
        gated, product = (nodes[names.index(gate)], nodes[1 - names.index(gate)])
        factors = {value, only_output(gated)}
        alone = readers(only_output(gated)) == (product,) and not only_output(gated).is_graph_output()
        if kind(product) == "Mul" and set(product.inputs) == factors and alone:
            return swish, only_output(product)
    return None


def _named(node: ir.Node) -> str | None:
    """The activation that a node is, as the operator set calls it."""
    if kind(node) in ("Relu", "HardSwish", "Sigmoid"):
        return node.op_type.lower()
    if kind(node) == "HardSigmoid":
        given = tuple(round(real(node, name, default), 6) for name, default in (("alpha", 0.2), ("beta", 0.5)))
        return "hardsigmoid" if given == tuple(round(one, 6) for one in _HARD_SIGMOID) else None
    bounds = [constant(operand(node, index)) for index in (1, 2)] if kind(node) == "Clip" else []
    known = [float(bound.reshape(())) for bound in bounds if bound is not None and bound.size == 1]
    return "relu6" if known == [0.0, 6.0] else None


def window(conv: ir.Node) -> dict[str, tuple[int, ...]] | Refused:
    """Strides, pads (top, left, bottom, right) and dilations of a convolution over images, for one of our operators."""
    kernel = shape(conv.inputs[1])
    if kernel is None or len(kernel) != 4:
        return Refused("its filters are not those of images")
    strides, dilations = ints(conv, "strides", (1, 1)), ints(conv, "dilations", (1, 1))
    reach = [step * (size - 1) for size, step in zip(kernel[2:], dilations, strict=True)]
    pads = _pads(conv, strides, reach)
    if pads is None:
        return Refused("the size of its input is not known")
    if any(pad > most for pad, most in zip(pads, reach * 2, strict=True)):
        return Refused("it pads more than its filters reach over")
    return {"strides": strides, "pads": pads, "dilations": dilations}


def _pads(conv: ir.Node, strides: tuple[int, ...], reach: list[int]) -> tuple[int, ...] | None:
    """As the node says, or as it lets the runtime choose them; None where that depends on sizes that are not known."""
    chosen = conv.attributes.get("auto_pad")
    how = "NOTSET" if chosen is None else chosen.as_string()
    if not how.startswith("SAME"):
        return ints(conv, "pads", (0, 0, 0, 0)) if how == "NOTSET" else (0, 0, 0, 0)
    sizes = shape(conv.inputs[0])
    if sizes is None:
        return None
    total = [
        max((-(-pixels // stride) - 1) * stride + more + 1 - pixels, 0)
        for pixels, stride, more in zip(sizes[2:], strides, reach, strict=True)
    ]
    less, rest = [each // 2 for each in total], [each - each // 2 for each in total]
    return (*less, *rest) if how == "SAME_UPPER" else (*rest, *less)
