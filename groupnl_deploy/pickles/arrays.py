"""The record of a NumPy array → the array: of numbers alone, and of as many bytes as its shape says."""

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from groupnl_deploy.pickles.inert import NumberArray, Words
from groupnl_deploy.pickles.machine import Malformed

_NUMBERS = re.compile(r"f[248]|[iu][1248]|b1|c8|c16")


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


def _bytes(raw: Any) -> Any:
    if isinstance(raw, Words):
        return raw.data
    # Python 2 has one kind of text, and bytes that happen to be UTF-8 came out as letters.
    return raw.encode() if isinstance(raw, str) else raw
