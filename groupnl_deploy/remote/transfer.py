"""A file on its way between this machine and a device: moved in pieces, counted and hashed as it goes.

The whole file is never in memory. Errors of the host's disk are told here, so that a transport has only to explain
those of the device.
"""

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.workspace import atomic_file, disk_errors

PIECE_BYTES = 1 << 18
_FROM_THE_BEGINNING = "Send the file from its beginning."

TellBytes = Callable[[int], None]
"""Told after each piece how many bytes of the file are across, those before the offset included."""


@dataclass(frozen=True)
class Part:
    """A partial file on the device that outlives an interrupted `put`, so that a later `put` can continue it.

    `relative` is its path below the root. The first `offset_bytes` of it are kept, once they were found to be those
    that the file begins with; what is behind them is cut off.
    """

    relative: str
    offset_bytes: int = 0


class Outgoing:
    """A file that leaves this machine, from an offset on. Made by `outgoing`."""

    def __init__(self, stream: IO[bytes], name: str, size_bytes: int, tell: TellBytes | None) -> None:
        self._stream, self.name, self._tell = stream, name, tell
        self._hash, self._across_bytes, self._size_bytes = hashlib.sha256(), 0, size_bytes

    def skip(self, offset_bytes: int) -> None:
        """Leave out what the device has already. It is hashed all the same.

        Raises `VerificationFailed` where the file has less.
        """
        while self._across_bytes < offset_bytes:
            piece = self._read(min(PIECE_BYTES, offset_bytes - self._across_bytes))
            if not piece:
                raise VerificationFailed(
                    f"{self.name} is shorter than the {offset_bytes} bytes that were sent of it, so it has changed.",
                    _FROM_THE_BEGINNING,
                )
            self._across_bytes += len(piece)

    def pieces(self) -> Iterator[bytes]:
        """What is left of the file. A piece counts as across when the next one is asked for."""
        while piece := self._read(PIECE_BYTES):
            yield piece
            self._across_bytes += len(piece)
            if self._tell:
                self._tell(self._across_bytes)

    @property
    def across_bytes(self) -> int:
        """How much of the file is across."""
        return self._across_bytes

    @property
    def left_bytes(self) -> int:
        """How much is still to be sent."""
        return max(0, self._size_bytes - self._across_bytes)

    @property
    def sha256(self) -> str:
        """Of all that was read so far, what was skipped included."""
        return self._hash.hexdigest()

    def _read(self, size_bytes: int) -> bytes:
        with _reading(self.name):
            piece = self._stream.read(size_bytes)
        self._hash.update(piece)
        return piece


@contextlib.contextmanager
def outgoing(source: Path | bytes, offset_bytes: int, tell: TellBytes | None) -> Iterator[Outgoing]:
    """Open what is to be sent. Raises `UsageError` where the file cannot be read."""
    stream: IO[bytes]
    if isinstance(source, bytes):
        stream, size_bytes = io.BytesIO(source), len(source)
    else:
        with _reading(str(source)):
            stream = source.open("rb")
            size_bytes = os.fstat(stream.fileno()).st_size
    with stream:
        file = Outgoing(stream, "the data" if isinstance(source, bytes) else str(source), size_bytes, tell)
        file.skip(offset_bytes)
        yield file


class Incoming:
    """A file that arrives on this machine; `write` takes its pieces in order. Made by `incoming`."""

    def __init__(self, stream: IO[bytes], target: Path, tell: TellBytes | None) -> None:
        self._stream, self._target, self._tell = stream, target, tell
        self._hash, self._across_bytes = hashlib.sha256(), 0

    def write(self, piece: bytes) -> None:
        """Keep the next piece. Raises `DiskFull` when there is no room here."""
        with disk_errors(self._target):
            self._stream.write(piece)
        self._hash.update(piece)
        self._across_bytes += len(piece)
        if self._tell and piece:
            self._tell(self._across_bytes)

    @property
    def sha256(self) -> str:
        """Of all that arrived so far."""
        return self._hash.hexdigest()


@contextlib.contextmanager
def incoming(target: Path, tell: TellBytes | None) -> Iterator[Incoming]:
    """Write `target` whole or not at all, as `atomic_file` does; a file that was there stays until then."""
    with atomic_file(target) as stream:
        yield Incoming(stream, target, tell)


def require_offset(held_bytes: int, offset_bytes: int) -> None:
    """Raise where a part on the device is too short to be continued from there: a hole would be left."""
    if held_bytes < offset_bytes:
        raise OSError(f"its part has {held_bytes} bytes, too few to go on from {offset_bytes}")


def require_same_beginning(file: Outgoing, held_sha256: str, part: Part, device: str) -> None:
    """Raise `VerificationFailed` where what a part holds is not what the file begins with, as when it has changed."""
    if held_sha256 != file.sha256:
        raise VerificationFailed(
            f"The part {part.relative} on {device} does not begin as {file.name} does, so it cannot be continued.",
            _FROM_THE_BEGINNING,
        )


@contextlib.contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{name} cannot be read: {(error.strerror or str(error)).lower()}.", "See to that file, then try again."
        ) from error
