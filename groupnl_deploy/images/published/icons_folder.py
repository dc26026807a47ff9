"""Icons-50 as a folder: <class>/<company>_<rendition>_<subtype>.png, decoded when they are asked for."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.images.digests import file_digests
from groupnl_deploy.images.folder import FolderImages
from groupnl_deploy.images.listing import IMAGE_SUFFIXES, named, shown, suffix_of
from groupnl_deploy.images.published.icons_tables import CLASSES, FOLDER, REMEDY
from groupnl_deploy.images.source import Shape
from groupnl_deploy.progress import Reporter


@dataclass(frozen=True, order=True, slots=True)
class Icon:
    """A file: its name below the root, the index of its class, and the company that drew it."""

    name: str
    label: int
    company: str


@dataclass(frozen=True)
class IconFolder:
    """The icons of a folder, sorted by name, with the SHA-256 of each, and names that say no company."""

    root: Path
    icons: tuple[Icon, ...]
    digests: tuple[str, ...]
    unnamed: tuple[str, ...]

    @property
    def companies(self) -> tuple[str, ...]:
        """Of each icon."""
        return tuple(icon.company for icon in self.icons)

    @property
    def sha256(self) -> str:
        """Of all icons with their names, which say class and company."""
        rows = [[icon.name, digest] for icon, digest in zip(self.icons, self.digests, strict=True)]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def part(self, indices: Sequence[int], shape: Shape) -> FolderImages:
        """Some of them, as images of this shape."""
        labels = np.array([self.icons[index].label for index in indices], np.int64)
        labels.setflags(write=False)
        names = tuple(self.icons[index].name for index in indices)
        return FolderImages(self.root, names, tuple(self.digests[index] for index in indices), labels, shape)


def icons_root(path: Path) -> Path | None:
    """The folder of the class folders: the one named, or one called Icons-50 in it, also twice; None where none is."""
    for root in (path, path / FOLDER, path / FOLDER / FOLDER):
        if root.is_dir() and any((root / name).is_dir() for name in CLASSES):
            return root
    return None


def read_icons(root: Path, reporter: Reporter) -> IconFolder:
    """All icons below a root. What lies beside the class folders is no icon: a README, macOS's own files.

    Raises `UsageError` for a folder that is no class, `VerificationFailed` where no icon is there.
    """
    folders = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    others = [name for name in folders if name not in CLASSES]
    if others:
        raise UsageError(
            f"{shown(str(root))} has folders that are no classes of Icons-50: {named(others)}.",
            "Take them out, or say --dataset folder for images of your own.",
        )
    files = sorted(
        f"{folder}/{entry.name}"
        for folder in folders
        for entry in (root / folder).iterdir()
        if not entry.name.startswith(".") and suffix_of(entry.name) in IMAGE_SUFFIXES and entry.is_file()
    )
    icons = [icon for icon in map(_icon, files) if icon is not None]
    if not icons:
        raise VerificationFailed(f"{shown(str(root))} has no icons in its folders.", REMEDY)
    unnamed = tuple(name for name in files if _icon(name) is None)
    return IconFolder(root, tuple(icons), file_digests(root, [icon.name for icon in icons], reporter), unnamed)


def _icon(name: str) -> Icon | None:
    """What a file's name says; the folder above it says only the class, and never the company."""
    folder, _, base = name.partition("/")
    company, *rest = base.rpartition(".")[0].split("_", 2)
    return Icon(name, CLASSES.index(folder), company.lower()) if company and len(rest) == 2 else None
