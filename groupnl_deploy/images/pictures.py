"""Any folder of pictures, whatever they show and however they lie in it: to try a network on."""

from pathlib import Path

import numpy as np

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.bench_images import spread
from groupnl_deploy.images.dataset import Pixels
from groupnl_deploy.images.decode import decoded, fitted
from groupnl_deploy.images.listing import IMAGE_SUFFIXES, suffix_of
from groupnl_deploy.images.source import Shape


def read_pictures(folder: Path, shape: Shape, count: int) -> Pixels:
    """uint8 (N, C, H, W): up to `count` pictures of a folder and of those in it, spread evenly over their names.

    Raises `UsageError` for a folder without any, `DamagedImage` for one that cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder.", "Name a folder with pictures in it.")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and suffix_of(path.name) in IMAGE_SUFFIXES)
    if not files:
        raise UsageError(
            f"There are no pictures in {folder}.",
            "Name a folder with .jpg or .png files; photographs are used without.",
        )
    chosen = [files[index] for index in spread(len(files), count)]
    return np.stack([fitted(decoded(path.read_bytes(), path, shape), shape) for path in chosen])
