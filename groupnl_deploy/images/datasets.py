"""Image data sets by name.

Everything here comes with scikit-learn, so nothing is downloaded. To add a data set: a function that loads it,
and its line in `DATASETS`.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from groupnl_deploy.words import known_word

Shape = tuple[int, int, int]
Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Statistics = tuple[float, ...]

TEST_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Labelled images, split once; arrays are read-only and training never sees the test part.

    Images are uint8 of shape (N, C, H, W), labels int64 of shape (N,). `mean` and `std` are those of the
    training images divided by 255, per channel. `split_seed` decided which image went where.
    """

    name: str
    num_classes: int
    input_shape: Shape
    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels
    mean: Statistics
    std: Statistics
    split_seed: int


@dataclass(frozen=True)
class DatasetEntry:
    """One known data set: its name, a line about it, and the function from a split seed to the data."""

    name: str
    summary: str
    load: Callable[[int], ImageDataset]


@functools.cache
def load_dataset(name: str, seed: int = 0) -> ImageDataset:
    """The data set of this name, split by this seed. Raises `UsageError` for an unknown name."""
    return DATASETS[known_word("dataset", name, DATASETS)].load(seed)


def _load_digits(seed: int) -> ImageDataset:
    """scikit-learn's 1,797 handwritten digits (UCI, 8x8, 0 to 16), shown to a network as 32x32 with 3 channels."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    pixels = torch.from_numpy(bunch.images[:, None]).float()
    larger = functional.interpolate(pixels, size=(32, 32), mode="bilinear", align_corners=False)
    images = (larger * 255 / 16).round().to(torch.uint8).repeat(1, 3, 1, 1).numpy()
    labels = bunch.target.astype(np.int64)
    chosen = np.arange(len(labels))
    train, test = train_test_split(chosen, test_size=TEST_SHARE, stratify=labels, random_state=seed)
    return _divided("digits", (images, labels), np.sort(train), np.sort(test), seed)


DATASETS = {
    entry.name: entry
    for entry in (
        DatasetEntry("digits", "1,797 handwritten digits in 10 classes, as 32x32 (scikit-learn)", _load_digits),
    )
}


def _divided(
    name: str, data: tuple[Images, Labels], train: npt.NDArray[np.intp], test: npt.NDArray[np.intp], seed: int
) -> ImageDataset:
    images, labels = data
    parts = images[train], labels[train], images[test], labels[test]
    for array in parts:  # one copy is shared by all who ask for this data set
        array.setflags(write=False)
    scaled = images[train].astype(np.float64) / 255
    return ImageDataset(
        name=name,
        num_classes=len(np.unique(labels)),
        input_shape=(images.shape[1], images.shape[2], images.shape[3]),
        train_images=parts[0],
        train_labels=parts[1],
        test_images=parts[2],
        test_labels=parts[3],
        mean=tuple(scaled.mean(axis=(0, 2, 3)).tolist()),
        std=tuple(scaled.std(axis=(0, 2, 3)).tolist()),
        split_seed=seed,
    )
