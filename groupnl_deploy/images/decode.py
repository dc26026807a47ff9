"""Image files → pixels: upright, 8 bits a channel, over white, the first picture of several, whole or not at all."""

import functools
import io
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL
from PIL import Image, ImageChops, UnidentifiedImageError

from device_agent.manifest import Interpolation, View
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.images.listing import UNREADABLE_SUFFIXES, shown, suffix_of
from groupnl_deploy.images.source import Shape

if TYPE_CHECKING:  # whoever only looks at files needs no PyTorch
    from groupnl_deploy.images.dataset import Pixels

MOST_PIXELS = 100_000_000
"""Of one decoded image: 300 MB, which each process that reads may need at once."""
MODES = {1: "L", 3: "RGB"}
"""Pillow's word for images of so many channels."""

SIDE = 224
"""Of an image, in pixels, unless the user says otherwise."""
DECODER = f"1, Pillow {PIL.__version__}"
"""What equal pixels of equal files depend on. To be counted up when other pixels come out of this file."""

# Whatever a file's name is, it is opened as one of these. Pillow knows others, and gives some of them to programs that
# were not made for files of strangers: PostScript to Ghostscript.
_FORMATS = frozenset(
    ("JPEG", "MPO", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "DIB", "ICO", "JPEG2000", "PPM", "TGA", "PCX", "QOI")
)
_WHITE = (255, 255, 255, 255)
_FILTERS: dict[Interpolation, Image.Resampling] = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
_SPARE = 2  # times the wanted size: what a JPEG's own reduction leaves for the antialiasing to do
_ORIENTATION = 0x0112  # EXIF's tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")


class DamagedImage(VerificationFailed):
    """A file that holds no whole image that Pillow can read."""


def usual_shape(shape: Shape | None) -> Shape:
    """(C, H, W) that own images become: as the user says. Raises `UsageError` for channels that no image has."""
    if shape is not None and shape[0] not in MODES:
        raise UsageError(
            f"An image was asked for with {shape[0]} channels.", "Ask for 3 (red, green, blue) or for 1 (grey)."
        )
    return shape or (3, SIDE, SIDE)


def opened(file: io.BytesIO | Path) -> Image.Image:
    """A file as an image of a format that is read here; its pixels are not decoded yet. Raises as Pillow does."""
    return Image.open(file, formats=_formats())


@functools.cache
def _formats() -> tuple[str, ...]:
    """Those that this Pillow was built with, in the order in which it tries them."""
    Image.init()
    return tuple(name for name in Image.ID if name in _FORMATS)


