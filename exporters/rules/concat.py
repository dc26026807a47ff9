"""The concatenation of seed and generated maps, moved down until a pointwise convolution takes it in.

    f([a; b]) = [f(a); f(b)]     f an operator on each element or on each channel
    W·[a; b]  = W_a·a + W_b·b    W a pointwise convolution

Nothing is joined then, and each half gets per-channel steps of its own.
"""

import numpy as np
import onnx_ir as ir

from exporters.rules.answers import NOT_MINE, Answer, Fired, Refused
from exporters.rules.filters import channels_apart
from exporters.rules.graph import (
    BINARY,
    UNARY,
    NodeBuilder,
    channels,
    constant,
    fills_blocks,
    ints,
    kind,
    number,
    number_of_axis,
    only_output,
    operand,
    readers,
    replace,
    shape,
    split_refused,
)

_MARK = "joins seed and generated maps"
MOST_HOPS_TO_SEED = 24
_PASSED_THROUGH = UNARY | BINARY | {"Reshape", "Conv", "BatchNormalization"}


def sink_concat(node: ir.Node, block: int) -> Answer:
    """Move one concatenation past every reader that lets it through."""
    if not _joins_generated(node):
        return NOT_MINE
    joined = only_output(node)
    if not all(fills_blocks(channels(part) or block, block) for part in node.inputs):
        return Refused(f"the parts do not fill the runtime's blocks of {block} channels")
    if joined.is_graph_output():
        return Refused("seed and generated maps together are an output")
    answers = [_sink_past(node, joined, reader) for reader in readers(joined)]
    if not answers:
        return NOT_MINE
    return next((answer for answer in answers if isinstance(answer, Fired)), answers[0])


def _joins_generated(node: ir.Node) -> bool:
    """Whether the later parts are made of the first one, element by element: a GroupNL layer's concatenation."""
    if node.meta.get(_MARK):
        return True
    if number_of_axis(node) != 1 or len(node.inputs) != 2 or any(channels(value) is None for value in node.inputs):
        return False
    node.meta[_MARK] = _derives(node.inputs[1], node.inputs[0])
    return bool(node.meta[_MARK])


def _derives(value: ir.Value | None, source: ir.Value | None, depth: int = 0) -> bool:
    if value is source:
        return True
    made = None if value is None else value.producer()
    if made is None or depth > MOST_HOPS_TO_SEED or kind(made) not in _PASSED_THROUGH:
        return False
    if made.op_type == "Conv" and number(made, "group", 1) != channels(made.inputs[0]):
        return False
    return any(_derives(item, source, depth + 1) for item in made.inputs if constant(item) is None)


def _sink_past(node: ir.Node, joined: ir.Value, reader: ir.Node) -> Fired | Refused:
    builder = NodeBuilder(reader)
    parts = [value for value in node.inputs if value is not None]
    write = _pointwise if kind(reader) == "Conv" else _joined_again
    written = write(builder, reader, joined, parts)
    if isinstance(written, Refused):
        return written
    replace(only_output(reader), written)
    return Fired()


def _joined_again(builder: NodeBuilder, reader: ir.Node, joined: ir.Value, parts: list[ir.Value]) -> ir.Value | Refused:
    """[f(a); f(b)], marked as the maps that it is made of."""
    halves = _halves(builder, reader, joined, parts)
    if isinstance(halves, Refused):
        return halves
    whole = builder.op("Concat", *halves, sizes=shape(only_output(reader)), axis=1)
    made = whole.producer()
    assert made is not None
    made.meta[_MARK] = True
    return whole


def _halves(builder: NodeBuilder, reader: ir.Node, joined: ir.Value, parts: list[ir.Value]) -> list[ir.Value] | Refused:
    """What `reader` makes of each part alone."""
    if kind(reader) in UNARY:
        return [builder.same(reader, part, *reader.inputs[1:]) for part in parts]
    if kind(reader) == "BatchNormalization":
        return _batchnorms(builder, reader, parts)
    if kind(reader) in BINARY:
        return _binaries(builder, reader, joined, parts)
    if kind(reader) in ("GlobalAveragePool", "ReduceMean"):
        return _means(builder, reader, parts)
    return Refused(f"{reader.op_type} reads seed and generated maps together")


def _sizes(parts: list[ir.Value]) -> list[int]:
    return [channels(part) or 0 for part in parts]


