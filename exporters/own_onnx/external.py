"""Weights that lie in files beside an ONNX file: read from its own folder and nowhere else."""

import math
from pathlib import Path

import onnx
from onnx import TensorProto

from exporters.errors import OnnxRefused
from exporters.onnx_failures import MOST_BYTES
from exporters.outside_tensors import said_of, tensors_outside

_TOGETHER = (
    "Lay the ONNX file and its files of weights into one folder, as the exporter wrote them (cp -L follows links)."
)


_MOST_DIGITS = 20  # of a place in a file; Python itself refuses thousands


def read_external(model: onnx.ModelProto, folder: Path, already: int) -> None:
    """Take the weights of other files into the model.

    Args:
        model: changed in place.
        folder: of the ONNX file.
        already: how many bytes that file has.

    Raises `OnnxRefused` for a file that is missing, too short, elsewhere, or for weights of more than 2 GiB in all.
    """
    outside = tensors_outside(model)
    total = already + sum(_size(tensor) for tensor in outside)
    if total > MOST_BYTES:
        raise OnnxRefused(
            f"With the weights that lie beside it the model has {total / 2**30:.2f} GiB, and one ONNX file, which is "
            "what is pushed, ends at 2 GiB.",
            "Make the network smaller, or quantize it.",
        )
    for tensor in outside:
        tensor.raw_data = _bytes_of(tensor, folder)
        tensor.ClearField("data_location")
        tensor.ClearField("external_data")


def external_files(model: onnx.ModelProto, folder: Path) -> list[Path]:
    """The files that a model as it was written has weights in, sorted by name. Raises as `read_external`."""
    found = {said_of(tensor).get("location", ""): tensor.name for tensor in tensors_outside(model)}
    return [_inside(folder, location, found[location]) for location in sorted(found)]


def _bytes_of(tensor: TensorProto, folder: Path) -> bytes:
    said = said_of(tensor)
    path = _inside(folder, said.get("location", ""), tensor.name)
    offset, length = _number(said, "offset", tensor.name, 0), _number(said, "length", tensor.name, _size(tensor))
    if length != _size(tensor):
        raise OnnxRefused(
            f"The weights {tensor.name} should have {_size(tensor)} bytes, and the file says {length}.",
            "Export it again.",
        )
    have = path.stat().st_size
    if offset + length > have:
        raise OnnxRefused(
            f"{path} is too short: it has {have} bytes, and the weights {tensor.name} end at {offset + length}.",
            "It was cut short: export or download it again, together with the ONNX file.",
        )
    with path.open("rb") as stream:
        stream.seek(offset)
        return stream.read(length)


def _inside(folder: Path, location: str, name: str) -> Path:
    """The file, if it lies in the folder itself once every link is followed."""
    path = folder / location
    try:
        real = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links, a null character
        raise OnnxRefused(f"The weights {name} lie in {location!r}, which is no file.", _TOGETHER) from error
    if not location or Path(location).is_absolute() or not real.is_relative_to(folder.resolve()):
        raise OnnxRefused(
            f"The weights {name} lie in {location!r}, which is outside the folder of the ONNX file.", _TOGETHER
        )
    if not real.is_file():
        raise OnnxRefused(f"The weights {name} lie in {location!r}, which is missing beside the ONNX file.", _TOGETHER)
    return real


def _number(said: dict[str, str], key: str, name: str, usual: int) -> int:
    text = said.get(key, str(usual))
    if not text.isdecimal() or len(text) > _MOST_DIGITS:
        raise OnnxRefused(
            f"The {key} of the weights {name} is {text[:_MOST_DIGITS]!r}, which is no number.", "Export it again."
        )
    return int(text)


def _size(tensor: TensorProto) -> int:
    """Bytes that a tensor of its shape and type has. Raises `OnnxRefused` for a type without a size."""
    try:
        bits: int = _BITS.get(tensor.data_type) or 8 * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, TypeError, ValueError) as error:
        raise OnnxRefused(f"The weights {tensor.name} are of an unknown type.", "Export it again.") from error
    count: int = math.prod(tensor.dims)
    return -(-count * bits // 8)


# Of types that are kept in less than a byte each.
_BITS = {
    getattr(TensorProto, name): bits
    for name, bits in {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}.items()
    if hasattr(TensorProto, name)
}
