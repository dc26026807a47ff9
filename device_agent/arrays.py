"""Named arrays in a file, `.npz`, read as strictly as a manifest: what is expected is known before a byte is read.

Nothing is unpickled. An archive that holds other names, types or sizes than were foretold is refused by its headers,
before memory is taken for what it claims to hold, and what it holds is no larger than its file.
"""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from device_agent.manifest import TensorInfo

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
"""Arrays by the name of the input or output."""

_SUFFIX = ".npy"


class NotTheseArrays(ValueError):
    """A file holds something else than the arrays that were foretold; the message is a clause."""


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write them so that NumPy reads them, equal arrays as equal bytes, uncompressed.

    (`numpy.savez` takes names as arguments, and has arguments of its own.)
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(name + _SUFFIX), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), version=(1, 0), allow_pickle=False)


def read_arrays(path: Path, expected: Iterable[TensorInfo], count: int | None = None) -> Arrays:
    """Read one array for each that is expected, in that order, each writable and contiguous.

    Args:
        path: a file that `write_arrays` made.
        expected: name, shape and element type of each.
        count: how many samples of them there are, along a new first axis; None where there is none.

    Raises `NotTheseArrays`.
    """
    infos = {info.name: info for info in expected}
    leading = () if count is None else (count,)
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.filename.removesuffix(_SUFFIX) for entry in archive.infolist()]
            if sorted(names) != sorted(infos):
                raise NotTheseArrays(f"it holds {', '.join(names) or 'nothing'} in place of {', '.join(infos)}")
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise NotTheseArrays("it is compressed: what is in it may be of any size")
            return {name: _read(archive, name, leading + info.shape, info.dtype) for name, info in infos.items()}
    except (NotTheseArrays, MemoryError):
        raise
    except Exception as error:  # a header is Python text, and NumPy raises whatever its parser and compiler meet
        raise NotTheseArrays(f"it is no archive of arrays ({type(error).__name__})") from error


def _read(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: str) -> Array:
    with archive.open(name + _SUFFIX) as member:
        found = _header(member)
        if found != (shape, np.dtype(dtype), False):
            raise NotTheseArrays(f"its {name} is {found[1]} {found[0]}, and should be {dtype} {shape}")
        length = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
        data = member.read(length)
        if len(data) != length or member.read(1):
            raise NotTheseArrays(f"its {name} has another length than {dtype} {shape}")
        array: Array = np.frombuffer(bytearray(data), dtype).reshape(shape)
        return array


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Shape, element type, and whether the first axis runs fastest."""
    if np.lib.format.read_magic(member) != (1, 0):
        raise NotTheseArrays("it is of another version of NumPy's format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
    return shape, dtype, fortran and len(shape) > 1
