"""What a file is that should be an ONNX file, by its first bytes."""

from pathlib import Path

_PYTORCH = "a PyTorch file", "Export it with torch.onnx.export; a checkpoint is read by groupnl models import."
_TENSORFLOW = (
    "a TensorFlow graph",
    "Convert it with tf2onnx: python -m tf2onnx.convert --saved-model FOLDER --output FILE.",
)
_TFLITE = (
    "a TensorFlow Lite file",
    "Convert it with tf2onnx: python -m tf2onnx.convert --tflite FILE --output FILE.onnx.",
)
_ORT = "in ONNX Runtime's own format", "Name the .onnx file that it was made from."
_STARTS: tuple[tuple[int, bytes, tuple[str, str]], ...] = (
    (4, b"ORTM", _ORT),
    (4, b"TFL3", _TFLITE),
    (0, b"PK\x03\x04", ("a zip archive, as PyTorch and NumPy write them", _PYTORCH[1])),
    (0, b"\x80\x02", _PYTORCH),
    (0, b"\x80\x04", _PYTORCH),
    (0, b"\x80\x05", _PYTORCH),
    (0, b"\x89HDF", ("an HDF5 file, as Keras writes them", _TENSORFLOW[1])),
    (
        0,
        b"version https://git-lfs",
        ("a pointer of Git LFS in place of the file", "Fetch the file itself: git lfs pull."),
    ),
    (0, b"<", ("a page or a text", "Download the file again: a browser or curl may have fetched a page about it.")),
    (8, b"{", ("a safetensors file", _PYTORCH[1])),
)
_HEAD, _LOOKED_AT = 64, 1 << 16
_FIRST_FIELD_OF_ONNX = b"\x08"  # the IR version, which every exporter writes first


def other_kind(path: Path) -> tuple[str, str] | None:
    """(what it is, what to do) for a file of another kind that its first bytes tell; None where they do not."""
    with path.open("rb") as stream:
        start = stream.read(_LOOKED_AT)
    for offset, mark, kind in _STARTS:
        if start[offset : offset + len(mark)] == mark:
            return kind
    if b"saved_model" in start or b"Placeholder" in start:
        return _TENSORFLOW
    return None


def begins_like_onnx(path: Path) -> bool:
    """Whether what follows may be ONNX, so that a file that cannot be parsed is one that was cut short."""
    with path.open("rb") as stream:
        return stream.read(1) == _FIRST_FIELD_OF_ONNX
