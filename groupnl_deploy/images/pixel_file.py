"""Pixels as a file of NumPy's that is written piece by piece, and mapped into memory later."""

from typing import IO

import numpy as np


def begin_pixels(stream: IO[bytes], shape: tuple[int, ...]) -> None:
    """Write the head of an array of uint8 of this shape; its bytes, row by row, are to follow."""
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
