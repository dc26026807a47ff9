"""The record of a NumPy array → the array: of numbers alone, and of as many bytes as its shape says."""

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from groupnl_deploy.pickles.inert import NumberArray, Words
from groupnl_deploy.pickles.machine import Malformed

_NUMBERS = re.compile(r"f[248]|[iu][1248]|b1|c8|c16")
_LETTER = 4  # bytes that NumPy keeps of a letter
_LONGEST = 1000  # letters of a text


def array_of(array: NumberArray) -> npt.NDArray[Any]:
    """Over the bytes that the pickle brought, which may be read-only. Raises `Malformed`."""
    word = array.type.word.lstrip("<>=|") if array.type else ""
    if array.type is None or not _NUMBERS.fullmatch(word) or array.type.order not in "<>=|":
        raise Malformed(f"an array of {word or 'nothing'}, which is no number")
    raw = _bytes(array.raw)
    if not isinstance(raw, bytes | bytearray) or len(raw) != math.prod(array.shape) * int(word[1:]):
        raise Malformed("an array with other bytes than its shape says")
    numbers: npt.NDArray[Any] = np.frombuffer(raw, np.dtype(f"{array.type.order}{word}"))
    return numbers.reshape(array.shape, order="F" if array.by_columns else "C")


def words_of(array: NumberArray) -> list[str]:
    """The entries of an array of texts ("U7"), in their order. Raises `Malformed`."""
    letters = array.type.word.lstrip("<>=|").removeprefix("U") if array.type else ""
    raw, count = _bytes(array.raw), math.prod(array.shape)
    if array.type is None or array.type.order not in "<>=|" or not letters.isdecimal() or int(letters) > _LONGEST:
        raise Malformed("an array of no texts")
    each = int(letters) * _LETTER
    if not isinstance(raw, bytes | bytearray) or not each or len(raw) != count * each:
        raise Malformed("an array with other bytes than its shape says")
    code = "utf-32-be" if array.type.order == ">" else "utf-32-le"
    return [raw[start : start + each].decode(code).rstrip("\0") for start in range(0, len(raw), each)]


def _bytes(raw: Any) -> Any:
    if isinstance(raw, Words):
        return raw.data
    # Python 2 has one kind of text, and bytes that happen to be UTF-8 came out as letters.
    return raw.encode() if isinstance(raw, str) else raw
