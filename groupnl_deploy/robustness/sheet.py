"""One image under all corruptions and severities, as a picture."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from groupnl_deploy.images.corrupted import SEVERITIES, CorruptedDataset
from groupnl_deploy.images.dataset import Dataset, Pixels

_CELL, _GAP, _LABEL, _HEAD = 96, 4, 150, 30  # pixels
_INK, _PAPER = (30, 30, 30), (255, 255, 255)


def corruption_sheet(dataset: Dataset, made: CorruptedDataset, index: int = 0) -> bytes:
    """A PNG: a row for each corruption, first the test image of this index as it is, then five severities."""
    rows: list[tuple[str, Sequence[Pixels]]] = [
        (name, [dataset.test[index], *(made.part(name, severity)[index] for severity in SEVERITIES)])
        for name in made.corruptions
    ]
    width = _LABEL + (1 + len(SEVERITIES)) * (_CELL + _GAP)
    sheet = Image.new("RGB", (width, _HEAD + len(rows) * (_CELL + _GAP)), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for column, text in enumerate(("as it is", *map(str, SEVERITIES))):
        draw.text((_LABEL + column * (_CELL + _GAP), 8), text, _INK, font)
    for row, (name, images) in enumerate(rows):
        top = _HEAD + row * (_CELL + _GAP)
        draw.text((_GAP, top + _CELL // 2 - 8), name, _INK, font)
        for column, pixels in enumerate(images):
            sheet.paste(_shown(pixels), (_LABEL + column * (_CELL + _GAP), top))
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()


def _shown(pixels: Pixels) -> Image.Image:
    """uint8 (C, H, W) as a square; small pixels are shown as pixels."""
    channels, height, width = pixels.shape
    image = Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, 2)) if channels == 3 else pixels[0])
    larger = max(height, width) < _CELL
    size = _CELL * width // max(height, width), _CELL * height // max(height, width)
    return image.resize(size, Image.Resampling.NEAREST if larger else Image.Resampling.BILINEAR)
