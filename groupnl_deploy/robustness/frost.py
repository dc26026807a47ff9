"""Frost: a part of a picture of ice is laid over the image."""

import functools
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from groupnl_deploy.errors import UsageError
from groupnl_deploy.robustness.ice import KINDS, ice
from groupnl_deploy.robustness.values import Generators, Pixels, grey
from groupnl_deploy.workspace import disk_errors

PHOTOGRAPHS = {
    "6ead634ace1f366d77e87078b465863c": "frost1.png",
    "98f0d2b1d74a048d3bc9c7ecfd886939": "frost2.png",
    "b3ed8eb147824261888e730f916c0d8b": "frost3.png",
    "d70b9d6aa0b1fe7bd8133b113787e078": "frost4.jpg",
    "50984ae2c871b7df2c28f1d71ca460a0": "frost5.jpg",
}
"""The authors' photographs by their MD5. A sixth is there, and their generator never draws it."""
_SIDE = 600  # of a texture of our own, in pixels, before it is scaled
_SUFFIXES = (".png", ".jpg", ".jpeg")


def frost(
    images: Pixels, draws: Generators, own: float, laid: float, scale: float, folder: str | None = None
) -> Pixels:
    """A weighted sum of an image and a window of a texture.

    Args:
        images: uint8 (N, H, W, C).
        draws: one generator for each image.
        own: weight of the image.
        laid: weight of the texture.
        scale: by which textures are scaled before a window is drawn.
        folder: where the authors' photographs lie; None takes textures made here.

    Raises `UsageError` for a folder without them, and for images that are larger than they are.
    """
    height, width, channels = images.shape[1:]
    pictures = textures(scale, max(height, width), folder)
    windows = np.stack([_window(pictures, draw, height, width) for draw in draws]).astype(np.float64)
    if channels == 1:
        windows = grey(windows)
    return np.clip(own * images + laid * windows, 0, 255).astype(np.uint8)


def _window(pictures: tuple[Pixels, ...], draw: np.random.Generator, height: int, width: int) -> Pixels:
    picture = pictures[draw.integers(len(pictures))]
    top, left = (draw.integers(max(1, room - side)) for room, side in zip(picture.shape, (height, width), strict=False))
    return picture[top : top + height, left : left + width]


def textures(scale: float, least: int, folder: str | None = None) -> tuple[Pixels, ...]:
    """Five uint8 (H, W, 3), each side at least `least`: read or made once. Raises as `frost` does."""
    if folder is None:
        side = _SIDE
        while side * scale <= least:
            side *= 2
        return _made(side, scale)
    pictures = _read(folder, scale)
    smallest = min(min(picture.shape[:2]) for picture in pictures)
    if smallest < least:
        raise UsageError(
            f"The photographs of frost in {folder} are {smallest} pixels high, and the images have {least}.",
            "Leave the folder out: textures that are made here are as large as the images need.",
        )
    return pictures


@functools.lru_cache(maxsize=3)
def _made(side: int, scale: float) -> tuple[Pixels, ...]:
    return tuple(scaled(ice(kind, side, side * 3 // 2), scale) for kind in KINDS)


@functools.lru_cache(maxsize=3)
def _read(folder: str, scale: float) -> tuple[Pixels, ...]:
    return tuple(scaled(photograph, scale) for photograph in _photographs(Path(folder)))


def _photographs(folder: Path) -> list[Pixels]:
    found: dict[str, Pixels] = {}
    with disk_errors(folder):
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in _SUFFIXES and path.is_file():
                name = PHOTOGRAPHS.get(hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest())
                if name is not None:
                    found[name] = np.asarray(Image.open(path).convert("RGB"))
    missing = [name for name in PHOTOGRAPHS.values() if name not in found]
    if missing:
        raise UsageError(
            f"{folder} has not all of the authors' photographs of frost: {', '.join(missing)} missing, by their MD5.",
            "Name the folder `frost` of an installed imagecorruptions, or none: then textures are made here.",
        )
    return [found[name] for name in sorted(found)]


def scaled(picture: Pixels, scale: float) -> Pixels:
    """uint8 (H, W, 3): sampled linearly at the middle of each new pixel. What lies between two samples is lost."""
    if scale == 1:
        return picture
    values = picture.astype(np.float64)
    for axis in (0, 1):
        count = picture.shape[axis]
        at = np.clip((np.arange(round(count * scale)) + 0.5) / scale - 0.5, 0, count - 1)
        low = np.minimum(at.astype(np.int64), count - 2)
        beyond = (at - low).reshape([-1 if dimension == axis else 1 for dimension in range(3)])
        values = values.take(low, axis) * (1 - beyond) + values.take(low + 1, axis) * beyond
    return np.round(values).astype(np.uint8)
