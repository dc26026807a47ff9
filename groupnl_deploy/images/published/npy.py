"""Arrays of numbers in NumPy's files, mapped where they lie. Objects, which are pickles, are refused."""

import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.images.published.pieces import Piece
from groupnl_deploy.images.published.stray import stray
from groupnl_deploy.words import first_line

_LONGEST_HEADER = 10_000  # bytes; NumPy's own limit
_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def mapped(piece: Piece, remedy: str) -> npt.NDArray[Any]:
    """A read-only array over the file. Raises `UsageError` and `VerificationFailed` with this remedy."""
    shape, dtype, start = header_of(piece, remedy)
    if dtype.hasobject:
        raise UsageError(f"{piece.name} holds objects of Python and no numbers; nothing in it was executed.", remedy)
    if start + math.prod(shape) * dtype.itemsize != piece.size:
        raise VerificationFailed(
            f"{piece.name} is cut short or damaged: {dtype} {shape} makes "
            f"{start + math.prod(shape) * dtype.itemsize:,} bytes, and it has {piece.size:,}.",
            remedy,
        )
    if not math.prod(shape):
        return np.empty(shape, dtype)
    return np.memmap(piece.path, dtype, "r", piece.start + start, shape)


def header_of(piece: Piece, remedy: str) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, element type, and where in the piece the content begins. Raises as `mapped`, and for columns first."""
    with piece.path.open("rb") as stream:
        stream.seek(piece.start)
        begin = stream.read(min(piece.size, _LONGEST_HEADER + 16))
    odd = stray(begin)
    if odd is not None:
        raise VerificationFailed(f"{piece.name} {odd.what}.", f"{odd.remedy} {remedy}")
    head = io.BytesIO(begin)
    try:
        version = np.lib.format.read_magic(head)
        shape, by_columns, dtype = _READERS[version](head)
    except Exception as error:  # NumPy's parser raises whatever its parts do
        said = first_line(error)
        raise VerificationFailed(f"{piece.name} is no array of NumPy's, or is damaged: {said}.", remedy) from error
    if by_columns:
        raise UsageError(f"{piece.name} has its numbers column by column, which the published one has not.", remedy)
    return shape, dtype, head.tell()
