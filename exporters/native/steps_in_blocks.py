"""BatchNorms and other steps a·x + b a channel behind images in blocks, as convolutions, which can be in blocks too."""

import onnx_ir as ir

from exporters.native.blocked_nodes import NODES
from exporters.native.operators import DOMAIN, POINTWISE
from exporters.rules.graph import NodeBuilder, constant, kind, only_output, replace
from exporters.rules.steps import affine_step, step_of


def steps_as_convolutions(graph: ir.Graph) -> None:
    """Write each such step whose images will be in blocks as a convolution of one pixel a channel, in place."""
    blocked = set[ir.Value]()
    for node in list(graph):
        step = step_of(node) if kind(node) not in ("", "Conv") else None
        numbers = [value for value in node.inputs if constant(value) is not None]
        if step is not None and step.source in blocked and any(_is_one_a_channel(value) for value in numbers):
            made = affine_step(NodeBuilder(node), step)
            replace(only_output(node), made)
            graph.remove(node, safe=True)
            blocked.add(made)
        elif _stands_in_blocks(node, blocked):
            blocked |= set(node.outputs)


def _is_one_a_channel(value: ir.Value | None) -> bool:
    """A single number is no matter of layout."""
    array = constant(value)
    return array is not None and array.size > 1


def _stands_in_blocks(node: ir.Node, blocked: set[ir.Value]) -> bool:
    if kind(node) == "Conv" or (node.domain == DOMAIN and node.op_type != POINTWISE):
        return True
    computed = [value for value in node.inputs if value is not None and constant(value) is None]
    return kind(node) in NODES and all(value in blocked for value in computed)
