"""Which tensors of a model lie in other files than its own, and in which."""

from collections.abc import Iterator

import onnx
from onnx import TensorProto


def tensors_outside(model: onnx.ModelProto) -> list[TensorProto]:
    """Tensors that lie in other files. Others may name a file too, and it means nothing."""
    return [tensor for tensor in _tensors(model) if tensor.data_location == TensorProto.EXTERNAL]


def said_of(tensor: TensorProto) -> dict[str, str]:
    """What a tensor says of where it lies."""
    return {entry.key: entry.value for entry in tensor.external_data}


def locations(model: onnx.ModelProto) -> tuple[str, ...]:
    """The other files' names, each once and printable."""
    said = (said_of(tensor).get("location", "") for tensor in tensors_outside(model))
    return tuple(dict.fromkeys(ascii(word)[1:-1] for word in said))


def _tensors(message: onnx.ModelProto) -> Iterator[TensorProto]:
    """Every tensor anywhere in a model: of initializers, attributes, branches and functions."""
    waiting = [message]
    while waiting:
        for field, value in waiting.pop().ListFields():
            if field.message_type is None:
                continue
            for item in value if _repeated(field) else (value,):
                if isinstance(item, TensorProto):
                    yield item
                else:
                    waiting.append(item)


def _repeated(field: object) -> bool:
    """Whether a field holds several; protobuf calls it by two names, by its version."""
    known = getattr(field, "is_repeated", None)
    return bool(getattr(field, "label", 0) == 3 if known is None else known)
