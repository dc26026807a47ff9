"""What a data set is: labelled images that are read one at a time, in a part to train on and a part to test on."""

import contextlib
import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from device_agent.manifest import DataRecord, View
from groupnl_deploy.errors import GroupNLError, UsageError
from groupnl_deploy.images.source import Shape
from groupnl_deploy.images.split import Split

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
PerChannel = tuple[float, ...]
"""One number for each channel of an image."""


class LabelledImages(Protocol):
    """Images of one shape, each read when it is asked for, and the class of each, known without reading any.

    The same index gives the same pixels every time, in every process: what is random happens to a batch, or follows
    from the index.
    """

    @property
    def labels(self) -> Labels:
        """int64 (N,): the index of each image's class name."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Pixels:
        """uint8 (C, H, W), for an index from 0 to N - 1."""


@runtime_checkable
class OriginalImages(LabelledImages, Protocol):
    """Images that can also be read as large as they were kept, for an augmentation that cuts windows from them."""

    def original(self, index: int) -> Pixels:
        """uint8 (C, H', W'): all of an image, of a size of its own."""


class ImagesInBatches(LabelledImages, Protocol):
    """`LabelledImages` of which many cost less at once than one by one. Which are asked for together changes no bit."""

    def read_batch(self, indices: Sequence[int]) -> Pixels:
        """uint8 (N, C, H, W), for indices from 0 to N - 1."""


class Statistics(NamedTuple):
    """Mean and standard deviation of pixels from 0 to 1, per channel."""

    mean: PerChannel
    std: PerChannel


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set by name: its two parts, and what a network must know of them.

    Args:
        name: under which it is registered.
        class_names: by label.
        input_shape: (C, H, W) that a network takes, and of every test image.
        train: what a network is trained on.
        test: what it is tested on; no training sees it.
        split_seed: decided which image is in which part; None where somebody else did.
        declared: the statistics where they are published, or what finds them when they are needed; else those of
            `train` are measured then.
        sha256: the digest of all its images and labels; None where name and seed say all that they are.
        split: which file is in which part, for images that lie in files.
        margin: (C, H, W) of the training images, where they are larger than `input_shape` for an augmentation to cut
            from.
        view: what of a photograph a test image shows; None where images have one size, or are shown as large as they
            fit in.

    Raises `UsageError` for a part whose labels are not one class of these for each image.
    """

    name: str
    class_names: tuple[str, ...]
    input_shape: Shape
    train: LabelledImages
    test: LabelledImages
    split_seed: int | None
    declared: Statistics | Callable[[], Statistics] | None = None
    sha256: str | None = None
    split: Split | None = None
    margin: Shape | None = None
    view: View | None = None

    def __post_init__(self) -> None:
        for part in (self.train, self.test):
            labels = np.asarray(part.labels)
            known = labels.dtype.kind in "iu" and set(np.unique(labels)) <= set(range(self.num_classes))
            if len(labels) != len(part) or not (known or not len(part)):
                raise UsageError(
                    f"“{self.name}” has {len(part)} images, {len(part.labels)} labels and {self.num_classes} classes, "
                    "which do not go together.",
                    "Give each image one label, the index of its class name.",
                )

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @property
    def train_shape(self) -> Shape:
        """(C, H, W) of every training image."""
        return self.margin or self.input_shape

    @property
    def record(self) -> DataRecord:
        """What a checkpoint keeps of it."""
        return DataRecord(self.name, self.sha256, self.class_names, self.split_seed)

    @functools.cached_property
    def statistics(self) -> Statistics:
        """Of the training images. Raises `UsageError` where they are all of one colour."""
        declared = self.declared or functools.partial(measure_statistics, self.train, self.input_shape[0])
        found = declared if isinstance(declared, Statistics) else declared()
        if not all(found.std):
            raise UsageError(
                f"Channel {found.std.index(0)} of all training images of “{self.name}” has one value everywhere.",
                "There is nothing to learn from it: look at the images.",
            )
        return found


def gather(images: LabelledImages, indices: Iterable[int], shape: Shape | None = None) -> Tensor:
    """uint8 (N, C, H, W): the images of these indices in this order, read one by one unless they come as a batch.

    Raises `UsageError` for an image that cannot be read, is not uint8 (C, H, W), or has another shape than `shape`.
    """
    if (together := getattr(images, "read_batch", None)) is not None:
        return torch.from_numpy(_read_batch(together, list(indices), shape))
    return torch.from_numpy(np.stack([_read(images, index, shape) for index in indices]))


def measure_statistics(images: LabelledImages, channels: int) -> Statistics:
    """Read every image once. Raises `UsageError` for an image that is not uint8 (channels, H, W)."""
    shape = (channels, None, None)
    return statistics_of((_read(images, index, shape)[None] for index in range(len(images))), channels)


def statistics_of(batches: Iterable[Pixels], channels: int) -> Statistics:
    """Of uint8 (N, channels, H, W) each. Sums of whole numbers are exact, so the order of the images changes no bit."""
    sums, squares, pixels = np.zeros(channels, np.int64), np.zeros(channels, np.int64), 0
    for batch in batches:
        values = np.moveaxis(batch, 1, 0).reshape(channels, -1).astype(np.int64)
        sums, squares = sums + values.sum(axis=1), squares + np.square(values).sum(axis=1)
        pixels += values.shape[1]
    scale, totals = 255 * pixels, sums.tolist()
    spreads = [math.sqrt(pixels * square - total**2) for total, square in zip(totals, squares.tolist(), strict=True)]
    return Statistics(tuple(total / scale for total in totals), tuple(spread / scale for spread in spreads))


def _read(images: LabelledImages, index: int, shape: tuple[int | None, ...] | None = None) -> Pixels:
    """An image, for certain. Pixels from 0 to 1 would become zeros without a word."""
    with _told_with(f"Image {index}", "that image"):
        pixels = images[index]
    _require_pixels(pixels, shape, f"Image {index} of a data set is")
    return pixels


def _read_batch(
    read: Callable[[Sequence[int]], Pixels], indices: list[int], shape: tuple[int | None, ...] | None
) -> Pixels:
    """Images, for certain, and as many as were asked for."""
    with _told_with(f"A batch of {len(indices)} images", "those images"):
        pixels = read(indices)
    if len(pixels) != len(indices):
        raise UsageError(
            f"A data set gave {len(pixels)} images where {len(indices)} were asked for.",
            "See to the code that reads them.",
        )
    _require_pixels(pixels[0], shape, "Images of a data set are")
    return pixels


def _require_pixels(pixels: Pixels, shape: tuple[int | None, ...] | None, found: str) -> None:
    wanted = shape or (None, None, None)
    fits = pixels.ndim == 3 and all(size in (None, found) for size, found in zip(wanted, pixels.shape, strict=True))
    if pixels.dtype != np.uint8 or not fits:
        axes = ", ".join(name if size is None else str(size) for name, size in zip("CHW", wanted, strict=True))
        raise UsageError(
            f"{found} {pixels.dtype} {pixels.shape}, and should be uint8 ({axes}).",
            "Give pixels from 0 to 255, the channels first, and all images of the data set's shape.",
        )


@contextlib.contextmanager
def _told_with(what: str, which: str) -> Iterator[None]:
    """What goes wrong in a data set's own code is told with the image."""
    try:
        yield
    except Exception as error:
        if isinstance(error, GroupNLError | MemoryError) or getattr(error, "filename", None):  # says enough by itself
            raise
        raise UsageError(
            f"{what} of a data set cannot be read: {type(error).__name__}: {error}.",
            f"See to {which}, or to the code that reads.",
        ) from error
