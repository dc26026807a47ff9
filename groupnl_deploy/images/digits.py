"""scikit-learn's 1,797 handwritten digits (UCI, 8x8, 0 to 16), shown to a network as 32x32 with three channels."""

import numpy as np
import torch
from torch.nn import functional

from groupnl_deploy.images.dataset import Dataset, Pixels
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.progress import Reporter

SIDE = 32  # pixels
TEST_SHARE = 0.2


def load(source: DataSource, seed: int, reporter: Reporter) -> Dataset:
    """A fifth of each digit, drawn by this seed, is the test part. They come with scikit-learn."""
    source.require_plain((3, SIDE, SIDE))
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    pixels, labels = _enlarged(bunch.images), bunch.target.astype(np.int64)
    parts = train_test_split(np.arange(len(labels)), test_size=TEST_SHARE, stratify=labels, random_state=seed)
    train, test = (InMemoryImages(pixels[part], labels[part]) for part in map(np.sort, parts))
    names = tuple(str(name) for name in bunch.target_names)
    return Dataset("digits", names, (3, SIDE, SIDE), train, test, split_seed=seed)


def _enlarged(images: np.ndarray) -> Pixels:
    values = torch.from_numpy(images[:, None]).float()
    larger = functional.interpolate(values, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    pixels: Pixels = (larger * 255 / 16).round().to(torch.uint8).repeat(1, 3, 1, 1).numpy()
    return pixels