def decoded(data: bytes, path: Path, shape: Shape, exact: bool = False) -> Image.Image:
    """The image in a file's bytes, in the mode of so many channels as `shape` has.

    EXIF's orientation is applied. What is transparent shows white, as most viewers have it. 16 bits are scaled to 8.
    A JPEG that is far larger than `shape` is decoded smaller, at twice what is wanted at least, unless `exact`.

    Raises `DamagedImage` for a file that is cut short, of another kind or too large, and names it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, and of sizes that have a limit here
            with opened(io.BytesIO(data)) as image:
                if not exact:
                    image.draft(None, (_SPARE * max(shape[1:]),) * 2)  # it may lie on its side
                _require_size(image, path)
                if image.format in ("JPEG", "MPO") and not _jpeg_ends(data):
                    raise ValueError("its end is missing")  # of which libjpeg only warns
                image.load()
                turn, pixels = orientation(image), _flattened(image, MODES[shape[0]])
                return pixels if turn is None else pixels.transpose(turn)
    except (MemoryError, DamagedImage):
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path, str(error)) from error
    except Exception as error:  # Pillow's readers raise whatever their parsing meets
        raise _damaged(data, path, error) from error


def fitted(image: Image.Image, shape: Shape, view: View | None = None) -> "Pixels":
    """uint8 (C, H, W): `framed`, as numbers."""
    return as_pixels(framed(image, shape, view))


def as_pixels(image: Image.Image) -> "Pixels":
    """uint8 (C, H, W) of an image of one or three channels."""
    pixels = np.asarray(image)
    return np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0))


def framed(image: Image.Image, shape: Shape, view: View | None = None) -> Image.Image:
    """What a view shows, else the largest window of this aspect in the middle; resized with antialiasing."""
    _, height, width = shape
    if view is None:
        return image.resize((width, height), Image.Resampling.BILINEAR, box=middle(image.size, width, height))
    box = _seen(image.size, width, height, view.crop)
    return image.resize((width, height), _FILTERS[view.interpolation], box=box)


def _seen(size: tuple[int, int], width: int, height: int, crop: float) -> tuple[float, float, float, float]:
    """What the middle of the resized image was before it was resized, with torchvision's rounding: a side is a whole
    number of pixels, the other one follows and is cut off, and what is left over halves to a whole number.
    """
    if width * size[1] >= height * size[0]:  # the width is what the image has least of
        across = math.floor(width / crop)
        down = max(height, int(across * size[1] / size[0]))
    else:
        down = math.floor(height / crop)
        across = max(width, int(down * size[0] / size[1]))
    left, top = round((across - width) / 2), round((down - height) / 2)
    x, y = size[0] / across, size[1] / down
    # Rounding may leave a hair more than there is, and Pillow refuses that.
    return left * x, top * y, min(size[0], (left + width) * x), min(size[1], (top + height) * y)


def middle(size: tuple[int, int], width: int, height: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the largest window of the aspect width to height in an image of this size."""
    scale = min(size[0] / width, size[1] / height)
    # Rounding may leave a hair less than nothing at a side that is used as a whole, and Pillow refuses that.
    left, top = max(0.0, (size[0] - scale * width) / 2), max(0.0, (size[1] - scale * height) / 2)
    return left, top, size[0] - left, size[1] - top


def _require_size(image: Image.Image, path: Path) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise _too_large(path, f"{image.width}x{image.height} pixels")


def _too_large(path: Path, size: str) -> DamagedImage:
    return DamagedImage(
        f"{shown(str(path))} is too large an image: {size.rstrip('.')}.",
        f"Make it smaller than {MOST_PIXELS // 10**6} million pixels, or take it out.",
    )


def _damaged(data: bytes, path: Path, error: Exception) -> DamagedImage:
    name = shown(str(path))
    if not data:
        return DamagedImage(f"{name} is empty.", "Fetch it again, or take it out.")
    if suffix_of(path.name) in UNREADABLE_SUFFIXES:
        return DamagedImage(f"Pillow does not read {name}.", "Convert it to JPEG or PNG.")
    if isinstance(error, UnidentifiedImageError):
        return DamagedImage(f"{name} is no image that Pillow knows.", "Convert it to JPEG or PNG, or take it out.")
    return DamagedImage(
        f"{name} is damaged: {str(error) or type(error).__name__}.",
        "Fetch it again, or take it out; `groupnl data check DIR` finds all such files.",
    )


def _jpeg_ends(data: bytes) -> bool:
    """Whether the mark of the end follows that of the first pixels, between which it cannot be by chance."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        if data[place + 1] == 0xDA:
            return data.find(b"\xff\xd9", place) >= 0
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return True  # a way of writing that Pillow may know


def orientation(image: Image.Image) -> Image.Transpose | None:
    """The turn that EXIF asks for; None where it stands upright."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged metadata harm no pixel
        return None


def sixteen_bits(image: Image.Image) -> bool:
    """Whether its grey goes up to 65,535."""
    return image.mode in _SIXTEEN_BITS or (image.mode == "I" and image.format in ("PNG", "PPM"))


def _flattened(image: Image.Image, mode: str) -> Image.Image:
    if sixteen_bits(image):
        image = _in_eight_bits(image)
    elif image.mode in ("I", "F"):
        raise ValueError(f"pixels of 32 bits ({image.mode}), and nothing says which of them is white")
    elif image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        image = ImageChops.invert(image)  # Pillow takes it for Adobe's, in which full ink is 0
    if image.mode in _ALPHA or "transparency" in image.info:
        above = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", above.size, _WHITE), above)
    return image if image.mode == mode else image.convert(mode)


def _in_eight_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.uint32)
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