def _batchnorms(builder: NodeBuilder, reader: ir.Node, parts: list[ir.Value]) -> list[ir.Value] | Refused:
    parameters = [constant(value) for value in reader.inputs[1:5]]
    if any(values is None for values in parameters) or number(reader, "training_mode", 0):
        return Refused("the BatchNorm's parameters are computed")
    edges = np.cumsum(_sizes(parts))[:-1]
    cut = [np.split(values, edges) for values in parameters if values is not None]
    return [
        builder.same(reader, part, *(builder.constant(values[index], "bn") for values in cut), sizes=shape(part))
        for index, part in enumerate(parts)
    ]


def _binaries(
    builder: NodeBuilder, reader: ir.Node, joined: ir.Value, parts: list[ir.Value]
) -> list[ir.Value] | Refused:
    other = next((value for value in reader.inputs if value is not joined), None)
    if other is None:
        return [builder.op(reader.op_type, part, part) for part in parts]
    pieces = _pieces(builder, other, _sizes(parts), reader)
    if isinstance(pieces, Refused):
        return pieces
    left = reader.inputs[0] is joined
    return [
        builder.op(reader.op_type, *((part, piece) if left else (piece, part)))
        for part, piece in zip(parts, pieces, strict=True)
    ]


def _pieces(builder: NodeBuilder, other: ir.Value, sizes: list[int], reader: ir.Node) -> list[ir.Value] | Refused:
    """The other operand, cut as the maps are."""
    numbers, form = constant(other), shape(other)
    total = sum(sizes)
    if numbers is not None and numbers.size == 1 and numbers.ndim <= 4:
        return [other] * len(sizes)
    if numbers is not None and numbers.shape in ((1, total, 1, 1), (total, 1, 1)):
        pieces = np.split(numbers.reshape(1, total, 1, 1), np.cumsum(sizes)[:-1], axis=1)
        return [builder.constant(piece, "per_channel") for piece in pieces]
    made = other.producer()
    if (
        made is not None
        and kind(made) == "Concat"
        and number_of_axis(made) == 1
        and [channels(value) for value in made.inputs] == sizes
    ):
        return [value for value in made.inputs if value is not None]
    if form is not None and len(form) == 4 and form[1] == 1:
        return [other] * len(sizes)
    if form is not None and form[1:] == (total, 1, 1):  # a gate: a few numbers, cheap to cut
        ends = np.cumsum(sizes).tolist()
        apart = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        parted = channels_apart(builder, other, apart, block=1)
        return parted or split_refused(reader) or builder.split(other, sizes)
    return Refused("the other operand is a whole map, not in the same two parts")


def _means(builder: NodeBuilder, reader: ir.Node, parts: list[ir.Value]) -> list[ir.Value] | Refused:
    if reader.op_type == "ReduceMean" and (
        ints(reader, "axes") not in ((2, 3), (-2, -1)) or number(reader, "keepdims", 1) != 1
    ):
        return Refused("the mean is not over the pixels alone")
    means = []
    for part in parts:
        sizes = shape(part)
        pooled = None if sizes is None else (sizes[0], sizes[1], 1, 1)
        means.append(builder.same(reader, part, sizes=pooled))
    return means


def _pointwise(builder: NodeBuilder, reader: ir.Node, joined: ir.Value, parts: list[ir.Value]) -> ir.Value | Refused:
    """W_a·a + W_b·b."""
    if len(readers(joined)) > 1:
        return Refused("a convolution is not the only one to read seed and generated maps together")
    weight = constant(reader.inputs[1])
    if weight is None or weight.shape[2:] != (1, 1) or number(reader, "group", 1) != 1:
        return Refused("a convolution that is not pointwise reads seed and generated maps together")
    filters = np.split(weight, np.cumsum(_sizes(parts))[:-1], axis=1)
    biases = [operand(reader, 2)] + [None] * (len(parts) - 1)
    outputs = []
    for part, some, bias in zip(parts, filters, biases, strict=True):
        inputs = [part, builder.constant(some, "weight")] + ([bias] if bias is not None else [])
        outputs.append(builder.same(reader, *inputs, sizes=shape(only_output(reader))))
    total = outputs[0]
    for output in outputs[1:]:
        total = builder.op("Add", total, output)
    return total
