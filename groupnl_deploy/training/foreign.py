"""Weights in files of other programs: timm's training checkpoints, bare state dicts, safetensors.

A pickle is a program, so none is run. PyTorch's reader of tensors alone (`weights_only`) goes over it, and may build
two things more, which timm's dictionary holds: an `argparse.Namespace`, the options of the training, and a NumPy
number, which some trainings leave as their metric. NumPy's own code for that is not run either: it reads memory as
the file tells it to, so inert classes of ours stand in for it. Any other name in a pickle refuses the file.
"""

import argparse
import io
import math
import pickletools
import re
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from groupnl_deploy.errors import GroupNLError, UsageError, VerificationFailed
from groupnl_deploy.training.checkpoint import ImportedFrom
from groupnl_deploy.workspace import file_sha256

ForeignFormat = Literal["zip", "pickle", "safetensors"]

RAW_KEYS = ("state_dict", "model")  # timm and the authors; DeiT and others
EMA_KEY = "state_dict_ema"
# What wrappers put before every key: DistributedDataParallel and torch.compile.
WRAPPERS = ("module.", "_orig_mod.")
LONGEST_ARCH, LARGEST_EPOCH = 100, 1 << 31
_DAMAGED = "Copy the file again from where it was whole; of a TorchScript archive, save the state dict."
_FORMATS = "Give a .pt, .pth or .pth.tar file that torch.save wrote, or a .safetensors file."
_PROTO = b"\x80"  # the opcode that says which protocol a pickle is in


@dataclass(frozen=True, eq=False)
class ForeignWeights:
    """What was taken from a file.

    Args:
        tensors: by key, without wrappers' prefixes.
        origin: the file, and what is kept of what it says of itself.
        notes: remarks for people.
        said: all that it holds besides tensors, as plain values: its own keys, the options of its training under
            `args`, a safetensors file's under `metadata`.
    """

    tensors: dict[str, Tensor]
    origin: ImportedFrom
    notes: tuple[str, ...]
    said: Mapping[str, Any]


def read_foreign(path: Path, *, ema: bool = False) -> ForeignWeights:
    """The weights in a file, found by its content whatever its name; nothing in it is executed.

    Args:
        path: the file.
        ema: take the moving average of the weights that timm keeps beside them (`state_dict_ema`).

    Raises `UsageError` for what is no such file and for one that wants more than tensors; `VerificationFailed` for
    a damaged one.
    """
    content = _read(path, _format(path))
    chosen = _choose(path, content, ema)
    tensors, prefix = _without_wrappers(chosen)
    notes = [f"every key began with “{prefix}”, which was taken off"] if prefix else []
    if EMA_KEY in content and not ema:
        notes.append("the file also holds a moving average of the weights; the raw ones were taken (--ema takes it)")
    return ForeignWeights(tensors, _origin(path, content, ema), tuple(notes), _said(path, content))


_PATH = "Check the path and its permissions."


def _format(path: Path) -> ForeignFormat:
    try:
        with path.open("rb") as stream:
            head = stream.read(9)
    except IsADirectoryError as error:
        raise UsageError(f"{path} is a folder, not a file.", _FORMATS) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.", _PATH) from error
    if head.startswith(b"PK"):
        return "zip"
    if head[:1] == _PROTO and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return "pickle"
    if head[8:9] == b"{":  # after the header's length, in eight bytes
        return "safetensors"
    what = "is empty" if not head else "is neither a file of PyTorch's nor safetensors"
    raise UsageError(f"{path} {what}.", _FORMATS)


def _read(path: Path, format: ForeignFormat) -> dict[Any, Any]:
    content = _read_safetensors(path) if format == "safetensors" else _read_torch(path, format)
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds a {type(content).__name__}, not a dictionary of weights.", _FORMATS)
    return content


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise VerificationFailed(f"{path} is truncated or damaged: {_one_line(error)}.", _DAMAGED) from error
    return tensors


