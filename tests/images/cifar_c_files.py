"""Small CIFAR-10-C and CIFAR-100-C in the exact form of the published ones."""

import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from groupnl_deploy.images.published.cifar_c_tables import CIFAR_C


def write_folder(
    root: Path, name: str = "cifar10c", words: Sequence[str] = ("fog", "glass_blur"), count: int = 6
) -> Path:
    """Its folder. A pixel says which corruption, severity and image it is of; labels are 0, 1, 2, …"""
    folder = root / CIFAR_C[name].title
    folder.mkdir(parents=True)
    for number, word in enumerate(words):
        pixels = np.zeros((5 * count, 32, 32, 3), np.uint8)
        pixels[..., 0], pixels[..., 1] = number, np.arange(5 * count)[:, None, None]
        pixels[:, 3, 5, 2] = 99
        np.save(folder / f"{word}.npy", pixels)
    classes = 10 if name == "cifar10c" else 100
    np.save(folder / "labels.npy", np.tile(np.arange(count) % classes, 5).astype(np.uint8))
    return folder


def write_tar(folder: Path) -> Path:
    path = folder.with_suffix(".tar")
    with tarfile.open(path, "w") as archive:
        archive.add(folder, folder.name)
    return path
