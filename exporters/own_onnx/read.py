"""An ONNX file with the files of weights beside it → one model in memory, or why it cannot be one."""

import hashlib
from pathlib import Path

import onnx
import onnx_ir as ir

from exporters.errors import OnnxRefused
from exporters.onnx_failures import MOST_BYTES
from exporters.own_onnx.external import external_files, read_external
from exporters.own_onnx.kinds import begins_like_onnx, other_kind
from exporters.reference import first_line

_EXPORT_AGAIN = "Export it again, or download it again."


def read_onnx(path: Path) -> onnx.ModelProto:
    """The model, with all its weights inside. Raises `OnnxRefused` for what is none, is damaged or too large."""
    _require_file(path)
    model = _parsed(path)
    read_external(model, path.parent, path.stat().st_size)
    return model if _is_in_order(model.graph) else _in_order(model)


def _is_in_order(graph: onnx.GraphProto) -> bool:
    """Whether every node stands behind those whose outputs it reads."""
    made = {name for node in graph.node for name in node.output}
    for node in graph.node:
        if made.intersection(node.input):
            return False
        made.difference_update(node.output)
    return True


def _in_order(model: onnx.ModelProto) -> onnx.ModelProto:
    """As some converters do not leave it, though ONNX asks for it, and ONNX Runtime does not mind."""
    sorted_ = ir.serde.deserialize_model(model)
    try:
        sorted_.graph.sort()
    except ValueError as error:
        raise OnnxRefused("The nodes of the graph read each other in a circle.", _EXPORT_AGAIN) from error
    return ir.serde.serialize_model(sorted_)


def digest_of(path: Path) -> str:
    """SHA-256 of a file and of the files of weights that it names, in their order. The file was read before."""
    whole = hashlib.sha256(path.read_bytes())
    for beside in external_files(_parsed(path), path.parent):
        whole.update(beside.read_bytes())
    return whole.hexdigest()


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise OnnxRefused(f"{path} is a folder.", "Name the .onnx file in it.")
    if not path.is_file():
        raise OnnxRefused(f"{path} does not exist.", "Name an .onnx file.")
    size = path.stat().st_size
    if size == 0:
        raise OnnxRefused(f"{path} is empty.", _EXPORT_AGAIN)
    if size > MOST_BYTES:
        raise too_large(f"{path} has {size / 2**30:.2f} GiB")


def too_large(what: str) -> OnnxRefused:
    """The error to raise for weights that no single ONNX file holds."""
    return OnnxRefused(
        f"{what}, and one ONNX file ends at 2 GiB, as does what is pushed.", "Make the network smaller, or quantize it."
    )


def _parsed(path: Path) -> onnx.ModelProto:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except Exception as error:  # protobuf has a family of its own
        raise _no_onnx(path) from error
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise _no_onnx(path)
    return model


def _no_onnx(path: Path) -> OnnxRefused:
    kind = other_kind(path)
    if kind is not None:
        return OnnxRefused(f"{path} is {kind[0]}, and no ONNX file.", kind[1])
    if begins_like_onnx(path):
        return OnnxRefused(f"{path} was cut short or is damaged.", _EXPORT_AGAIN)
    return OnnxRefused(f"{path} is no ONNX file.", "Name an .onnx file.")


def require_valid(model: onnx.ModelProto) -> None:
    """Raise `OnnxRefused` for what ONNX's checker refuses."""
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # a family of its own
        raise OnnxRefused(f"ONNX's checker refuses the file: {first_line(error)}.", "Export it again.") from error
