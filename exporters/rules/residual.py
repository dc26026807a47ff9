"""The sum that takes a concatenation's place, in an order that the runtime fuses.

W·[a; b] + x is W_a·a + W_b·b + x. ONNX Runtime lets a convolution take one sum along, and the activation behind it::

    (W_a·a + W_b·b) + x    the last sum and the activation are passes of their own
    W_b·b + (W_a·a + x)    each convolution takes one
"""

import onnx_ir as ir

from exporters.rules.answers import NOT_MINE, Answer, Fired
from exporters.rules.graph import NodeBuilder, only_output, only_reader, producer, replace, shape


def reassociate_residual(node: ir.Node) -> Answer:
    """Add(Add(conv_a, conv_b), x) → Add(conv_b, Add(conv_a, x)), x being no convolution itself."""
    for inner, other in (node.inputs, reversed(node.inputs)):
        convs = _two_convolutions(inner)
        if convs is None or other is None or producer(other, "Conv") is not None:
            continue
        if not shape(inner) == shape(other) == shape(only_output(node)) or shape(other) is None:
            continue
        builder = NodeBuilder(node)
        replace(only_output(node), builder.op("Add", convs[1], builder.op("Add", convs[0], other)))
        return Fired()
    return NOT_MINE


def _two_convolutions(value: ir.Value | None) -> tuple[ir.Value, ir.Value] | None:
    """The two convolutions that `value` is the sum of, if nothing else reads them and one node reads the sum."""
    added = producer(value, "Add")
    if value is None or added is None or only_reader(value) is None:
        return None
    first, second = added.inputs
    if first is None or second is None or first is second:
        return None
    both = producer(first, "Conv") is not None and producer(second, "Conv") is not None
    alone = only_reader(first) is not None and only_reader(second) is not None
    return (first, second) if both and alone else None
