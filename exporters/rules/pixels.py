"""Convolutions over a single pixel, of squeeze-excite blocks and heads, as products of a row and a matrix.

A convolution multiplies its filters with a column of pixels. Where there is one pixel and the runtime has no kernel for
a single column, most of what it computes is padding; the same numbers in a row are what a Gemm is made for::

    Conv(x, W, b) = Gemm(rows of x, W, b, transB)     x (N, C, 1, 1), its rows (N, C)
"""

import numpy as np
import onnx_ir as ir

from exporters.rules.answers import NOT_MINE, Answer, Fired, Refused
from exporters.rules.graph import (
    UNARY,
    NodeBuilder,
    constant,
    known_convolution,
    number,
    only_output,
    only_reader,
    operand,
    opset,
    producer,
    replace,
    shape,
)

ANCHORS = ("Conv", "Flatten")


def multiply_rows(node: ir.Node, columns: bool) -> Answer:
    """Conv over one pixel → Gemm between rows; then rows stay rows through activations and a Flatten.

    Args:
        node: a Conv or a Flatten.
        columns: whether the target's runtime multiplies a single column as fast as a row.
    """
    if node.op_type == "Flatten":
        return _stay_rows(node)
    weight, sizes = constant(node.inputs[1]), shape(node.inputs[0])
    if weight is None or sizes is None or sizes[2:] != (1, 1) or shape(only_output(node)) is None:
        return NOT_MINE
    if weight.shape[2:] != (1, 1) or number(node, "group", 1) != 1 or weight.dtype != np.float32:
        return NOT_MINE
    if opset(node) < 11:  # before, a Gemm needs a bias
        return NOT_MINE
    if columns:
        return Refused("this target's runtime multiplies a single column as fast as a row")
    if shape(only_output(node)) != (sizes[0], len(weight), 1, 1) or not known_convolution(node):
        return Refused("it pads its pixel, or its bias is computed")
    builder, source, bias = NodeBuilder(node), node.inputs[0], operand(node, 2)
    assert source is not None, "a convolution has an input"
    filters = builder.constant(weight.reshape(weight.shape[:2]), "weight")
    made = (sizes[0], len(weight))
    inputs = [_rows(builder, source) or _flat(builder, source), filters, *([] if bias is None else [bias])]
    product = builder.op("Gemm", *inputs, sizes=made, transB=1)
    back = builder.constant(np.array([0, len(weight), 1, 1], dtype=np.int64), "pixels")  # 0: as many images as came
    replace(only_output(node), builder.op("Reshape", product, back, sizes=(*made, 1, 1)))
    return Fired()


def _stay_rows(node: ir.Node) -> Answer:
    """Flatten(f(Reshape(rows))) → f(rows)."""
    source = node.inputs[0]
    rows = _rows(NodeBuilder(node), source) if source is not None and number(node, "axis", 1) == 1 else None
    if rows is None:
        return NOT_MINE
    replace(only_output(node), rows)
    return Fired()


def _rows(builder: NodeBuilder, value: ir.Value) -> ir.Value | None:
    """The rows that `value` was before a product's Reshape, through activations; None where it was none."""
    made = producer(value, "Reshape", *UNARY)
    if made is None or made.inputs[0] is None:
        return None
    if made.op_type == "Reshape":
        product = producer(made.inputs[0], "Gemm")
        return (
            made.inputs[0] if product is not None and shape(value) == (*(shape(made.inputs[0]) or ()), 1, 1) else None
        )
    if only_reader(value) is None:
        return None
    rows = _rows(builder, made.inputs[0])
    return None if rows is None else builder.same(made, rows, *made.inputs[1:], sizes=shape(rows))


def _flat(builder: NodeBuilder, value: ir.Value) -> ir.Value:
    sizes = shape(value)
    assert sizes is not None, "as `multiply_rows` found"
    return builder.op("Flatten", value, sizes=sizes[:2])
