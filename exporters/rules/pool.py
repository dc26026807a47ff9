"""The mean over all pixels, as squeeze-excite blocks and heads take it, in the operator made for it."""

import onnx_ir as ir

from exporters.rules.answers import NOT_MINE, Answer, Fired, Refused
from exporters.rules.graph import NodeBuilder, constant, ints, number, only_output, operand, replace, shape


def pool_means(node: ir.Node) -> Answer:
    """ReduceMean(x) over height and width → GlobalAveragePool(x), which reads ONNX Runtime's blocked layout."""
    source, sizes = node.inputs[0], shape(node.inputs[0])
    if source is None or sizes is None or len(sizes) != 4 or number(node, "keepdims", 1) != 1:
        return NOT_MINE
    if {axis % 4 for axis in _axes(node)} != {2, 3}:
        return NOT_MINE
    if source.dtype != ir.DataType.FLOAT:
        return Refused("ONNX Runtime pools float32 alone")
    replace(only_output(node), NodeBuilder(node).op("GlobalAveragePool", source, sizes=(*sizes[:2], 1, 1)))
    return Fired()


def _axes(node: ir.Node) -> tuple[int, ...]:
    """An attribute before opset 18, an input from then on; none for all of them, or where they are computed."""
    given = constant(operand(node, 1))
    return ints(node, "axes") if given is None else tuple(int(axis) for axis in given.reshape(-1))
