"""A million photographs in a thousand folders: told apart by names and sizes, decoded when they are asked for."""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from device_agent.manifest import View
from groupnl_deploy.errors import GroupNLError
from groupnl_deploy.images.dataset import Labels, Pixels
from groupnl_deploy.images.decode import as_pixels, decoded, fitted
from groupnl_deploy.images.listing import IMAGE_SUFFIXES, suffix_of
from groupnl_deploy.images.source import Shape
from groupnl_deploy.places import cache_dir
from groupnl_deploy.workspace import sha256_hex, write_atomically

_SCHEMA_VERSION = 1
_JUST_NOW_NS = 2 * 10**9  # as in digests.py


@dataclass(frozen=True, eq=False, repr=False)
class Photos:
    """`LabelledImages` of files, which processes of their own can read without a copy of their names.

    Args:
        root: of the part.
        folders: of each label, below the root; empty where all files lie in the root itself.
        names: bytes (N,), the names of the files.
        labels: int64 (N,).
        shape: (C, H, W) that each becomes.
        view: what of it is shown; None is the largest window in the middle, which a JPEG may be decoded smaller for.
    """

    root: Path
    folders: tuple[str, ...]
    names: npt.NDArray[np.bytes_]
    labels: Labels
    shape: Shape
    view: View | None = None

    costly: ClassVar[bool] = True

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Photos({len(self)} of {self.root}, {self.shape})"

    def path(self, index: int) -> Path:
        """Of an image's file."""
        folder: str = self.folders[int(self.labels[index])]
        return Path(self.root, folder, os.fsdecode(bytes(self.names[index])))

    def __getitem__(self, index: int) -> Pixels:
        path = self.path(index)
        return fitted(decoded(path.read_bytes(), path, self.shape, self.view is not None), self.shape, self.view)

    def viewed(self, view: View) -> "Photos":
        """The same ones in this view."""
        return replace(self, view=view)

    def original(self, index: int) -> Pixels:
        """uint8 (C, H', W'): the whole image, at its own size."""
        path = self.path(index)
        return as_pixels(decoded(path.read_bytes(), path, self.shape, exact=True))


def names_in(folder: Path) -> list[bytes]:
    """The names of the images of a folder, sorted."""
    with os.scandir(os.fsencode(folder)) as entries:
        names = [entry.name for entry in entries if not entry.name.startswith(b".")]
    return sorted(name for name in names if suffix_of(os.fsdecode(name)) in IMAGE_SUFFIXES)


def in_class_folders(root: Path, classes: Sequence[str]) -> tuple[npt.NDArray[np.bytes_], Labels]:
    """Names and labels of the images in those of the class folders that are there, by class and name."""
    found = [names_in(root / name) if (root / name).is_dir() else [] for name in classes]
    labels = np.repeat(np.arange(len(classes)), [len(names) for names in found])
    return as_names(name for names in found for name in names), frozen(labels)


def as_names(names: Iterable[bytes]) -> npt.NDArray[np.bytes_]:
    """An array of names, which takes a third of the memory that a list does."""
    found = list(names)
    array = np.array(found, np.bytes_) if found else np.empty(0, "S1")
    array.setflags(write=False)
    return array


def frozen(labels: npt.NDArray[Any]) -> Labels:
    """As labels that nobody changes."""
    found = labels.astype(np.int64)
    found.setflags(write=False)
    return found


def folders_digest(root: Path, folders: Sequence[str]) -> str:
    """Of the names and sizes of all images in some folders. Sizes are asked for where a folder has changed since."""
    place = cache_dir() / "folders" / f"{sha256_hex(os.fsencode(root.resolve()))[:32]}.json"
    known, found = _remembered(place), {}
    for folder in folders:
        there = root / folder
        if there.is_dir():
            stat = there.stat()
            stamp = [stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
            is_known = folder in known and known[folder][0] == stamp
            found[folder] = known[folder] if is_known else [stamp, _digest(there)]
    if found != known:
        _remember(place, found)
    return sha256_hex(json.dumps([[folder, digest] for folder, (_, digest) in sorted(found.items())]).encode())


def _digest(folder: Path) -> str:
    found, within = hashlib.sha256(), os.fsencode(folder)
    for name in names_in(folder):
        size = os.stat(os.path.join(within, name)).st_size  # noqa: PTH116, PTH118 - as in kept.py
        found.update(b"%s\0%d\0" % (name, size))
    return found.hexdigest()


def _remembered(place: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        record = json.loads(place.read_bytes())
        if record["schema_version"] == _SCHEMA_VERSION:
            return {folder: [stamp, str(digest)] for folder, (stamp, digest) in record["folders"].items()}
    return {}


def _remember(place: Path, found: dict[str, Any]) -> None:
    settled = time.time_ns() - _JUST_NOW_NS
    folders = {name: entry for name, entry in found.items() if max(entry[0][:2]) < settled}
    with contextlib.suppress(GroupNLError):
        write_atomically(place, json.dumps({"schema_version": _SCHEMA_VERSION, "folders": folders}).encode())
