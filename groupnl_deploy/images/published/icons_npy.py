"""Icons-50 as one file of NumPy's: a header and a pickle, which a machine of our own reads and nothing runs."""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.dataset import Labels, Pixels
from groupnl_deploy.images.listing import shown
from groupnl_deploy.images.published.icons_tables import CLASSES, REMEDY
from groupnl_deploy.images.published.npy import header_of
from groupnl_deploy.images.published.pieces import Piece
from groupnl_deploy.images.published.records import NoRecords, unreadable
from groupnl_deploy.pickles.arrays import array_of, words_of
from groupnl_deploy.pickles.inert import NumberArray
from groupnl_deploy.pickles.machine import read_pickle
from groupnl_deploy.pickles.names import ARRAYS, BYTES, SCALARS

SHAPE = (3, 32, 32)
MOST_BYTES = 1 << 30
_OBJECTS = "O8"  # NumPy's word for an array of Python's objects


@dataclass(frozen=True, eq=False)
class IconArrays:
    """uint8 (N, 3, 32, 32), int64 (N,), and the company of each."""

    pixels: Pixels
    labels: Labels
    companies: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Of all of it."""
        found = hashlib.sha256(json.dumps([self.labels.tolist(), self.companies]).encode())
        found.update(np.ascontiguousarray(self.pixels).data)
        return found.hexdigest()


def read_icon_file(path: Path) -> IconArrays:
    """All icons of the file. Raises `UsageError` and `VerificationFailed`."""
    piece = Piece(shown(str(path)), path, 0, path.stat().st_size)
    _, dtype, start = header_of(piece, REMEDY)
    if not dtype.hasobject or piece.size > MOST_BYTES:
        raise UsageError(f"{piece.name} is no Icons-50: it holds {dtype}, in {piece.size:,} bytes.", REMEDY)
    try:
        value = read_pickle(memoryview(piece.read()), {**ARRAYS, **SCALARS, **BYTES}, start).value
        return _arrays(_table(value))
    except Exception as error:  # the reader meets bytes that anybody may have written
        raise unreadable(piece.name, error, REMEDY) from error


def _table(value: Any) -> dict[Any, Any]:
    """The dictionary, which NumPy wraps into an array of one object."""
    if isinstance(value, NumberArray):
        items = list(_items(value))
        value = items[0] if len(items) == 1 else value
    if not isinstance(value, dict):
        raise NoRecords("it holds no dictionary")
    return value


def _arrays(table: dict[Any, Any]) -> IconArrays:
    lacking = [key for key in ("class", "image", "style") if key not in table]
    if lacking:
        raise NoRecords(f"it has no “{lacking[0]}”")
    labels, companies = list(_items(table["class"])), list(_items(table["style"]))
    if not all(type(label) is int and 0 <= label < len(CLASSES) for label in labels):
        raise NoRecords(f"a class is no number from 0 to {len(CLASSES) - 1}")
    if not all(isinstance(company, str) and company for company in companies):
        raise NoRecords("a style is no word")
    pixels = _pixels(table["image"])
    if not len(pixels) == len(labels) == len(companies) or not labels:
        raise NoRecords(f"it has {len(pixels):,} images, {len(labels):,} classes and {len(companies):,} styles")
    return IconArrays(pixels, np.array(labels, np.int64), tuple(company.lower() for company in companies))


def _pixels(value: Any) -> Pixels:
    """One array of all images, or an array for each."""
    whole = isinstance(value, NumberArray) and not _is_of_objects(value)
    found = array_of(value) if whole else np.stack([array_of(image) for image in _items(value)])
    if found.dtype != np.uint8 or found.shape[1:] != SHAPE:
        raise NoRecords(f"its images are {found.dtype} {found.shape}, and should be uint8 (N, 3, 32, 32)")
    return found


def _items(value: Any) -> Iterator[Any]:
    """The entries of a list, of an array of objects, of numbers or of words."""
    if isinstance(value, list | tuple):
        yield from value
    elif isinstance(value, NumberArray) and _is_of_objects(value):
        if not isinstance(value.raw, list) or math.prod(value.shape) != len(value.raw):
            raise NoRecords("an array of objects has others than its shape says")
        yield from value.raw
    elif isinstance(value, NumberArray) and value.type is not None and value.type.word.startswith("U"):
        yield from words_of(value)
    elif isinstance(value, NumberArray):
        yield from array_of(value).tolist()
    else:
        raise NoRecords("its entries are no lists")


def _is_of_objects(array: NumberArray) -> bool:
    return array.type is not None and array.type.word.lstrip("|") == _OBJECTS
