"""The data set `folder`: the user's own images, which lie in class folders or are named by a CSV."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from device_agent.manifest import View
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.images.dataset import Dataset, Labels, Pixels
from groupnl_deploy.images.decode import DECODER, as_pixels, decoded, fitted, usual_shape
from groupnl_deploy.images.kept import Watch, kept
from groupnl_deploy.images.listing import refusals, shown
from groupnl_deploy.images.measured import remembered_statistics
from groupnl_deploy.images.own_files import OwnFiles, list_images, read_files
from groupnl_deploy.images.seen import remember_place
from groupnl_deploy.images.source import FOLDER, DataSource, Shape
from groupnl_deploy.images.split import Part, Split, SplitFile, draw_split
from groupnl_deploy.progress import Reporter
from groupnl_deploy.workspace import sha256_hex

NAME = FOLDER
_MARGIN = 8 / 7  # of training images, for an augmentation to cut from; 256 for 224, as is usual


@dataclass(frozen=True, eq=False, repr=False)
class FolderImages:
    """`LabelledImages` that are decoded when they are asked for, in the order of their digests.

    Args:
        root: the folder that all names are below.
        names: of the files.
        digests: the hex SHA-256 of each.
        labels: int64 (N,).
        shape: (C, H, W) that each becomes.
        view: what of it is shown; None is the largest window in the middle, which a JPEG may be decoded smaller for.
    """

    root: Path
    names: tuple[str, ...]
    digests: tuple[str, ...]
    labels: Labels
    shape: Shape
    view: View | None = None

    costly: ClassVar[bool] = True

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"FolderImages({len(self)} of {self.root}, {self.shape})"

    def __getitem__(self, index: int) -> Pixels:
        return fitted(decoded(*self._read(index), self.shape, self.view is not None), self.shape, self.view)

    def viewed(self, view: View) -> "FolderImages":
        """The same ones in this view."""
        return dataclasses.replace(self, view=view)

    def original(self, index: int) -> Pixels:
        """uint8 (C, H', W'): the whole image, at its own size."""
        return as_pixels(decoded(*self._read(index), self.shape, exact=True))

    def _read(self, index: int) -> tuple[bytes, Path]:
        path = self.root / self.names[index]
        data = path.read_bytes()
        if sha256_hex(data) != self.digests[index]:
            raise VerificationFailed(
                f"{shown(str(path))} has changed since this began.",
                "Run the command again; the changed folder is another data set.",
            )
        return data, path

    @functools.cached_property
    def identity(self) -> str:
        """Of all pixels, in their order: of the files, the shape, the view and whoever decodes."""
        seen = [] if self.view is None else [dataclasses.astuple(self.view)]
        return hashlib.sha256(json.dumps([DECODER, self.shape, self.digests, *seen]).encode()).hexdigest()


class Row(NamedTuple):
    """A file in its place."""

    sha256: str
    name: str
    label: int
    part: Part


def load(source: DataSource, seed: int, reporter: Reporter) -> Dataset:
    """Images below `source.path`, as (3, 224, 224) unless `source.shape` says otherwise.

    The folder's own parts, else a fifth of each class to test on, drawn by the seed. It is kept while nothing
    in the folder changes.

    Raises `UsageError` for what no network can be trained on.
    """
    path, shape = _path(source), usual_shape(source.shape)
    key = (NAME, str(path.absolute()), str(shape), str(seed))
    return kept(key, lambda told, watch: _read(path, shape, seed, told, watch), reporter)


def _read(path: Path, shape: Shape, seed: int, reporter: Reporter, watch: Watch) -> Dataset:
    listing = list_images(path)
    for refusal in refusals(listing):
        raise refusal
    watch([*listing.watched, *(f"{listing.root}/{file.name}" for file in listing.files)])
    files = read_files(listing, reporter)
    dataset = _dataset(files, shape, seed, reporter)
    remember_place(files.sha256, path)
    return dataset


def dataset_of(rows: Iterable[Row], files: OwnFiles, class_names: tuple[str, ...], shape: Shape) -> Dataset:
    """A data set of some files of a folder. Its split is what the rows say; who decided it is left open."""
    ordered = sorted(rows)
    root = files.listing.root
    train, test = ([row for row in ordered if row.part == part] for part in ("train", "test"))
    margin = (shape[0], larger(shape[1]), larger(shape[2]))
    to_train = _images(root, train, margin)
    return Dataset(
        NAME,
        class_names,
        shape,
        to_train,
        _images(root, test, shape),
        split_seed=None,
        declared=functools.partial(remembered_statistics, to_train, to_train.identity, margin),
        sha256=files.sha256,
        split=Split.of(SplitFile(row.sha256, row.label, row.part) for row in ordered),
        margin=margin,
    )


def _dataset(files: OwnFiles, shape: Shape, seed: int, reporter: Reporter) -> Dataset:
    listing = files.listing
    for note in listing.notes:
        reporter.note(note)
    labelled = list(zip(files.digests, files.labels, strict=True))
    if listing.has_parts:
        parts = [file.part or "train" for file in listing.files]
    else:
        drawn = {file.sha256: file.part for file in draw_split(labelled, listing.classes, seed).files}
        parts = [drawn[sha256] for sha256 in files.digests]
    names = (file.name for file in listing.files)
    rows = [Row(sha256, name, label, part) for (sha256, label), name, part in zip(labelled, names, parts, strict=True)]
    found = dataset_of(rows, files, listing.classes, shape)
    _tell_leak(rows, reporter)
    return found if listing.has_parts else dataclasses.replace(found, split_seed=seed)


def _tell_leak(rows: list[Row], reporter: Reporter) -> None:
    trained_on, tested_on = ({row.sha256 for row in rows if row.part == part} for part in ("train", "test"))
    leaked = len(trained_on & tested_on)
    if leaked:
        reporter.note(
            f"{leaked} of {len(tested_on)} images to test on are trained on too, and the accuracy will be too good; "
            "`groupnl data check DIR` names them."
        )


def _images(root: Path, rows: list[Row], shape: Shape) -> FolderImages:
    labels = np.array([row.label for row in rows], np.int64)
    labels.setflags(write=False)
    return FolderImages(root, tuple(row.name for row in rows), tuple(row.sha256 for row in rows), labels, shape)


def larger(side: int) -> int:
    """A side of a training image, for an augmentation to cut from."""
    return round(side * _MARGIN)


def _path(source: DataSource) -> Path:
    if source.path is None:
        raise UsageError(
            f"The data set “{NAME}” is a folder of yours, and none was named.",
            'Name it: --data DIR, or in a campaign data = "DIR".',
        )
    return Path(source.path).expanduser()
