"""Copies of maps that need not be made: what `torch.repeat` becomes.

The GroupNL layer copies each of its g blocks of seed maps γ times (arXiv 2506.12335, Algorithm 1), so that every
generated map has a source map of its own. An elementwise operator does not need that: over an inserted axis it
broadcasts, and reads each seed map γ times from where it is.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from exporters.rules.answers import NOT_MINE, Answer, Fired, Refused
from exporters.rules.graph import (
    BINARY,
    UNARY,
    NodeBuilder,
    constant,
    kind,
    number_of_axis,
    only_output,
    producer,
    readers,
    replace,
    same_shape,
    shape,
    split_refused,
)

_UNKNOWN = Refused("its shape is not known")


@dataclass(frozen=True)
class Copies:
    """γ copies of each of the g equal blocks of channels of u (N, C, H, W), joined in the blocks' order."""

    source: ir.Value
    groups: int
    copies: int


def broadcast_copies(node: ir.Node) -> Answer:
    """Concat over the blocks of Tile(block, γ), or one Tile of all channels: let its readers broadcast instead.

    With u (N, C, H, W) of g blocks of B channels and V(u) = Reshape(u, (N, g, 1, B, H·W))::

        f(copies(u))         = copies(f(u))                              f an operator on each element
        copies(u) ∘ copies(u) = copies(u ∘ u)
        copies(u) ∘ y        = Reshape(V(u) ∘ Reshape(y, (·, g, γ, B, ·)))
    """
    found = _copies(node)
    if found is None:
        return NOT_MINE
    copied = only_output(node)
    if copied.is_graph_output():
        return Refused("the copies are an output")
    for reader in readers(copied):
        refused = _refused(reader, copied, found)
        if refused is not None:
            return refused
    for reader in readers(copied):
        if _commutes(reader, copied):
            _copy_afterwards(reader, copied, found)
        else:
            _broadcast_binary(reader, copied, found)
    return Fired()


def _copies(node: ir.Node) -> Copies | None:
    """What `node` copies, if it is the last of such a group of nodes."""
    if node.op_type == "Tile":
        copies, source = repeated(node), node.inputs[0]
        apart = any(kind(reader) == "Concat" for reader in readers(only_output(node)))
        return Copies(source, 1, copies) if source is not None and copies > 1 and not apart else None
    tiles = [tile for tile in (producer(value, "Tile") for value in node.inputs) if tile is not None]
    if number_of_axis(node) != 1 or not tiles or len(tiles) < len(node.inputs):
        return None
    each, blocks = {repeated(tile) for tile in tiles}, [tile.inputs[0] for tile in tiles]
    if len(tiles) == 1 and blocks[0] is not None and max(each) > 1:  # a Concat of one
        return Copies(blocks[0], 1, max(each))
    split = producer(blocks[0], "Split")
    if split is None or blocks != list(split.outputs) or number_of_axis(split) != 1:
        return None
    source, copies = split.inputs[0], max(each)
    if source is None or copies < 2 or len(each) > 1 or len({shape(block) for block in blocks}) != 1:
        return None
    return Copies(source, len(blocks), copies)


def repeated(tile: ir.Node) -> int:
    """γ where a Tile repeats the channels of (N, C, H, W) and nothing else; 0 for any other Tile."""
    repeats = constant(tile.inputs[1])
    if repeats is None or repeats.shape != (4,) or (repeats[[0, 2, 3]] != 1).any():
        return 0
    return int(repeats[1])


def _commutes(reader: ir.Node, copied: ir.Value) -> bool:
    """Whether it gives the same before and after the copying: it has no other operand, or one number for all."""
    others = [value for value in reader.inputs if value is not copied]
    numbers = [constant(value) for value in others]
    alike = all(values is not None and values.size == 1 and values.ndim <= 4 for values in numbers)
    return kind(reader) in UNARY or alike


def _copy_afterwards(reader: ir.Node, copied: ir.Value, found: Copies) -> None:
    """f(copies(u)) → copies(f(u)): the same copies of other seed maps, for the next sweep to take up."""
    builder, whole = NodeBuilder(reader), shape(copied)
    result = builder.same(reader, *(found.source if value is copied else value for value in reader.inputs))
    repeats = builder.constant(np.array([1, found.copies, 1, 1], dtype=np.int64), "copies")
    if found.groups == 1:
        replace(only_output(reader), builder.op("Tile", result, repeats, sizes=whole))
        return
    sizes = shape(found.source)
    assert sizes is not None and whole is not None, "as `_refused` found"
    parts = builder.split(result, [sizes[1] // found.groups] * found.groups)
    wide = (whole[0], whole[1] // found.groups, *whole[2:])
    tiles = [builder.op("Tile", part, repeats, sizes=wide) for part in parts]
    replace(only_output(reader), builder.op("Concat", *tiles, sizes=whole, axis=1))


def _refused(reader: ir.Node, copied: ir.Value, found: Copies) -> Refused | None:
    """Why `reader` needs the copies themselves; None where it does not. Asked of all before anything is written."""
    if kind(reader) not in UNARY | BINARY:
        return Refused(f"{reader.op_type} reads the copies")
    sizes, whole = shape(found.source), shape(copied)
    if _commutes(reader, copied):
        if found.groups == 1:
            return None
        return _UNKNOWN if sizes is None or whole is None else split_refused(reader)
    other = next(value for value in reader.inputs if value is not copied)
    per_channel = whole is not None and constant(other) is not None and shape(other) == (1, whole[1], 1, 1)
    if whole is None or not (per_channel or same_shape(other, copied)):
        return Refused("the other operand is neither a number per channel nor a map per copy")
    return _UNKNOWN if sizes is None or len(sizes) != 4 else None


def _broadcast_binary(reader: ir.Node, copied: ir.Value, found: Copies) -> None:
    builder, groups, copies = NodeBuilder(reader), found.groups, found.copies
    sizes, whole = shape(found.source), shape(copied)
    assert sizes is not None and whole is not None, "as `_refused` found"
    block, pixels = sizes[1] // groups, sizes[2] * sizes[3]
    maps = _reshaped(builder, found.source, (groups, 1, block, pixels))
    inputs = [
        maps if value is copied else _other(builder, value, whole, (groups, copies, block)) for value in reader.inputs
    ]
    result = builder.op(reader.op_type, *inputs)
    flat = builder.constant(np.array([-1 if whole[0] < 0 else whole[0], *whole[1:]], dtype=np.int64), "shape")
    replace(only_output(reader), builder.op("Reshape", result, flat, sizes=whole))


def _other(
    builder: NodeBuilder, value: ir.Value | None, whole: tuple[int, ...], parts: tuple[int, int, int]
) -> ir.Value | None:
    """The other operand, its channel axis cut into (g, γ, B) and its pixels made one axis."""
    sizes, numbers = shape(value), constant(value)
    if numbers is not None and sizes == (1, whole[1], 1, 1):
        cut = numbers.reshape(1, *parts, 1)
        # One hyper-parameter belongs to a whole block: B equal numbers are one.
        return builder.constant(cut[:, :, :, :1] if (cut == cut[:, :, :, :1]).all() else cut, "per_copy")
    assert value is not None, "the caller has seen to it"
    return _reshaped(builder, value, (*parts, whole[2] * whole[3]))


def _reshaped(builder: NodeBuilder, value: ir.Value, sizes: tuple[int, ...]) -> ir.Value:
    known = shape(value)
    assert known is not None, "as `_refused` found"
    batch = known[0]
    target = builder.constant(np.array([batch, *sizes], dtype=np.int64), "shape")
    return builder.op("Reshape", value, target, sizes=(batch, *sizes))