def _read_torch(path: Path, format: ForeignFormat) -> Any:
    allowed: list[Any] = [argparse.Namespace, *_NUMPY_STAND_INS]
    # Only a zip can be mapped: then the optimizer's tensors, two thirds of a checkpoint, are never read. A path of
    # this suffix PyTorch would take for safetensors, whatever is in it.
    mapped = format == "zip" and path.suffix != ".safetensors"
    try:
        with torch.serialization.safe_globals(allowed), warnings.catch_warnings(), path.open("rb") as stream:
            warnings.simplefilter("ignore")  # what it warns of ends in an error, which says it in our words
            return torch.load(path if mapped else stream, map_location="cpu", weights_only=True, mmap=mapped)
    # The reader meets bytes that anybody may have written; what it stumbles over is not to be foreseen.
    except Exception as error:
        raise _refusal(path, format, error) from error


def _refusal(path: Path, format: ForeignFormat, error: Exception) -> GroupNLError:
    wanted = _wanted_globals(path, format, error)
    if wanted:
        return UsageError(
            f"{path} wants {_listed(wanted)}, and an import builds tensors and plain values alone; "
            "nothing in the file was executed.",
            "Where you trust its origin, load it there and save the weights alone: "
            "safetensors.torch.save_file(model.state_dict(), FILE).",
        )
    return VerificationFailed(
        f"{path} is truncated, damaged or no state dict of PyTorch's: {_one_line(error)}. Nothing in it was executed.",
        _DAMAGED if _NEWER not in str(error) else "Save it again with torch.save's own pickle_protocol.",
    )


def _wanted_globals(path: Path, format: ForeignFormat, error: Exception) -> list[str]:
    """The names that made the reader refuse the file."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    if named:
        return [named[1]]
    # It knows protocol 2 alone; of later ones it names an instruction, not what the file is after.
    return _foreign_globals(path, format) if _NEWER in str(error) else []


def _foreign_globals(path: Path, format: ForeignFormat) -> list[str]:
    """Names in a file's pickles that are none of PyTorch's or of the allowed ones; read, not run."""
    names: dict[str, None] = {}
    strings = ["", ""]
    try:
        for instruction, argument in _instructions(_pickles(path, format)):
            if instruction == "STACK_GLOBAL":
                names[".".join(strings[-2:])] = None
            elif instruction == "GLOBAL":
                names[str(argument).replace(" ", ".")] = None
            elif isinstance(argument, str):
                strings.append(argument)
    except (ValueError, OSError, LookupError, StopIteration, zipfile.BadZipFile):
        pass  # what was seen until here is all that can be said
    usual = ("torch.", "numpy.", "collections.OrderedDict", "argparse.Namespace", "_codecs.encode")
    return [name for name in names if not name.startswith(usual)]


def _instructions(pickles: io.BytesIO) -> Iterator[tuple[str, object]]:
    """Of one pickle after the other, until the bytes are none any more, which raises `ValueError`."""
    while True:
        for instruction, argument, _ in pickletools.genops(pickles):
            yield instruction.name, argument


def _pickles(path: Path, format: ForeignFormat) -> io.BytesIO:
    if format == "pickle":
        with path.open("rb") as stream:
            return io.BytesIO(stream.read(_LONGEST_PICKLE))
    with zipfile.ZipFile(path) as archive:
        inside = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        with archive.open(inside) as stream:
            return io.BytesIO(stream.read(_LONGEST_PICKLE))


_LONGEST_PICKLE = 1 << 24  # of keys and shapes; an explanation needs no more
_NEWER = "Unsupported operand"


class _InertDtype:
    """`numpy.dtype` in a pickle: keeps the word it is made of."""

    def __init__(self, word: str = "", *rest: object) -> None:
        self.word = word

    def __setstate__(self, state: object) -> None:
        """Byte order and field layout: of no use here."""


class _InertScalar:
    """A NumPy number in a pickle: a float where it is one, else None."""

    def __new__(cls, dtype: object = None, raw: object = b"") -> Any:
        layout = {"f8": "<d", "f4": "<f"}.get(dtype.word if isinstance(dtype, _InertDtype) else "")
        if layout is None or not isinstance(raw, bytes) or len(raw) != struct.calcsize(layout):
            return None
        return struct.unpack(layout, raw)[0]


def _standing_in(base: type, module: str, name: str) -> type:
    """A class that goes by another's name, which is how PyTorch's list of allowed names knows it."""
    return type(name, (base,), {"__module__": module, "__qualname__": name})


_NUMPY_STAND_INS = (
    _standing_in(_InertDtype, "numpy", "dtype"),
    _standing_in(_InertScalar, "numpy.core.multiarray", "scalar"),
    _standing_in(_InertScalar, "numpy._core.multiarray", "scalar"),
)


def _choose(path: Path, content: dict[Any, Any], ema: bool) -> dict[str, Tensor]:
    """The dictionary of tensors inside: the one asked for, else the raw weights, else the file's own."""
    for key in (EMA_KEY,) if ema else RAW_KEYS:
        if isinstance(content.get(key), dict):
            return _tensors_only(path, content[key], f" under “{key}”")
    if ema:
        raise UsageError(f"{path} has no {EMA_KEY}; it holds {_holdings(content)}.", "Leave --ema out.")
    return _tensors_only(path, content, "")


