"""What is said of a file of PyTorch's that was not read: what it wanted, or where it ends, and what helps."""

import itertools
import pickletools
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from groupnl_deploy.errors import GroupNLError, UsageError, VerificationFailed
from groupnl_deploy.pickles.machine import LaterProtocol, OtherForm, TooMuch, UnknownName
from groupnl_deploy.pickles.names import modern
from groupnl_deploy.training.foreign.content import mapped
from groupnl_deploy.training.foreign.kinds import PICKLE, WeightsKind
from groupnl_deploy.training.foreign.names import ALLOWED
from groupnl_deploy.training.foreign.words import listed

DAMAGED = "Copy the file again from where it was whole."
_SAVE_WEIGHTS = (
    "Where you trust its origin, load it there and save the weights alone: "
    "safetensors.torch.save_file(model.state_dict(), FILE)."
)
_MOST_LOOKED_AT = 500_000
_LONGEST_LOOKED_AT = 1 << 24  # of keys and shapes; an explanation needs no more
_WHOLE_MODEL = re.compile(r"\.nn\.modules\.|^(__main__|torchvision\.models|timm\.models|models)\.")
_PIECES = re.compile(r"ShardedTensor|DTensor|\.fsdp\.|_shard\.|^deepspeed\.")
_NOTHING_RAN = "nothing in the file was executed"


def refusal(path: Path, kind: WeightsKind, error: Exception) -> GroupNLError:
    """The error to raise for a file at which the reader stopped."""
    if isinstance(error, UnknownName | LaterProtocol):
        wanted = _foreign_names(path, kind) or ([error.name] if isinstance(error, UnknownName) else [])
        if wanted:
            return _wants(path, wanted)
    if isinstance(error, LaterProtocol):
        return UsageError(
            f"{path} was saved with pickle protocol {error.protocol}; {_NOTHING_RAN}.",
            "Save it again with torch.save's own: torch.save(content, FILE), without pickle_protocol.",
        )
    if isinstance(error, OtherForm):
        return UsageError(f"{path} cannot be read as it is: {error}.", error.remedy)
    if isinstance(error, TooMuch):
        return UsageError(
            f"{path} holds more plain values beside its weights than any checkpoint needs ({error}).", _SAVE_WEIGHTS
        )
    return VerificationFailed(
        f"{path} is truncated, damaged or no state dict of PyTorch's: {_one_line(error)}. {_NOTHING_RAN.capitalize()}.",
        DAMAGED,
    )


def _wants(path: Path, wanted: list[str]) -> UsageError:
    pieces = [name for name in wanted if _PIECES.search(name)]
    if pieces:
        return UsageError(
            f"{path} is one piece of a checkpoint that was saved in pieces, by FSDP or DeepSpeed ({listed(pieces)}); "
            f"{_NOTHING_RAN}.",
            "Gather the state dict there: FSDP's FULL_STATE_DICT, or DeepSpeed's zero_to_fp32.py in its folder.",
        )
    modules = [name for name in wanted if _WHOLE_MODEL.search(name)]
    if modules:
        return UsageError(
            f"{path} holds a whole network as an object ({listed(wanted)}), which its own program alone can load; "
            f"{_NOTHING_RAN}.",
            "Where you trust its origin, load it there, content = torch.load(FILE, weights_only=False), and save the "
            'weights alone: torch.save(content.state_dict(), NEW), or of a dictionary content["state_dict"].',
        )
    return UsageError(
        f"{path} wants {listed(wanted)}, and an import builds tensors and plain values alone; {_NOTHING_RAN}.",
        _SAVE_WEIGHTS,
    )


def _foreign_names(path: Path, kind: WeightsKind) -> list[str]:
    """Names in a file's pickles that are not on the list; read, not run."""
    names: dict[str, None] = {}
    try:
        instructions = itertools.islice(_instructions(_pickles(path, kind)), _MOST_LOOKED_AT)
        for name in _named(instructions):
            names[name] = None
    except (ValueError, OSError, LookupError, StopIteration, TypeError, zipfile.BadZipFile):
        pass  # what was seen until here is all that can be said
    return [name for name in names if name not in ALLOWED and not name.startswith("torch._utils.")]


def _named(instructions: Iterable[tuple[str, object]]) -> Iterator[str]:
    """Every name that a pickle speaks of; from protocol 4 on, the two texts that were pushed last."""
    memo: dict[object, str] = {}
    module, last = "", ""
    for instruction, argument in instructions:
        if instruction == "GLOBAL":
            yield modern(*str(argument).split(" ", 1))
        elif instruction == "STACK_GLOBAL":
            yield modern(module, last)
        elif instruction == "MEMOIZE":
            memo[len(memo)] = last
        elif instruction in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = last
        elif instruction in ("BINGET", "LONG_BINGET"):
            module, last = last, memo.get(argument, "")
        elif isinstance(argument, str):
            module, last = last, argument
        elif instruction == "PROTO":
            memo.clear()


def _instructions(pickles: bytes) -> Iterator[tuple[str, object]]:
    """Of one pickle after the other, until the bytes are none any more, which raises `ValueError`."""
    import io

    stream = io.BytesIO(pickles)
    while True:
        for instruction, argument, _ in pickletools.genops(stream):
            yield instruction.name, argument


def _pickles(path: Path, kind: WeightsKind) -> bytes:
    if kind == "legacy":
        return bytes(mapped(path)[:_LONGEST_LOOKED_AT])
    with zipfile.ZipFile(path) as archive:
        inside = next(name for name in archive.namelist() if Path(name).name == PICKLE)
        with archive.open(inside) as stream:
            return stream.read(_LONGEST_LOOKED_AT)


def _one_line(error: Exception) -> str:
    text = str(error).partition("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
