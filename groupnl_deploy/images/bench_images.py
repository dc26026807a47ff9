"""The images that parity checks and benchmarks run on: real ones, where there are any with so many channels."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.dataset import Dataset, Pixels, gather
from groupnl_deploy.images.photographs import photographs
from groupnl_deploy.images.source import Shape

PHOTO_CROPS = 8


@dataclass(frozen=True, eq=False)
class BenchImages:
    """Real images for a benchmark: uint8 (N, C, H, W), their labels if they have any, where they come from."""

    images: Pixels
    labels: tuple[int, ...] | None
    source: str


def bench_images(data: Dataset | None, input_shape: Shape, count: int | None) -> BenchImages:
    """Images of `input_shape`: a data set's test images; without one crops of photographs, or random pixels where the
    network takes other than 1 or 3 channels.

    Fewer than all test images are spread evenly over them, for they may be sorted by class.

    Args:
        data: the data set, or None for seeded crops of scikit-learn's two photographs.
        input_shape: (C, H, W) that the network takes.
        count: how many; None means all test images or eight crops. A data set that has fewer gives all it has.
    """
    if count is not None and count < 1:
        raise UsageError(f"{count} images were asked for.", "Ask for at least one image.")
    if data is None:
        make = _photo_crops if input_shape[0] in (1, 3) else _random_pixels
        return make(input_shape, PHOTO_CROPS if count is None else count)
    if data.input_shape != input_shape:
        raise UsageError(
            f"The images of “{data.name}” have the shape {data.input_shape}, but the network takes {input_shape}.",
            "Use the data set that the network was made for.",
        )
    chosen = spread(len(data.test), count)
    seed = "" if data.split_seed is None else f" (split seed {data.split_seed})"
    source = f"{data.name}, {len(chosen)} of {len(data.test)} test images{seed}"
    labels = tuple(data.test.labels[chosen].tolist())
    return BenchImages(gather(data.test, chosen, data.input_shape).numpy(), labels, source)


def spread(total: int, count: int | None) -> list[int]:
    """`count` indices below `total`, as far from one another as they can be; all of them where there are no more."""
    if count is None or count >= total:
        return list(range(total))
    return [(2 * index + 1) * total // (2 * count) for index in range(count)]


def _random_pixels(shape: Shape, count: int) -> BenchImages:
    """What the paper's Table 16 shows its modules, whose inputs are maps of 512 channels."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    return BenchImages(pixels, None, f"seeded random pixels, {count} images")


def _photo_crops(shape: Shape, count: int) -> BenchImages:
    photos = [np.moveaxis(photo, 2, 0) for photo in photographs()]
    random = np.random.default_rng(0)
    crops = np.stack([_crop(photos[index % len(photos)], shape, random) for index in range(count)])
    source = f"scikit-learn's sample photographs, {count} seeded crops"
    return BenchImages(crops, None, source)


def _crop(photo: Pixels, shape: Shape, random: np.random.Generator) -> Pixels:
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
