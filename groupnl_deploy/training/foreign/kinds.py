"""What a file is, by its first bytes: one of weights, or something else that is often taken for one."""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from groupnl_deploy.errors import UsageError
from groupnl_deploy.workspace import CHECKPOINT_FILE

OUR_FILES = ("model.safetensors", "training.safetensors")
PICKLE = "data.pkl"
WeightsKind = Literal["zip", "legacy", "safetensors"]

FORMATS = "Give a .pt, .pth or .pth.tar file that torch.save wrote, or a .safetensors file."
_PATH = "Check the path and its permissions."
_UNPACK = "Unpack it first, and give the file of weights that is inside."
_AS_ONNX = "Export it to ONNX there, then: groupnl export --onnx FILE.onnx --out ARTIFACT."
_HEAD = 512


@dataclass(frozen=True)
class _Other:
    """A kind of file that holds no weights that can be read: how it begins, what it is, what to do."""

    begins: bytes
    what: str
    remedy: str

    def matches(self, head: bytes) -> bool:
        return re.match(self.begins, head, re.DOTALL | re.IGNORECASE) is not None


_DOWNLOAD = "Download the file itself: the address of a page about it is another one. Its size tells them apart."
_OTHERS = (
    _Other(rb"version https://git-lfs", "is a Git LFS pointer, not the file it points to", "Run git lfs pull there."),
    _Other(rb"\s*(<!doctype|<html|<\?xml)", "is a web page", _DOWNLOAD),
    _Other(rb"\x1f\x8b", "is compressed by gzip", "Run gunzip on it first."),
    _Other(rb"BZh\d|\xfd7zXZ|\x28\xb5\x2f\xfd|7z\xbc\xaf|Rar!", "is a compressed archive", _UNPACK),
    _Other(rb".{257}ustar", "is a tar archive", _UNPACK),
    _Other(rb"\x89HDF\r\n\x1a\n", "is an HDF5 file, as Keras writes", _AS_ONNX),
    _Other(rb".{4}TFL3", "is a TensorFlow Lite network", _AS_ONNX),
    _Other(rb"\x93NUMPY", "is a NumPy array", FORMATS),
    _Other(
        # ONNX's first fields: a small version, then a producer's name, an operator set or the graph.
        rb"\x08[\x01-\x20][\x12:B\x1a\x22]",
        "is an ONNX network or another of protocol buffers",
        "If it is ONNX: groupnl export --onnx {path} --out ARTIFACT.",
    ),
    _Other(rb"[\[{]", "is text, as JSON", FORMATS),
)


def kind_of(path: Path) -> WeightsKind:
    """Which kind of weights a file holds, whatever its name. Raises `UsageError` for anything else, with a way out."""
    head = _head(path)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 40:  # after the header's length
        _require_not_ours(path)
        return "safetensors"
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return "legacy"
    if head.startswith(b"PK"):
        _require_of_torch(path)
        return "zip"
    if not head:
        raise UsageError(f"{path} is empty.", "Download or copy it again.")
    for other in _OTHERS:
        if other.matches(head):
            raise UsageError(f"{path} {other.what}.", other.remedy.format(path=path))
    raise UsageError(f"{path} is neither a file of PyTorch's nor safetensors.", FORMATS)


def _head(path: Path) -> bytes:
    try:
        if not path.is_file() and not path.is_dir() and path.exists():
            raise UsageError(f"{path} is no ordinary file.", FORMATS)
        with path.open("rb") as stream:
            return stream.read(_HEAD)
    except IsADirectoryError as error:
        raise _folder(path) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.", _PATH) from error


def _folder(path: Path) -> UsageError:
    """A folder in place of a file: what is in it says which file was meant."""
    if (path / CHECKPOINT_FILE).is_file():
        return _already(path, path)
    if (path / ".metadata").is_file():
        return UsageError(f"{path} is a folder of a distributed checkpoint, in pieces.", _GATHER)
    if (path / PICKLE).is_file():
        return UsageError(f"{path} is an unpacked file of PyTorch's.", f"Pack it again: zip -0 -r FILE.pth {path}.")
    return UsageError(f"{path} is a folder, not a file.", FORMATS)


_GATHER = "Gather it there: python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER FILE.pth"


def _already(path: Path, folder: Path) -> UsageError:
    return UsageError(
        f"{path} is a checkpoint of groupnl already.",
        f"Use its folder as it is: groupnl export {folder} --out ARTIFACT.",
    )


def _require_not_ours(path: Path) -> None:
    if path.name in OUR_FILES and path.with_name(CHECKPOINT_FILE).is_file():
        raise _already(path, path.parent)


def _require_of_torch(path: Path) -> None:
    """Raise `UsageError` for a zip of something else; of a damaged one the reader says more."""
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return
    inside = {Path(name).name for name in names}
    for marks, what, remedy in _ZIPS:
        if marks & inside:
            raise UsageError(f"{path} {what}.", remedy.format(path=path))
    if path.suffix == ".distcp":
        raise UsageError(f"{path} is one piece of a distributed checkpoint.", _GATHER)
    if PICKLE not in inside:
        shown = ", ".join(sorted(names)[:3]) or "nothing"
        raise UsageError(f"{path} is a zip archive of other files: {shown}.", _UNPACK)


_ZIPS = (
    (
        {"constants.pkl"},
        "is a TorchScript archive, a network with its program",
        "Save its weights there: torch.save(torch.jit.load('{path}').state_dict(), FILE).",
    ),
    ({"model.weights.h5", "keras_metadata.pb"}, "is a Keras network", _AS_ONNX),
    (
        {"archive_format", "serialized_exported_program.json"},
        "is a program of torch.export",
        "Save its weights there: torch.save(dict(torch.export.load('{path}').state_dict), FILE).",
    ),
)
