"""Own images that are small enough all together are decoded once, and lie in a file that is mapped into memory.

The file has its name from what is in it, so it is never out of date. It appears whole or not at all, so several
processes may need it at once, and it may be removed at any time. Nothing but numbers is read from it.
"""

import contextlib
import math
import os
import shutil
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from groupnl_deploy.errors import DiskFull, UsageError
from groupnl_deploy.images.dataset import Dataset, LabelledImages, Pixels
from groupnl_deploy.images.folder import FolderImages
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.images.loader import batches
from groupnl_deploy.images.measured import remembered_statistics
from groupnl_deploy.images.pixel_file import begin_pixels
from groupnl_deploy.places import cache_dir
from groupnl_deploy.progress import Reporter
from groupnl_deploy.workspace import atomic_file, disk_errors

MOST_BYTES = 512 * 2**20
"""Of one part's pixels. More would not stay in the memory of a small machine, and decoding is as quick as its disk."""
KEPT_BYTES = 4 * MOST_BYTES
"""Of all files together; those that were used longest ago are removed."""
_AT_ONCE = 64
_SPARE = 2  # times what is written: others need the disk too
_DAY_S = 24 * 3600


def decoded_once(dataset: Dataset, reporter: Reporter) -> Dataset:
    """The same data set, whose parts are mapped from memory where they are small enough: the same pixels, sooner.

    Raises what reading an image raises. Where the disk has no room a note says so, and images are decoded each time.
    """
    train, test = (_mapped(part, reporter) for part in (dataset.train, dataset.test))
    declared = dataset.declared
    if isinstance(dataset.train, FolderImages):
        declared = partial(remembered_statistics, train, dataset.train.identity, dataset.train_shape)
    return replace(dataset, train=train, test=test, declared=declared)


def _mapped(images: LabelledImages, reporter: Reporter) -> LabelledImages:
    if not isinstance(images, FolderImages) or not 0 < _size(images) <= MOST_BYTES:
        return images
    place = cache_dir() / "decoded" / f"{images.identity}.npy"
    pixels = _opened(place, images)
    if pixels is None:
        try:
            _make_room(place.parent, _size(images))
            _write(place, images, reporter)
        except (DiskFull, UsageError) as error:  # of the disk; an image has errors of other kinds
            reporter.note(f"Decoded images are not kept, and each epoch decodes them: {error.message}")
            return images
        pixels = _opened(place, images)
    return images if pixels is None else InMemoryImages(pixels, images.labels)


def _size(images: FolderImages) -> int:
    return len(images) * math.prod(images.shape)


def _opened(place: Path, images: FolderImages) -> Pixels | None:
    """The pixels of a file, mapped; None where there is none, or it is not what its name says."""
    with contextlib.suppress(Exception):  # a damaged header can raise whatever NumPy's parser meets
        pixels: Pixels = np.load(place, mmap_mode="r", allow_pickle=False)
        if pixels.shape == (len(images), *images.shape) and pixels.dtype == np.uint8:
            with contextlib.suppress(OSError):  # of somebody else's file
                os.utime(place)  # it is used now, and stays
            return pixels
    return None


def _make_room(folder: Path, size_bytes: int) -> None:
    """Remove what was used longest ago, and what killed processes left. Raises `DiskFull` where that is not enough."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".*.new-*"):
            if left.stat().st_mtime < time.time() - _DAY_S:
                left.unlink(missing_ok=True)
        kept = sorted(folder.glob("*.npy"), key=lambda file: file.stat().st_mtime)
        while kept and sum(file.stat().st_size for file in kept) + size_bytes > KEPT_BYTES:
            kept.pop(0).unlink(missing_ok=True)
        free = shutil.disk_usage(folder).free
    if free < _SPARE * size_bytes:
        raise DiskFull(f"The disk of {folder} has {free / 2**20:.0f} MB left.", "Free some space there.")


def _write(place: Path, images: FolderImages, reporter: Reporter) -> None:
    chosen = (range(start, min(start + _AT_ONCE, len(images))) for start in range(0, len(images), _AT_ONCE))
    with atomic_file(place) as stream, reporter.task(f"decode {len(images)} images once") as task:
        with disk_errors(place):
            begin_pixels(stream, (len(images), *images.shape))
        for done, batch in enumerate(batches(images, chosen, images.shape), start=1):
            with disk_errors(place):
                stream.write(batch.numpy().tobytes())
            read = min(done * _AT_ONCE, len(images))
            task(read, len(images), f"{read} of {len(images)}")
