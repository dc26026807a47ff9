"""What an ONNX file says of itself, read with the standard library alone.

A push looks at versions, names and shapes, and must not wait for onnx to be imported. The file is a protobuf message,
of which a reader may skip all that it does not ask for: each field is a tag (number · 8 + kind) and its value. Numbers
of fields: onnx/onnx.proto.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exporters.errors import ArtifactDamaged

Axes = tuple[int | str, ...]
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_LONGEST_VARINT = 10
_IR_VERSION, _GRAPH, _OPSET = 1, 7, 8  # of ModelProto
_NODE, _INITIALIZER, _INPUT, _OUTPUT = 1, 5, 11, 12  # of GraphProto
_TENSOR_NAME = 8
_ELEMENTS = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}


@dataclass(frozen=True)
class Value:
    """An input or output: its name, its element type, its axes; an axis of any size has a name or is "?"."""

    name: str
    dtype: str
    shape: Axes

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {'x'.join(map(str, self.shape)) or 'a single number'}"


@dataclass(frozen=True)
class GraphFacts:
    """Versions, inputs and outputs, and how many nodes the graph has. Inputs that are weights are none."""

    opset: int | None
    ir_version: int | None
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    nodes: int


def read_graph_facts(path: Path) -> GraphFacts:
    """Read an ONNX file. Raises `ArtifactDamaged` for bytes that are none."""
    try:
        return _facts(memoryview(path.read_bytes()))
    except (ValueError, IndexError, AttributeError, TypeError) as error:
        raise ArtifactDamaged(f"{path} is no ONNX file.", "Export again.") from error


def _facts(data: memoryview) -> GraphFacts:
    opset, ir_version, graph = None, None, memoryview(b"")
    for number, value in _fields(data):
        if number == _IR_VERSION:
            ir_version = _number(value)
        elif number == _OPSET:
            known = dict(_fields(_bytes(value)))
            if _text(known.get(1, b"")) in ("", "ai.onnx"):
                opset = _number(known[2])
        elif number == _GRAPH:
            graph = _bytes(value)
    parts = [(number, value) for number, value in _fields(graph) if number in (_NODE, _INITIALIZER, _INPUT, _OUTPUT)]
    weights = {_weight_name(_bytes(value)) for number, value in parts if number == _INITIALIZER}
    inputs = [_value(_bytes(value)) for number, value in parts if number == _INPUT]
    return GraphFacts(
        opset,
        ir_version,
        tuple(value for value in inputs if value.name not in weights),
        tuple(_value(_bytes(value)) for number, value in parts if number == _OUTPUT),
        sum(number == _NODE for number, _ in parts),
    )


def _weight_name(tensor: memoryview) -> str:
    return next((_text(value) for number, value in _fields(tensor) if number == _TENSOR_NAME), "")


def _value(info: memoryview) -> Value:
    """ValueInfoProto: name 1, type 2 → tensor 1 → element type 1, shape 2 → axes 1 → size 1 or name 2."""
    known = dict(_fields(info))
    tensor = dict(_fields(_bytes(dict(_fields(_bytes(known[2])))[1])))
    element = _number(tensor[1])
    axes = [dict(_fields(_bytes(axis))) for _, axis in _fields(_bytes(tensor.get(2, memoryview(b""))))]
    shape = tuple(_number(axis[1]) if 1 in axis else _text(axis[2]) if 2 in axis else "?" for axis in axes)
    return Value(_text(known[1]), _ELEMENTS.get(element, f"element type {element}"), shape)


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of each field; the values of the two fixed sizes as bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        else:
            size = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}.get(kind, len(data) + 1)
        if at + size > len(data):
            raise ValueError("a field ends behind its message")
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first, until one without its highest bit."""
    value = 0
    for index in range(_LONGEST_VARINT):
        byte = data[at + index]
        value |= (byte & 127) << (7 * index)
        if byte < 128:
            return value, at + index + 1
    raise ValueError("a number is too long")


def _number(value: int | memoryview | bytes) -> int:
    if not isinstance(value, int):
        raise ValueError("bytes in place of a number")
    return value


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number in place of bytes")
    return value


def _text(value: int | memoryview | bytes) -> str:
    if isinstance(value, int):
        raise ValueError("a number in place of a text")
    return bytes(value).decode()
