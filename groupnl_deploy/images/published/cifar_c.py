"""CIFAR-10-C and CIFAR-100-C from NumPy's files: mapped into memory, in the folder or in the archive itself.

A file has five severities behind one another, each with the test images in the order of the clean data set.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.images.corrupted import CORRUPTIONS, SEVERITIES, CorruptedDataset
from groupnl_deploy.images.dataset import Labels, Pixels
from groupnl_deploy.images.listing import shown
from groupnl_deploy.images.published.cifar_c_tables import CIFAR_C, IMAGES, LABELS, CifarC
from groupnl_deploy.images.published.cifar_tables import CIFAR
from groupnl_deploy.images.published.generated import GENERATED, read_generated
from groupnl_deploy.images.published.npy import mapped
from groupnl_deploy.images.published.pieces import Piece, pieces_of_folder, pieces_of_tar
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.progress import Reporter
from groupnl_deploy.words import known_word

SHAPE = (3, 32, 32)
_LEAST_TO_TELL = 1000  # labels: so many of a hundred classes are never of the first ten alone


@dataclass(frozen=True, eq=False, repr=False)
class Rows:
    """`LabelledImages` of some rows of a mapped file, whose channels are last there.

    Args:
        pixels: uint8 (N, 32, 32, 3).
        labels: int64 (N,).
    """

    pixels: Pixels
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Pixels:
        return np.ascontiguousarray(np.moveaxis(self.pixels[index], 2, 0))


@dataclass(frozen=True, eq=False)
class _Parts:
    """The images of a corruption at a severity."""

    about: CifarC
    where: Path
    arrays: dict[str, Pixels]
    labels: Labels

    def __call__(self, corruption: str, severity: int) -> Rows:
        known_word("corruption", corruption, CORRUPTIONS)
        if severity not in SEVERITIES:
            raise UsageError(f"There is no severity {severity}; they are 1 to 5.", "Choose one of these.")
        if corruption not in self.arrays:
            raise UsageError(
                f"{shown(str(self.where))} has no {self.about.file(corruption)}.",
                f"Ask for others, or add it. {self.about.remedy}",
            )
        count = len(self.labels)
        rows = slice((severity - 1) * count, severity * count)
        return Rows(self.arrays[corruption][rows], self.labels)


def load_corrupted(source: DataSource, reporter: Reporter) -> CorruptedDataset:
    """What lies at `source.path`: the folder of the files, the folder that it lies in, or the archive.

    Raises `UsageError` where none of it is there, `VerificationFailed` for files that are damaged or no such arrays.
    """
    source.require_shape(SHAPE)
    about, path = CIFAR_C[source.name], source.require_place()
    where, pieces = find_cifar_c(about, path)
    labels = _labels(source.name, pieces[f"{LABELS}.npy"])
    names = [name for name in CORRUPTIONS if f"{name}.npy" in pieces]
    arrays = {name: _images(about, pieces[f"{name}.npy"], len(labels)) for name in names}
    origin, notes = _origin(source.name, about, pieces.get(GENERATED), len(labels))
    class_names = CIFAR[about.clean].class_names
    parts = _Parts(about, where, arrays, labels)
    return CorruptedDataset(source.name, origin, class_names, SHAPE, tuple(names), parts, notes)


def find_cifar_c(about: CifarC, path: Path) -> tuple[Path, dict[str, Piece]]:
    """The folder or archive that its files are in, and these by name. Raises as `load_corrupted`."""
    if not path.exists():
        raise UsageError(
            f"{shown(str(path))} does not exist.", f"Name the folder or the archive of {about.title}. {about.remedy}"
        )
    incomplete: tuple[Path, dict[str, Piece]] | None = None
    for where, pieces in _candidates(about, path):
        if f"{LABELS}.npy" in pieces and any(f"{name}.npy" in pieces for name in CORRUPTIONS):
            return where, pieces
        incomplete = incomplete or ((where, pieces) if pieces else None)
    if incomplete:
        where, pieces = incomplete
        lacks = about.file(LABELS) if f"{LABELS}.npy" not in pieces else "a file of any corruption, such as fog.npy"
        raise VerificationFailed(f"{shown(str(where))} lacks {lacks}.", about.remedy)
    raise UsageError(
        f"{shown(str(path))} does not hold {about.title}: there is no labels.npy beside files such as fog.npy, no "
        f"folder {about.title} with these, and no {about.archive.name}.",
        about.remedy,
    )


def _candidates(about: CifarC, path: Path) -> Iterator[tuple[Path, dict[str, Piece]]]:
    wanted = [*(f"{name}.npy" for name in (*CORRUPTIONS, LABELS)), GENERATED]
    if path.is_file():
        if path.suffix == ".npy":
            raise UsageError(
                f"{shown(str(path))} is one file of {about.title}, and its labels are needed too.",
                f"Name its folder: {path.parent}.",
            )
        yield path, pieces_of_tar(path, wanted, about.remedy)
        return
    for folder in (path, path / about.title):
        yield folder, pieces_of_folder(folder, wanted)
    archive = path / about.archive.name
    if archive.is_file():
        yield archive, pieces_of_tar(archive, wanted, about.remedy)


def _labels(name: str, piece: Piece) -> Labels:
    """Those of one severity; each has the same ones."""
    about = CIFAR_C[name]
    found = np.asarray(mapped(piece, about.remedy))
    count = len(found) // len(SEVERITIES) if found.ndim == 1 else 0
    if found.dtype.kind not in "iu" or not count or found.shape != (count * len(SEVERITIES),):
        raise VerificationFailed(
            f"{piece.name} is {found.dtype} {found.shape}, and should be whole numbers, as many for each severity.",
            about.remedy,
        )
    by_severity = found.reshape(len(SEVERITIES), count)
    if not (by_severity == by_severity[0]).all():
        raise VerificationFailed(f"{piece.name} has other labels at some severities than at others.", about.remedy)
    labels: Labels = by_severity[0].astype(np.int64)
    classes = len(CIFAR[about.clean].class_names)
    other = next(key for key in CIFAR_C if key != name)
    too_few = classes > 10 and count >= _LEAST_TO_TELL and labels.max() < 10
    if labels.min() < 0 or labels.max() >= classes or too_few:
        raise UsageError(
            f"{piece.name} has labels from {labels.min()} to {labels.max()}, and {about.title} has {classes} classes.",
            f"If it is of {CIFAR_C[other].title}, say {other}.",
        )
    labels.setflags(write=False)
    return labels


def _images(about: CifarC, piece: Piece, count: int) -> Pixels:
    found: Any = mapped(piece, about.remedy)
    wanted = (count * len(SEVERITIES), 32, 32, 3)
    if found.dtype != np.uint8 or found.shape != wanted:
        raise VerificationFailed(
            f"{piece.name} is {found.dtype} {found.shape}, and should be uint8 {wanted}, as there are {count:,} "
            "labels for each severity.",
            about.remedy,
        )
    return found  # type: ignore[no-any-return]


def _origin(
    name: str, about: CifarC, piece: Piece | None, count: int
) -> tuple[Literal["published", "generated"], tuple[str, ...]]:
    if piece is not None:
        return "generated", read_generated(piece, (name, about.clean))
    if count != IMAGES:
        return "published", (f"with {count:,} images at each severity it is not {about.title} as it was published",)
    return "published", ()
