"""What an ONNX file computes, node by node, read without ONNX: names, operators, and which value goes where.

A device has a runtime and no package `onnx`. Of the file's protocol-buffer fields (onnx.proto) a dozen are read here;
whatever else there is, the weights first of all, is passed over.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Field numbers of onnx.proto.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT = 1, 5, 11
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_KIND = 1, 2, 3, 4
_INPUT_NAME, _TENSOR_NAME = 1, 8
# How a field's value is written: bytes with their count before them, and numbers of eight and four bytes.
_NUMBER, _COUNTED = 0, 2
_FIXED_BYTES = {1: 8, 5: 4}


@dataclass(frozen=True)
class OnnxNode:
    """A node of a graph: its name, its operator, the values that it reads and gives."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class OnnxGraph:
    """The nodes in the file's order, and the inputs that a caller gives."""

    nodes: tuple[OnnxNode, ...]
    inputs: tuple[str, ...]


def read_graph(path: Path) -> OnnxGraph:
    """Read a model's main graph. Raises `ValueError` for what is no ONNX file, `OSError` where it cannot be read."""
    with path.open("rb") as stream:
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        return _graph(memoryview(content))
    except IndexError as error:
        raise ValueError(f"{path} ends in the middle of a field") from error


def _graph(model: memoryview) -> OnnxGraph:
    nodes, inputs, constants = list[OnnxNode](), list[str](), set[str]()
    for field, graph in _fields(model):
        for inner, value in _fields(graph) if field == _MODEL_GRAPH else ():
            if inner == _GRAPH_NODE:
                nodes.append(_node(value))
            elif inner == _GRAPH_INPUT:
                inputs += _texts(value, _INPUT_NAME)
            elif inner == _GRAPH_INITIALIZER:
                constants.update(_texts(value, _TENSOR_NAME))
    return OnnxGraph(tuple(nodes), tuple(name for name in inputs if name not in constants))


def _node(content: memoryview) -> OnnxNode:
    found: dict[int, list[str]] = {field: [] for field in (_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_KIND)}
    for field, value in _fields(content):
        if field in found:
            found[field].append(_text(value))
    name, kind = ("".join(found[field][-1:]) for field in (_NODE_NAME, _NODE_KIND))
    return OnnxNode(name, kind, tuple(found[_NODE_INPUT]), tuple(found[_NODE_OUTPUT]))


def _texts(content: memoryview, wanted: int) -> list[str]:
    return [_text(value) for field, value in _fields(content) if field == wanted]


def _text(value: memoryview) -> str:
    return bytes(value).decode(errors="replace")


def _fields(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Each counted field with its bytes. Numbers are passed over: none of them is of interest here."""
    at, end = 0, len(content)
    while at < end:
        key, at = _varint(content, at)
        written = key & 7
        if written == _NUMBER:
            _, at = _varint(content, at)
        elif written == _COUNTED:
            length, at = _varint(content, at)
            if at + length > end:
                raise ValueError("a field is longer than what holds it")
            yield key >> 3, content[at : at + length]
            at += length
        elif written in _FIXED_BYTES:
            at += _FIXED_BYTES[written]
        else:
            raise ValueError(f"no field of a protocol buffer is written in the way {written}")


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where it ends."""
    number = shift = 0
    while True:
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("a number has more than 64 bits")
