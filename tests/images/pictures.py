"""Picture files that tests write for themselves: small, seeded, and each like no other."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, size: tuple[int, int] = (24, 16)) -> Image.Image:
    """Coloured noise of this width and height."""
    width, height = size
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def write(path: Path, seed: int, size: tuple[int, int] = (24, 16)) -> Path:
    """A picture as a file of the format that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed, size).save(path)
    return path


def class_folders(root: Path, classes: Iterable[str] = ("cat", "dog"), each: int = 5, first: int = 0) -> Path:
    """`root/<class>/<index>.png`, so many in each, the seeds counted from `first`."""
    for label, name in enumerate(classes):
        for index in range(each):
            write(root / name / f"{index}.png", first + 1000 * label + index)
    return root
