"""What a path holds that was named in place of an artifact or a checkpoint, and the command that makes one of it.

Only names are looked at. To know another thing: a line of `_THINGS`.
"""

import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from device_agent.manifest import MANIFEST_FILE
from groupnl_deploy.errors import UsageError
from groupnl_deploy.words import command_line, nearest_word
from groupnl_deploy.workspace import CHECKPOINT_FILE, INCOMPLETE_FILE, RUN_FILE

Wanted = Literal["artifact", "checkpoint"]

_FILES: dict[Wanted, str] = {"artifact": MANIFEST_FILE, "checkpoint": CHECKPOINT_FILE}
_IT_IS: dict[tuple[Wanted, ...], str] = {
    ("artifact",): "no artifact",
    ("checkpoint",): "not a checkpoint folder",
    ("checkpoint", "artifact"): "neither a checkpoint nor an artifact",
}
_MADE_BY: dict[Wanted, str] = {
    "artifact": "Name a folder that groupnl export wrote.",
    "checkpoint": "Name a folder that groupnl train, models init or models import wrote.",
}
_WEIGHTS = (".pt", ".pth", ".tar", ".ckpt", ".safetensors", ".bin", ".pkl")
_IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
_MOST_LOOKED_AT, _DEEPEST = 500, 3  # files of a folder that may hold images


@dataclass(frozen=True)
class _Thing:
    """Something that people name: what to call it, how it is known, and what to do with it instead."""

    called: str
    is_it: Callable[[Path], bool]
    remedy: Callable[[Path, tuple[Wanted, ...]], str]


def require_is(path: Path, *wanted: Wanted) -> None:
    """Raise `refusal` unless the folder has the file that makes it one; whether it is whole is found out later."""
    if not _is_one(path, wanted):
        raise refusal(path, *wanted)


def refusal(path: Path, *wanted: Wanted) -> UsageError:
    """The error for a path that is none of `wanted`: what it is, and the command that makes one of it."""
    if not os.path.lexists(path):
        return UsageError(f"{path} does not exist.", _beside(path, wanted))
    for thing in _THINGS:
        if thing.is_it(path):
            return UsageError(f"{path} is {_IT_IS[wanted]} but {thing.called}.", thing.remedy(path, wanted))
    what = f"it has no {' and no '.join(_FILES[one] for one in wanted)}" if path.is_dir() else "it is another file"
    return UsageError(f"{path} is {_IT_IS[wanted]}: {what}.", _within(path, wanted))


def _is_one(path: Path, wanted: Iterable[Wanted]) -> bool:
    return any((path / _FILES[one]).is_file() for one in wanted)


def _beside(path: Path, wanted: tuple[Wanted, ...]) -> str:
    """The one that lies there with the nearest name, else those that lie there."""
    nearest = nearest_word(path.name, _there(path.parent, wanted))
    return f"Did you mean {path.parent / nearest}?" if nearest else _within(path.parent, wanted)


def _within(folder: Path, wanted: tuple[Wanted, ...]) -> str:
    some = ", ".join(str(folder / name) for name in _there(folder, wanted)[:3])
    return f"Name one of those there, such as {some}." if some else _MADE_BY[wanted[0]]


def _there(folder: Path, wanted: tuple[Wanted, ...]) -> list[str]:
    try:
        return sorted(inner.name for inner in folder.iterdir() if _is_one(inner, wanted))
    except OSError:
        return []


def _holds(*files: str) -> Callable[[Path], bool]:
    return lambda path: any((path / file).is_file() for file in files)


def _ends(*suffixes: str) -> Callable[[Path], bool]:
    return lambda path: path.is_file() and path.suffix.lower() in suffixes


def _is_part(path: Path) -> bool:
    """A file inside of a checkpoint or an artifact."""
    return path.is_file() and _holds(*_FILES.values())(path.parent)


