"""Gates of squeeze-excite blocks: maps times one number a channel, in ONNX Runtime's blocked layout."""

import numpy as np
import onnx_ir as ir

from exporters.rules.answers import NOT_MINE, Answer, Fired, Refused
from exporters.rules.graph import UNARY, NodeBuilder, kind, only_output, opset, producer, replace, shape


def spread_gate(node: ir.Node, block: int) -> Answer:
    """maps · gate, (N, C, H, W) · (N, C, 1, 1) → maps · Resize(gate), nearest, where the runtime has maps in blocks.

    ONNX Runtime leaves the blocked layout for a product that broadcasts and stays in it for one that does not; what
    spreads the gate, an upsampling by whole numbers, stays in it as well.
    """
    if not block or only_output(node).dtype != ir.DataType.FLOAT:
        return NOT_MINE
    if opset(node) < 13:  # before, Resize asks for a region of interest
        return NOT_MINE
    for maps, gate in (node.inputs, reversed(node.inputs)):
        sizes, few = shape(maps), shape(gate)
        if sizes is None or few is None or len(sizes) != 4 or few != (*sizes[:2], 1, 1) or sizes[2:] == (1, 1):
            continue
        if _blocked(maps) and _blocked(gate):
            if sizes[1] % block:
                return Refused(f"{sizes[1]} channels are not whole blocks of {block}, in which alone it gains")
            builder = NodeBuilder(node)
            scales = builder.constant(np.array([1, 1, *sizes[2:]], dtype=np.float32), "pixels")
            how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            spread = builder.op("Resize", gate, None, scales, sizes=sizes, **how)
            replace(only_output(node), builder.op("Mul", maps, spread))
            return Fired()
    return NOT_MINE


def _blocked(value: ir.Value | None) -> bool:
    """Whether a convolution made it, perhaps with an activation behind."""
    made = None if value is None else value.producer()
    while made is not None and kind(made) in UNARY - {"Sin", "Cos"}:
        made = None if made.inputs[0] is None else made.inputs[0].producer()
    return made is not None and producer(only_output(made), "Conv") is not None
