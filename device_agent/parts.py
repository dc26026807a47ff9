"""A file on its way to this device: how much of it is here from an earlier try, and what arrives behind that.

The digests of its beginnings, at every few megabytes and at its end, let the host go on behind the longest that is
also the beginning of its own file; so a part that was altered, or that power failed on, costs no more than what is
wrong with it.
"""

import hashlib
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from device_agent.errors import UPDATE_BOTH, BadRequest, DigestMismatch
from device_agent.manifest import FileDigest

if TYPE_CHECKING:
    from hashlib import _Hash

MARK_BYTES = 1 << 22
_READ_BYTES = 1 << 18


class Part:
    """One file of a push, below the push's own folder, at the path that it will keep."""

    def __init__(self, path: Path, file: FileDigest) -> None:
        self._path, self._file = path, file
        self._begun: dict[int, _Hash] = {0: hashlib.sha256()}

    def look(self) -> tuple[tuple[int, str], ...]:
        """Length and SHA-256 of each beginning that is here, the shortest first. What is no file makes way."""
        try:
            if not stat.S_ISREG(self._path.lstat().st_mode):
                self._path.unlink()
            with self._path.open("rb") as stream:
                self._begun |= _marks(stream, self._file.bytes)
        except FileNotFoundError:
            pass
        return tuple((length, state.hexdigest()) for length, state in self._begun.items() if length)

    def receive(self, offset_bytes: int, pieces: Iterable[bytes]) -> None:
        """Write what arrives behind one of the beginnings; what lay there is cut off.

        Raises `BadRequest` for more or fewer bytes than announced, `DigestMismatch` for others. Then, and where the
        bytes cease to come, what is here stays, for a later try to go on from.
        """
        if offset_bytes not in self._begun:
            raise BadRequest(f"{self._file.name} cannot go on from {offset_bytes} bytes.", UPDATE_BOTH)
        digest, across_bytes = self._begun[offset_bytes].copy(), offset_bytes
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            stream.truncate(offset_bytes)
            stream.seek(offset_bytes)
            for piece in pieces:
                across_bytes += len(piece)
                if across_bytes > self._file.bytes:
                    raise BadRequest(f"{self._file.name} has more than its {self._file.bytes} bytes.", UPDATE_BOTH)
                _write(stream, piece)
                digest.update(piece)
        if across_bytes < self._file.bytes:
            raise BadRequest(f"{self._file.name} ended after {across_bytes} of its bytes.", UPDATE_BOTH)
        if digest.hexdigest() != self._file.sha256:
            raise DigestMismatch(
                f"{self._file.name} arrived altered: its SHA-256 is not the recorded one.",
                "Push again; check the device's disk and memory if it persists.",
            )
        self._begun[across_bytes] = digest

    def discard(self) -> None:
        """Remove what is here of it."""
        with suppress(FileNotFoundError):
            self._path.unlink()


def _marks(stream: BinaryIO, most_bytes: int) -> "dict[int, _Hash]":
    """The states of the digest at each mark and at the end, of no more than so many bytes."""
    found: dict[int, _Hash] = {}
    digest, length = hashlib.sha256(), 0
    while piece := stream.read(min(_READ_BYTES, most_bytes - length)):
        digest.update(piece)
        length += len(piece)
        if length % MARK_BYTES == 0:
            found[length] = digest.copy()
    if length:
        found[length] = digest
    return found


def _write(stream: BinaryIO, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[stream.write(left) :]
