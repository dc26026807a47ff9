"""A picture of an own data set as a network sees it: a row of images for each class."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from groupnl_deploy.images.decode import MODES, DamagedImage, decoded, framed
from groupnl_deploy.images.listing import shown
from groupnl_deploy.images.own_files import OwnFiles
from groupnl_deploy.images.source import Shape
from groupnl_deploy.images.split import Part

MOST_ROWS = 50
_TRAIN, _TEST = 7, 3  # images in a row
_CELL = 96  # pixels of an image's longer side
_GAP, _BETWEEN, _HEAD, _LABEL = 6, 24, 58, 210
_NO_LETTERS = "Last Resort"  # a font whose every letter is the name of its block
_INK, _FAINT, _PAPER, _WRONG = (30, 30, 30), (120, 120, 120), (255, 255, 255), (200, 30, 30)


@dataclass(frozen=True)
class _Row:
    """A class: its name, how many images each part has, and those that are shown."""

    name: str
    counts: tuple[int, int]
    train: tuple[str, ...]
    test: tuple[str, ...]


def contact_sheet(files: OwnFiles, parts: Sequence[Part], shape: Shape) -> bytes:
    """A PNG. Images are cut and resized to `shape`; those that cannot be decoded are crossed out.

    Args:
        files: whose images.
        parts: of each file; empty where the parts are not known, and then all are shown as to be trained on.
        shape: (C, H, W) that each becomes.
    """
    classes = files.listing.classes
    rows = [_row(files, parts, name) for name in classes[:MOST_ROWS]]
    left_out = len(classes) - len(rows)
    sheet = _Sheet(files.listing.root, shape, len(rows), left_out > 0)
    sheet.title(f"{files.listing.root.resolve().name}: as a network with --input {','.join(map(str, shape))} sees it")
    sheet.heads(("to train on", "to test on") if parts else ("images", ""))
    for index, row in enumerate(rows):
        sheet.row(index, row)
    if left_out:
        sheet.foot(f"and {left_out} other classes")
    return sheet.png()


def _row(files: OwnFiles, parts: Sequence[Part], name: str) -> _Row:
    sides: dict[str, list[str]] = {"train": [], "test": []}
    found = zip(files.digests, files.listing.files, parts or ["train"] * len(files.digests), strict=True)
    for _, file, part in sorted(found, key=itemgetter(0)):  # by content, which mixes them well
        if file.class_name == name:
            sides[part].append(file.name)
    train, test = sides["train"], sides["test"]
    return _Row(name, (len(train), len(test)), tuple(train[:_TRAIN]), tuple(test[:_TEST]))


class _Sheet:
    """Paper that is drawn on from top to bottom."""

    def __init__(self, root: Path, shape: Shape, rows: int, has_foot: bool) -> None:
        self._root, self._shape = root, shape
        longer = max(shape[1:])
        self._cell = (max(1, _CELL * shape[2] // longer), max(1, _CELL * shape[1] // longer))
        self._step = max(self._cell[1], 40) + _GAP
        width = _LABEL + (_TRAIN + _TEST) * (self._cell[0] + _GAP) + _BETWEEN
        self._image = Image.new("RGB", (width, _HEAD + rows * self._step + (28 if has_foot else _GAP)), _PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def title(self, text: str) -> None:
        """One line above all."""
        self._text((_GAP, 8), text, 16, _INK)

    def heads(self, texts: tuple[str, str]) -> None:
        """Over both groups of columns."""
        for column, text in zip((0, _TRAIN), texts, strict=True):
            self._text((self._left(column), 34), text, 13, _FAINT)

    def row(self, index: int, row: _Row) -> None:
        """A class."""
        top = _HEAD + index * self._step
        self._text((_GAP, top + 2), shown(row.name), 14, _INK, _LABEL - 4 * _GAP)
        train, test = row.counts
        self._text((_GAP, top + 22), f"{train} and {test}" if test else str(train), 12, _FAINT)
        for column, name in [*enumerate(row.train), *enumerate(row.test, start=_TRAIN)]:
            self._place(self._left(column), top, name)

    def foot(self, text: str) -> None:
        """One line below all."""
        self._text((_GAP, self._image.height - 24), text, 13, _FAINT)

    def png(self) -> bytes:
        """What was drawn, as a file."""
        stream = io.BytesIO()
        self._image.save(stream, "PNG")
        return stream.getvalue()

    def _left(self, column: int) -> int:
        return _LABEL + column * (self._cell[0] + _GAP) + (_BETWEEN if column >= _TRAIN else 0)

    def _place(self, left: int, top: int, name: str) -> None:
        width, height = self._cell
        path = self._root / name
        try:
            seen = framed(decoded(path.read_bytes(), path, self._shape), self._shape)
        except DamagedImage:
            box = (left, top, left + width - 1, top + height - 1)
            self._draw.rectangle(box, outline=_WRONG)
            self._draw.line(box, fill=_WRONG)
            return
        larger = width > seen.width
        how = Image.Resampling.NEAREST if larger else Image.Resampling.BILINEAR  # pixels are shown as pixels
        self._image.paste(seen.convert(MODES[3]).resize(self._cell, how), (left, top))

    def _text(self, place: tuple[int, int], text: str, size: int, ink: tuple[int, int, int], room: int = 0) -> None:
        font = self._fonts.for_text(text, size)
        whole = text
        while room and text and self._draw.textlength(text, font) > room:
            text = text[:-1]
        self._draw.text(place, text if text == whole else f"{text[:-1]}…", ink, font)

    @cached_property
    def _fonts(self) -> "_Fonts":
        return _Fonts()


class _Fonts:
    """matplotlib's DejaVu Sans, and for letters that it has not, the first font of this machine that has them."""

    def for_text(self, text: str, size: int) -> ImageFont.FreeTypeFont:
        """A font that has all letters of a text; DejaVu Sans where none has."""
        letters = {ord(letter) for letter in text if not letter.isspace()}
        path = self._usual if letters <= _letters(self._usual) else self._found(letters) or self._usual
        return ImageFont.truetype(path, size)

    @cached_property
    def _usual(self) -> str:
        from matplotlib import get_data_path

        return str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")

    def _found(self, letters: set[int]) -> str | None:
        from matplotlib.font_manager import fontManager

        fonts = (font.fname for font in fontManager.ttflist if not font.name.startswith(_NO_LETTERS))
        return next((path for path in fonts if letters <= _letters(path)), None)


def _letters(path: str) -> set[int]:
    from matplotlib.ft2font import FT2Font

    try:
        return set(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):  # a font that matplotlib cannot read
        return set()
