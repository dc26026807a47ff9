"""Corrupted images as files: the layout of CIFAR-10-C, and beside them what says that they were made here."""

import itertools
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from device_agent.strict import to_json
from groupnl_deploy.errors import DiskFull, UsageError
from groupnl_deploy.images.corrupted import SEVERITIES, CorruptedDataset
from groupnl_deploy.images.dataset import Dataset, LabelledImages, Labels, Pixels, gather
from groupnl_deploy.images.loader import batches
from groupnl_deploy.images.pixel_file import begin_pixels
from groupnl_deploy.images.published.generated import GENERATED
from groupnl_deploy.progress import Reporter
from groupnl_deploy.robustness.corruptions import table_of
from groupnl_deploy.robustness.generated import Draw, generated
from groupnl_deploy.robustness.versions import versions
from groupnl_deploy.workspace import atomic_directory, disk_errors, existing, require_absent

_PIXELS_AT_ONCE = 1 << 19  # of a batch: 512 images of 32x32
_SPARE = 1 << 20  # bytes, for what is not pixels


@dataclass(frozen=True)
class Written:
    """What was written.

    Args:
        path: the folder.
        corruptions: a file each.
        images: test images in each severity.
        size_bytes: of all pixels.
        notes: what a reader must know, in sentences without a full stop.
    """

    path: Path
    corruptions: tuple[str, ...]
    images: int
    size_bytes: int
    notes: tuple[str, ...]


def write_corrupted(
    dataset: Dataset,
    corruptions: Iterable[str],
    draw: Draw,
    out: Path,
    reporter: Reporter,
    workers: int | None = None,
) -> Written:
    """Write the test images of a data set at all severities, the folder whole or not at all.

    `NAME.npy` is uint8 (5 N, H, W, C), severity 1 first, each in the order of the test part; `labels.npy` has the N
    labels five times. Pixels do not depend on the number of processes.

    Args:
        dataset: whose test part.
        corruptions: which of the nineteen.
        draw: seed and frost.
        out: the folder; it must not exist.
        reporter: is told how far it is.
        workers: processes that make images beside this one, which writes; None as many as pay.

    Raises what `generated` raises, and `DiskFull` before it begins where the disk has no room.
    """
    require_absent(out)
    if not len(dataset.test):
        raise UsageError(f"“{dataset.name}” has no images to test on.", "Name a data set that has a test part.")
    if workers is not None and workers < 0:
        raise UsageError(f"{workers} processes were asked for.", "Ask for 0 (this one alone) or more.")
    made = generated(dataset, corruptions, SEVERITIES, draw)
    variants = _Variants(made, len(dataset.test))
    size = len(variants) * int(np.prod(dataset.input_shape))
    _require_room(out, size + _SPARE)
    with atomic_directory(out) as folder:
        _write_pixels(folder, variants, reporter, workers)
        labels = np.tile(dataset.test.labels, len(SEVERITIES))
        np.save(folder / "labels.npy", labels.astype(np.min_scalar_type(dataset.num_classes - 1)), allow_pickle=False)
        (folder / GENERATED).write_text(to_json(_record(dataset, made, draw)), encoding="utf-8")
    return Written(out, made.corruptions, len(dataset.test), size, made.notes)


@dataclass(frozen=True, eq=False)
class _Variants:
    """`ImagesInBatches`: all corruptions and severities behind one another, so that one set of processes makes all."""

    made: CorruptedDataset
    count: int

    @property
    def costly(self) -> bool:
        return len(self) * self.made.input_shape[1] * self.made.input_shape[2] >= _PIXELS_AT_ONCE

    @cached_property
    def labels(self) -> Labels:
        return np.tile(self.parts[0].labels, len(self.parts))

    @cached_property
    def parts(self) -> list[LabelledImages]:
        return [self.made.part(name, severity) for name in self.made.corruptions for severity in SEVERITIES]

    def __len__(self) -> int:
        return len(self.made.corruptions) * len(SEVERITIES) * self.count

    def __getitem__(self, index: int) -> Pixels:
        return self.parts[index // self.count][index % self.count]

    def read_batch(self, indices: Sequence[int]) -> Pixels:
        """Of one corruption and severity."""
        first = indices[0] // self.count * self.count
        return gather(self.parts[indices[0] // self.count], [index - first for index in indices]).numpy()

    def chosen(self) -> Iterator[range]:
        """The batches, none of which has two severities in it; each severity has as many."""
        step = max(1, _PIXELS_AT_ONCE // (self.made.input_shape[1] * self.made.input_shape[2]))
        for first in range(0, len(self), self.count):
            for begin in range(first, first + self.count, step):
                yield range(begin, min(begin + step, first + self.count))


def _write_pixels(folder: Path, variants: _Variants, reporter: Reporter, workers: int | None) -> None:
    made, (channels, height, width) = variants.made, variants.made.input_shape
    each, done, chosen = len(SEVERITIES) * variants.count, 0, list(variants.chosen())
    pixels = batches(variants, chosen, made.input_shape, workers)
    with reporter.task(f"corrupt {made.name}") as task:
        for name in made.corruptions:
            path = folder / f"{name}.npy"
            with disk_errors(path), path.open("xb") as stream:
                begin_pixels(stream, (each, height, width, channels))
                for batch in itertools.islice(pixels, len(chosen) // len(made.corruptions)):
                    stream.write(np.ascontiguousarray(np.moveaxis(batch.numpy(), 1, 3)).data)
                    done += len(batch)
                    task(done, len(variants), f"{name}, {done:,}/{len(variants):,} images")


def _record(dataset: Dataset, made: CorruptedDataset, draw: Draw) -> dict[str, Any]:
    height, width = dataset.input_shape[1:]
    return {
        "schema_version": 1,
        "origin": made.origin,
        "dataset": dataset.name,
        "seed": draw.seed,
        "versions": versions(),
        "corruptions": list(made.corruptions),
        "severities": list(SEVERITIES),
        "images": len(dataset.test),
        "constants": table_of(height, width),
        "frost": "textures made here" if draw.frost is None else "the authors' photographs",
        "class_names": list(dataset.class_names),
        "split_seed": dataset.split_seed,
        "sha256": dataset.sha256,
        "notes": list(made.notes),
    }


def _require_room(out: Path, needed: int) -> None:
    with disk_errors(out):
        place = existing(out.absolute().parent)
        free = shutil.disk_usage(place).free
    if free < needed:
        raise DiskFull(
            f"The images take {needed / 1e9:.2f} GB, and the disk that holds {place} has {free / 1e9:.2f} GB free.",
            "Free some space there, choose a folder on another disk with --out, or fewer corruptions.",
        )
