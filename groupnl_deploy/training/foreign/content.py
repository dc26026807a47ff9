"""Files that torch.save wrote: where in them the pickle and the numbers of each storage lie."""

import mmap
import struct
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groupnl_deploy.pickles.inert import as_mapping
from groupnl_deploy.pickles.machine import Malformed, OtherForm, read_pickle
from groupnl_deploy.training.foreign.kinds import PICKLE
from groupnl_deploy.training.foreign.names import ALLOWED, STORAGES

MAGIC = 0x1950A86A20F9469CFC6C  # what a file of torch.save before PyTorch 1.6 begins with
_LOCAL_HEADER, _NAME_AT = 30, 26  # of a zip's entry: bytes before its name, and where the name's length stands


@dataclass(frozen=True, eq=False)
class Content:
    """A file of PyTorch's.

    Args:
        value: what its pickle says, as in `inert`.
        bytes: of the whole file, mapped: what is not used is not read.
        places: of each storage by its key, (start, length) in bytes.
    """

    value: Any
    bytes: memoryview
    places: dict[str, tuple[int, int]]


def mapped(path: Path) -> memoryview:
    """A file's bytes, read when they are used. Changes to them stay in memory."""
    with path.open("rb") as stream:
        return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY))


def read_zip(path: Path) -> Content:
    """What PyTorch 1.6 and later write. Raises what `read_pickle` does, `zipfile.BadZipFile` and `Malformed`."""
    data = mapped(path)
    with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
    root = next(name for name in entries if name == PICKLE or name.endswith(f"/{PICKLE}")).removesuffix(PICKLE)
    start, length = _place(data, entries[root + PICKLE])
    order = entries.get(f"{root}byteorder")
    if order is not None:
        _require_our_order(bytes(_piece(data, *_place(data, order))))
    value = read_pickle(_piece(data, start, length), ALLOWED).value
    folder = f"{root}data/"
    stored = {name.removeprefix(folder): entry for name, entry in entries.items() if name.startswith(folder)}
    return Content(value, data, {key: _place(data, entry) for key, entry in stored.items()})


def read_legacy(path: Path) -> Content:
    """What PyTorch before 1.6 wrote: pickles one behind the other, then every storage. Raises as `read_zip`."""
    data = mapped(path)
    magic = read_pickle(data, ALLOWED)
    if as_mapping(magic.value) is not None:  # a dictionary of arrays that pickle itself wrote
        return Content(magic.value, data, {})
    if magic.value != MAGIC:
        raise Malformed("it does not begin as torch.save's files do")
    version = read_pickle(data, ALLOWED, magic.end)
    system = read_pickle(data, ALLOWED, version.end)
    if isinstance(system.value, dict):
        _require_our_order(b"little" if system.value.get("little_endian", True) else b"big")
    pickled = read_pickle(data, ALLOWED, system.end)
    keys = read_pickle(data, ALLOWED, pickled.end)
    # How many bytes a number of a storage has, this form says nowhere else.
    sizes = {storage.key: STORAGES[storage.kind][1] for storage in pickled.storages}
    return Content(pickled.value, data, dict(_behind(data, keys.end, keys.value, sizes)))


def _behind(data: memoryview, at: int, keys: Any, sizes: dict[str, int]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Every storage's key and place: each has its count of numbers before it."""
    for key in keys:
        (count,) = struct.unpack("<q", _piece(data, at, 8))
        length = _piece(data, at + 8, count * sizes[str(key)]).nbytes
        yield str(key), (at + 8, length)
        at += 8 + length


def _place(data: memoryview, entry: zipfile.ZipInfo) -> tuple[int, int]:
    if entry.compress_type != zipfile.ZIP_STORED:
        raise OtherForm(
            "its parts are compressed, which torch.save's are not",
            "Unpack it, and pack the folder that was in it again without: zip -0 -r FILE.pth FOLDER.",
        )
    name, extra = struct.unpack("<HH", data[entry.header_offset + _NAME_AT : entry.header_offset + _LOCAL_HEADER])
    start = entry.header_offset + _LOCAL_HEADER + name + extra
    return start, _piece(data, start, entry.file_size).nbytes


def _piece(data: memoryview, start: int, length: int) -> memoryview:
    if length < 0 or start < 0 or start + length > len(data):
        raise Malformed("it is shorter than it says")
    return data[start : start + length]


def _require_our_order(said: bytes) -> None:
    if said.decode("ascii", "replace").strip() != sys.byteorder:
        raise OtherForm(
            "it was written on a machine of the other byte order",
            "Load it with PyTorch and save it again on a machine like this one: torch.save(torch.load(FILE), NEW).",
        )