def _is_campaign(path: Path) -> bool:
    return (path / "stamps").is_dir() or all((path / name).is_dir() for name in ("artifacts", "checkpoints"))


def _has_images(path: Path) -> bool:
    return path.is_dir() and any(Path(name).suffix.lower() in _IMAGES for name in _some_files(path))


def _some_files(path: Path) -> Iterator[str]:
    """Names of files in it and not far below, of the first few hundred."""
    deepest = len(path.parts) + _DEEPEST
    walk = ((folder, files) for folder, _, files in os.walk(path) if len(Path(folder).parts) < deepest)
    return itertools.islice((name for _, files in walk for name in files), _MOST_LOOKED_AT)


def _export(path: Path, wanted: tuple[Wanted, ...]) -> str:
    return f"Make one of it: {command_line('export', path, '--out', 'ARTIFACT')}"


def _push(path: Path, wanted: tuple[Wanted, ...]) -> str:
    push = command_line("push", path, "--device", "NAME")
    return f"It needs no export; push it: {push}. Another format or level is made of its checkpoint."


def _folder(path: Path, wanted: tuple[Wanted, ...]) -> str:
    folder = path.parent
    return f"Name the folder: {folder}" if _is_one(folder, wanted) else refusal(folder, *wanted).remedy


def _export_onnx(path: Path, wanted: tuple[Wanted, ...]) -> str:
    what = "Make one of it" if wanted == ("artifact",) else "Export it as it is"
    return f"{what}: {command_line('export', '--onnx', path, '--out', 'ARTIFACT')}"


def _import(path: Path, wanted: tuple[Wanted, ...]) -> str:
    then = f", then {command_line('export', 'CHECKPOINT', '--out', 'ARTIFACT')}" if wanted == ("artifact",) else ""
    made = command_line("models", "import", path, "--model", "NAME", "--out", "CHECKPOINT")
    return f"Make a checkpoint of it: {made}{then}"


def _train(path: Path, wanted: tuple[Wanted, ...]) -> str:
    train = command_line("train", "--dataset", "folder", "--data", path, "--model", "NAME", "--out", "CHECKPOINT")
    return f"Train a network on it: {train}"


def _report(path: Path, wanted: tuple[Wanted, ...]) -> str:
    see = f"See it: {command_line('report', path)}"
    try:
        artifact = json.loads((path / RUN_FILE).read_bytes())["artifact_sha256"][:12]
    except (OSError, ValueError, LookupError, TypeError):
        return see
    return f"{see}. What it ran is benched again by {command_line('bench', '--artifact', artifact, '--device', 'NAME')}"


def _init(path: Path, wanted: tuple[Wanted, ...]) -> str:
    made = command_line("models", "init", "--module", f"{path}:FUNCTION", "--out", "CHECKPOINT")
    return f"Make a checkpoint of a network in it: {made}"


def _run(path: Path, wanted: tuple[Wanted, ...]) -> str:
    return f"If it is a campaign, run it: {command_line('run', path)}"


def _of_campaign(path: Path, wanted: tuple[Wanted, ...]) -> str:
    return _within(path / f"{wanted[0]}s", wanted)


_THINGS = (
    _Thing("a checkpoint", _holds(CHECKPOINT_FILE), _export),
    _Thing("an artifact already", _holds(MANIFEST_FILE), _push),
    _Thing("a run", _holds(RUN_FILE), _report),
    _Thing("a run that was cut short", _holds(INCOMPLETE_FILE), _report),
    _Thing("the folder of a campaign", _is_campaign, _of_campaign),
    _Thing("a file out of such a folder", _is_part, _folder),
    _Thing("an ONNX file", _ends(".onnx"), _export_onnx),
    _Thing("a file of weights", _ends(*_WEIGHTS), _import),
    _Thing("Python code", _ends(".py"), _init),
    _Thing("a file of settings", _ends(".toml"), _run),
    _Thing("a folder of images", _has_images, _train),
)
"""The first that it is tells what to do with it."""
