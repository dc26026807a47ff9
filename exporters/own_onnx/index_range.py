"""From which numbers an input may be chosen that picks rows of a table: an embedding has as many as it has rows."""

from collections.abc import Iterator

import onnx

# Operators behind which the numbers are the same ones, in another form or order.
_SAME_NUMBERS = frozenset(
    [
        *("Cast", "Concat", "Expand", "Flatten", "Gather", "Identity", "Reshape"),
        *("Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
    ]
)
_PICKS = {"Gather": 1, "GatherElements": 1, "GatherND": 1, "ScatterElements": 1, "ScatterND": 1, "OneHot": 0}


class UnknownRange(Exception):
    """An input picks something of which nobody knows how many there are."""


def index_range(model: onnx.ModelProto, name: str) -> int | None:
    """How many rows the smallest table has that an input of whole numbers picks from; None where it picks nothing.

    Raises `UnknownRange` where the graph does not say.
    """
    tables = list(_tables(model, name))
    return min(tables) if tables else None


def _tables(model: onnx.ModelProto, name: str) -> Iterator[int]:
    sizes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    sizes |= {node.output[0]: tuple(a.t.dims) for node in model.graph.node for a in node.attribute if a.name == "value"}
    same = {name}
    for node in model.graph.node:
        place = _PICKS.get(node.op_type)
        if place is not None and node.input[place] in same:
            yield _rows(node, sizes)
        elif node.op_type in _SAME_NUMBERS and same.intersection(_data(node)):
            same.update(node.output)


def _data(node: onnx.NodeProto) -> list[str]:
    """The inputs whose numbers come out again; others are sizes and places."""
    return list(node.input if node.op_type == "Concat" else node.input[:1])


def _rows(node: onnx.NodeProto, sizes: dict[str, tuple[int, ...]]) -> int:
    table = sizes.get(node.input[0])
    axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
    if node.op_type != "Gather" or table is None or not -len(table) <= axis < len(table):
        raise UnknownRange(f"{node.op_type} {node.name}".strip())
    return table[axis]
