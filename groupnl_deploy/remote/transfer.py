"""A file on its way to a device: read in pieces, from behind what is there already, told of as it goes."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from device_agent.messages.push import Mark
from groupnl_deploy.errors import UsageError

PIECE_BYTES = 1 << 18

TellBytes = Callable[[int], None]
"""Told after each piece how many bytes of the file are across, those before the offset included."""


def held_bytes(path: Path, marks: Sequence[Mark]) -> int:
    """The longest of the marks that are beginnings of this file; 0 where none is. They come the shortest first."""
    held, digest = 0, hashlib.sha256()
    with _reading(path), path.open("rb") as stream:
        across_bytes = 0
        for mark in marks:
            while across_bytes < mark.bytes and (piece := stream.read(min(PIECE_BYTES, mark.bytes - across_bytes))):
                digest.update(piece)
                across_bytes += len(piece)
            if across_bytes != mark.bytes or digest.hexdigest() != mark.sha256:
                break
            held = mark.bytes
    return held


def pieces(path: Path, offset_bytes: int, tell: TellBytes) -> Iterator[bytes]:
    """The file from an offset on. A piece counts as across when the next one is asked for.

    Raises `UsageError` where the file cannot be read.
    """
    with _reading(path), path.open("rb", buffering=0) as stream:
        stream.seek(offset_bytes)
        while piece := stream.read(PIECE_BYTES):
            yield piece
            offset_bytes += len(piece)
            tell(offset_bytes)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {(error.strerror or str(error)).lower()}.", "See to that file, then try again."
        ) from error
