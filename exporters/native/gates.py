"""Squeeze-excite blocks: the mean over the pixels by the layer that computes them, and the product with the gate."""

import onnx_ir as ir

from exporters.native.nodes import layer_name, native, write
from exporters.native.operators import DEPTHWISE, GENERATE, GROUPNL, SCALE
from exporters.rules.answers import NOT_MINE, Answer, Fired
from exporters.rules.graph import constant, only_output, replace, shape

_LAYERS = (GROUPNL, GENERATE, DEPTHWISE)


def native_means(node: ir.Node) -> Answer:
    """GlobalAveragePool of what one of our layers gives → the second output of that layer."""
    made = native(node.inputs[0], *_LAYERS)
    if made is None:
        return NOT_MINE
    old = only_output(node)
    if len(made.outputs) == 1:
        made.resize_outputs(2)
        mean = made.outputs[1]
        mean.name, mean.shape, mean.type = f"{made.outputs[0].name}_mean", old.shape, old.type
    replace(old, made.outputs[1])
    return Fired()


def native_scale(node: ir.Node) -> Answer:
    """maps · gate, (N, C, H, W) · (N, C, 1, 1) → Scale, behind a layer of ours: what it gives is in our layout."""
    if only_output(node).dtype != ir.DataType.FLOAT:
        return NOT_MINE
    for maps, gate in (node.inputs, reversed(node.inputs)):
        sizes, few = shape(maps), shape(gate)
        if sizes is None or len(sizes) != 4 or few != (*sizes[:2], 1, 1) or sizes[2:] == (1, 1):
            continue
        if maps is None or gate is None or constant(gate) is not None or native(maps, *_LAYERS) is None:
            continue
        write(node, SCALE, maps, gate, old=only_output(node))
        return Fired(f"{layer_name(node)}: {SCALE}, {sizes[1]} channels")
    return NOT_MINE
