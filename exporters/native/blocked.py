"""A plain native graph → the same graph on images in blocks, as ONNX Runtime keeps them on x86, written by hand.

ONNX Runtime makes such a graph of a plain one when it loads it, for the processor that it runs on. Written beforehand
it can have our operators in the middle, without a reordering before and behind each, and can be made on any machine.
Its nodes are those of the runtime's own domain (`RUNTIME_DOMAIN`) and native ones with the attribute `block`. A value
is reordered where a plain reader needs it, and nowhere else. What pads the last block of channels is zero, or another
finite number where an activation makes it of zero: who reads that multiplies it by zero, or has it `cleaned`.
"""

import onnx_ir as ir

from exporters.native.blocked_convs import BlockedConvs
from exporters.native.blocked_nodes import NODES, NativeNodes
from exporters.native.layouts import TwoLayouts
from exporters.native.operators import DOMAIN, RUNTIME_DOMAIN, VERSION
from exporters.native.shapes import learn_shapes
from exporters.native.steps_in_blocks import steps_as_convolutions
from exporters.rules.graph import kind


def in_blocks(model: ir.Model, block: int) -> ir.Model:
    """The graph in blocks of so many channels.

    Args:
        model: a graph whose native operators are plain; it stays as it is.
        block: 16 for processors with AVX-512, 8 for those with AVX2.
    """
    model = model.clone()
    learn_shapes(model)
    steps_as_convolutions(model.graph)
    out = TwoLayouts(model, block)
    convs = BlockedConvs(out, list(model.graph))
    native = NativeNodes(out, convs.apart)
    for node in model.graph:
        if convs.takes(node):
            convs.write(node)
        elif not _written(out, native, node):
            out.copy(node)
    return out.finished({DOMAIN: VERSION, RUNTIME_DOMAIN: 1})


def _written(out: TwoLayouts, native: NativeNodes, node: ir.Node) -> bool:
    """Whether the node could be written in blocks."""
    if node.domain == DOMAIN:
        return native.write(node)
    write = NODES.get(kind(node))
    return write is not None and write(out, node)
