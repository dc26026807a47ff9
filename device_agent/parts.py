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
from device_agent.file_digest import FileDigest
from device_agent.messages.push import MARK_BYTES, Mark
from device_agent.removing import remove

if TYPE_CHECKING:
    from hashlib import _Hash

_READ_BYTES = 1 << 18


class Part:
    """One file of a push, below the push's own folder, at the path that it will keep.

    `marks` are the beginnings that are here, the shortest first.
    """

    def __init__(self, path: Path, file: FileDigest) -> None:
        self._path, self._file = path, file
        self._begun: dict[int, _Hash] = {0: hashlib.sha256()} | _look(path, file.bytes)
        self.marks = tuple(Mark(length, state.hexdigest()) for length, state in self._begun.items() if length)

    @property
    def missing_bytes(self) -> int:
        """What is to come, at least."""
        return self._file.bytes - max(self._begun)

    @property
    def is_whole(self) -> bool:
        """Whether all of it is here, as far as this process has hashed what it read or wrote."""
        state = self._begun.get(self._file.bytes)
        return state is not None and state.hexdigest() == self._file.sha256

    @property
    def record(self) -> tuple[str, str]:
        """Its name and its digest."""
        return self._file.name, self._file.sha256

    def receive(self, offset_bytes: int, pieces: Iterable[bytes]) -> None:
        """Write what arrives behind one of the beginnings; what lay there is cut off.

        Raises `BadRequest` for more or fewer bytes than announced, `DigestMismatch` for others. Then, and where the
        bytes cease to come, what is here stays, for a later try to go on from.
        """
        if offset_bytes not in self._begun:
            raise BadRequest(f"{self._file.name} cannot go on from {offset_bytes} bytes.", UPDATE_BOTH)
        self._begun = {length: state for length, state in self._begun.items() if length <= offset_bytes}
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


def _look(path: Path, most_bytes: int) -> "dict[int, _Hash]":
    """The states of the digest at each mark and at the end, of no more than so many bytes.

    What is behind those is cut off. What is no file makes way: a link would lead elsewhere, and a pipe be waited for.
    """
    found: dict[int, _Hash] = {}
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        remove(path)
    if not path.exists():
        return found
    if path.stat().st_size > most_bytes:
        os.truncate(path, most_bytes)
    digest, length = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while piece := stream.read(_READ_BYTES):
            digest.update(piece)
            length += len(piece)
            if length % MARK_BYTES == 0:
                found[length] = digest.copy()
    return found | ({length: digest} if length else {})


def _write(stream: BinaryIO, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[stream.write(left) :]
