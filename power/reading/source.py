"""Where a recording's bytes come from: a file, one that gzip packed, or standard input. Read once, little at a time."""

import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from power.errors import TraceFormatError

STDIN = Path("-")
BLOCK_BYTES = 1 << 20
HEAD_BYTES = 1 << 18  # looked at to see what a file is
LARGEST_UNPACKED = 2 << 30
GZIP = b"\x1f\x8b"

# What people name instead of a text file, by its first bytes (the formats' own specifications), and what to do.
NO_TEXT = {
    b"PK\x03\x04": ("an Excel workbook or another zip archive", "Open it, and save its table as CSV."),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "Open it, and save its table as CSV."),
    b"SQLite format 3": ("an SQLite database", "Export its table as CSV."),
    b"\x89HDF": ("an HDF5 file", "Export its data as CSV."),
    b"PAR1": ("a Parquet file", "Export it as CSV."),
    b"\x89PNG": ("a picture", "Name the recording that it was drawn from."),
    b"%PDF": ("a PDF", "Name the recording that it was made from."),
    b"<!DOCTYPE": ("a web page", "Save the file that it links to, and name that."),
    b"<html": ("a web page", "Save the file that it links to, and name that."),
    b"{": ("JSON", "Write it as a table: jq -r '[.time, .volts, .amps] | @csv' FILE > table.csv, by its own names."),
    b"BZh": ("packed by bzip2", "Unpack it: bunzip2 -k FILE."),
    b"\xfd7zXZ": ("packed by xz", "Unpack it: unxz -k FILE."),
    b"\x28\xb5\x2f\xfd": ("packed by zstd", "Unpack it: unzstd FILE."),
}


@dataclass(frozen=True)
class Source:
    """Bytes with a name for errors: the `head` to look at, and all `blocks`, which come once."""

    name: str
    head: bytes
    blocks: Iterator[bytes]


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """The bytes at `path`, unpacked; `-` is standard input.

    Raises `TraceFormatError` for what is no file of text, and while reading for a packed file that is damaged or longer
    than 2 GiB; `OSError` where the system refuses.
    """
    name = "standard input" if path == STDIN else str(path)
    with ExitStack() as stack:
        file = _stdin() if path == STDIN else stack.enter_context(_regular(path))
        first = file.read(HEAD_BYTES)
        blocks: Iterator[bytes] = chain([first], _blocks(file))
        if first.startswith(GZIP):
            blocks = _unpacked(name, blocks)
            first = next(blocks, b"")
            blocks = chain([first], blocks)
        _refuse_no_text(name, first)
        yield Source(name, first[:HEAD_BYTES], blocks)


def _stdin() -> BinaryIO:
    if sys.stdin is None or sys.stdin.isatty():
        raise TraceFormatError(
            "Standard input is a terminal, and no recording.", "Pipe one in, as in: xz -dc trace.csv.xz | groupnl … -"
        )
    return sys.stdin.buffer


def _regular(path: Path) -> BinaryIO:
    # Asked before it is opened: opening a named pipe waits for a writer.
    if not stat.S_ISREG(path.stat().st_mode):
        raise TraceFormatError(
            f"The recording {path} is not a regular file.",
            "Name a CSV file; what comes from a pipe can be read from standard input, whose name is -.",
        )
    return path.open("rb")


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(BLOCK_BYTES):
        yield block


def _unpacked(name: str, packed: Iterator[bytes]) -> Iterator[bytes]:
    """What gzip packed, in blocks, all of its members; never more than `LARGEST_UNPACKED`."""
    total = 0
    try:
        for out in _members(packed):
            total += len(out)
            if total > LARGEST_UNPACKED:
                raise TraceFormatError(
                    f"{name} is longer than {LARGEST_UNPACKED >> 30} GiB when it is unpacked.",
                    "Unpack it yourself, and read it in parts.",
                )
            yield out
    except (zlib.error, EOFError) as error:
        raise TraceFormatError(
            f"{name} was packed by gzip and is damaged.", "Copy it anew; gzip -t FILE says when it is whole."
        ) from error


def _members(packed: Iterator[bytes]) -> Iterator[bytes]:
    """One after the other, little at a time. Raises `EOFError` where the last one ends too soon."""
    unpacker = None
    for block in packed:
        data = block
        while data:
            unpacker = unpacker or zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            if out := unpacker.decompress(data, BLOCK_BYTES):
                yield out
            data = unpacker.unconsumed_tail
            if unpacker.eof:
                data, unpacker = unpacker.unused_data.lstrip(b"\0"), None
    if unpacker is not None:
        raise EOFError


def _refuse_no_text(name: str, head: bytes) -> None:
    for magic, (what, remedy) in NO_TEXT.items():
        if head.startswith(magic):
            raise TraceFormatError(f"{name} is {what}, and no table of text.", remedy)