def _tensors_only(path: Path, content: dict[Any, Any], place: str) -> dict[str, Tensor]:
    others = [str(key) for key, value in content.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if others or not content:
        what = f"no tensors are {_listed(others)}" if others else "the dictionary is empty"
        raise UsageError(
            f"{path} has no state dict{place}: {what}.",
            f"A file must be a dictionary of tensors, or have one under {' or '.join(RAW_KEYS)}.",
        )
    return content


def _holdings(content: Mapping[Any, Any]) -> str:
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return f"a bare state dict of {len(content)} tensors"
    return _listed([str(key) for key in content]) or "nothing"


def _without_wrappers(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    taken = ""
    while wrapper := next((word for word in WRAPPERS if all(key.startswith(word) for key in tensors)), ""):
        tensors = {key.removeprefix(wrapper): tensor for key, tensor in tensors.items()}
        taken += wrapper
    return tensors, taken


def _origin(path: Path, content: Mapping[Any, Any], ema: bool) -> ImportedFrom:
    arch, epoch, metric = (content.get(key) for key in ("arch", "epoch", "metric"))
    # A file may hold anything under these keys: what could not be written to JSON is left out.
    return ImportedFrom(
        file=path.name.encode("utf-8", "replace").decode("utf-8"),
        sha256=file_sha256(path),
        weights="ema" if ema else "raw",
        arch=arch if isinstance(arch, str) and arch.isprintable() and len(arch) <= LONGEST_ARCH else None,
        epoch=epoch if type(epoch) is int and 0 <= epoch < LARGEST_EPOCH else None,
        metric=metric if isinstance(metric, float) and math.isfinite(metric) else None,
    )


def _said(path: Path, content: Mapping[Any, Any]) -> dict[str, Any]:
    said = {str(key): _plain(value) for key, value in content.items() if not isinstance(value, Tensor)}
    if _format(path) == "safetensors":
        with safetensors.safe_open(path, "pt") as opened:
            said["metadata"] = opened.metadata() or {}
    return said


def _plain(value: Any, depth: int = 3) -> Any:
    """Numbers, words, and short lists and tables of them; None for anything else."""
    if isinstance(value, argparse.Namespace):
        value = vars(value)
    if isinstance(value, str | int | float | bool):
        return value
    if depth and isinstance(value, Mapping) and len(value) <= _LONGEST_TABLE:
        return {str(key): _plain(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple) and len(value) <= _LONGEST_TABLE:
        return [_plain(item, depth - 1) for item in value]
    return None


_LONGEST_TABLE = 1000


def _listed(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _one_line(error: Exception) -> str:
    # Before these words PyTorch advises how to load the file all the same, which is no advice of ours.
    text = str(error).rpartition("WeightsUnpickler error:")[2].strip().partition("\n")[0].partition(". ")[0].rstrip(".")
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
