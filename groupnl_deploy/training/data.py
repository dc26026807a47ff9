"""Image data sets by name, and the real images that parity checks and benchmarks run on.

Everything here comes with scikit-learn, so nothing is downloaded. To add a data set: a function that loads it,
and its line in `DATASETS`.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from groupnl_deploy.errors import UsageError
from groupnl_deploy.words import known_word

Shape = tuple[int, int, int]
Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Statistics = tuple[float, ...]

TEST_SHARE = 0.2
# The usual per-channel statistics of ImageNet's training images, for nets that have no data set of their own.
IMAGENET_MEAN: Statistics = (0.485, 0.456, 0.406)
IMAGENET_STD: Statistics = (0.229, 0.224, 0.225)
PHOTO_CROPS = 8


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


@dataclass(frozen=True, eq=False)
class BenchImages:
    """Real images for a benchmark: uint8 (N, C, H, W), their labels if they have any, where they come from.

    `mean` and `std` turn them into a network's input: (x / 255 − mean) / std, per channel.
    """

    images: Images
    labels: tuple[int, ...] | None
    source: str
    mean: Statistics
    std: Statistics


@functools.cache
def load_dataset(name: str, seed: int = 0) -> ImageDataset:
    """The data set of this name, split by this seed. Raises `UsageError` for an unknown name."""
    return DATASETS[known_word("dataset", name, DATASETS)].load(seed)


def bench_images(dataset_name: str | None, input_shape: Shape, count: int | None) -> BenchImages:
    """Images of `input_shape`: a data set's first test images, or crops of photographs where there is no data set.

    Args:
        dataset_name: a known data set, or None for seeded crops of scikit-learn's two photographs.
        input_shape: (C, H, W) that the network takes.
        count: how many; None means all test images or eight crops. A data set that has fewer gives all it has.
    """
    if count is not None and count < 1:
        raise UsageError(f"{count} images were asked for.", "Ask for at least one image.")
    if dataset_name is None:
        return _photo_crops(input_shape, PHOTO_CROPS if count is None else count)
    data = load_dataset(dataset_name)
    if data.input_shape != input_shape:
        raise UsageError(
            f"The images of “{data.name}” have the shape {data.input_shape}, but the network takes {input_shape}.",
            "Use the data set that the network was made for.",
        )
    labels = tuple(int(label) for label in data.test_labels[:count])
    source = f"{data.name}, first {len(labels)} test images (split seed {data.split_seed})"
    return BenchImages(data.test_images[:count], labels, source, data.mean, data.std)


def preprocessing(dataset_name: str | None, channels: int) -> tuple[Statistics, Statistics]:
    """(mean, std) per channel: the data set's own, or ImageNet's where there is none."""
    if dataset_name is not None:
        data = load_dataset(dataset_name)
        return data.mean, data.std
    if channels == 3:
        return IMAGENET_MEAN, IMAGENET_STD
    return (float(np.mean(IMAGENET_MEAN)),) * channels, (float(np.mean(IMAGENET_STD)),) * channels


def as_input(images: Tensor, mean: Statistics, std: Statistics) -> Tensor:
    """uint8 (N, C, H, W) → float32 (x / 255 − mean) / std."""
    return (images.float() / 255 - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(std).view(-1, 1, 1)


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


def _photo_crops(shape: Shape, count: int) -> BenchImages:
    from sklearn.datasets import load_sample_images

    if shape[0] not in (1, 3):
        raise UsageError(
            f"Photographs have 1 or 3 channels, but the network takes {shape[0]}.",
            "Train it on a data set, whose test images are used then.",
        )
    photos = [np.moveaxis(photo, 2, 0) for photo in load_sample_images().images]
    random = np.random.default_rng(0)
    crops = np.stack([_crop(photos[index % len(photos)], shape, random) for index in range(count)])
    mean, std = preprocessing(None, shape[0])
    return BenchImages(crops, None, f"scikit-learn's sample photographs, {count} seeded crops", mean, std)


def _crop(photo: Images, shape: Shape, random: np.random.Generator) -> Images:
    """A random window of the wanted aspect, half to all of the largest that fits, resized with antialiasing."""
    channels, height, width = shape
    _, full_height, full_width = photo.shape
    scale = min(full_height / height, full_width / width) * random.uniform(0.5, 1)
    window_height, window_width = max(1, int(height * scale)), max(1, int(width * scale))
    top = random.integers(full_height - window_height + 1)
    left = random.integers(full_width - window_width + 1)
    window = photo[None, :, top : top + window_height, left : left + window_width].astype(np.float32)
    if channels == 1:
        window = window.mean(axis=1, keepdims=True)
    resized = functional.interpolate(
        torch.from_numpy(window), size=(height, width), mode="bilinear", align_corners=False, antialias=True
    )
    return resized[0].round().clamp(0, 255).to(torch.uint8).numpy()
