"""What a command writes, kept in a file as it comes and passed on at the same time, byte by byte as it was."""

import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

_CHUNK_BYTES = 1 << 16


class Stamps:
    """Takes lines of ours out of a command's bytes; `records` has what stood in them.

    Each begins with `token`, which nobody can guess, and ends with a newline. What stands before the first of them is
    a login shell's greeting and is dropped.
    """

    def __init__(self, token: bytes) -> None:
        self._token, self._held = token, b""
        self.token = token.decode()
        self.records: list[bytes] = []

    def take(self, chunk: bytes) -> bytes:
        """What is the command's of the next bytes; at the end of them (`chunk` is empty) whatever was held back."""
        own, self._held = [], self._held + chunk
        while (at := self._held.find(self._token)) >= 0 and (end := self._held.find(b"\n", at)) >= 0:
            own.append(self._held[:at] if self.records else b"")
            self.records.append(self._held[at + len(self._token) : end])
            self._held = self._held[end + 1 :]
        whole = len(self._held) if not chunk else at if at >= 0 else len(self._held) - self._begun()
        own.append(self._held[:whole] if self.records else b"")
        self._held = self._held[whole:]
        return b"".join(own)

    def _begun(self) -> int:
        """How many of the last bytes may be the beginning of a token."""
        longest = min(len(self._token) - 1, len(self._held))
        return next((size for size in range(longest, 0, -1) if self._held.endswith(self._token[:size])), 0)


class Copy:
    """A thread that reads `source` to its end, into the new file `path` and on to a descriptor.

    Where nobody reads the descriptor any more (`| head`), the file goes on. `problem` is what kept a byte out of it.
    """

    def __init__(
        self, source: IO[bytes], path: Path, onward: int | None, own: Callable[[bytes], bytes] = lambda chunk: chunk
    ) -> None:
        self._source, self._onward, self._own = source, onward, own
        self._file = path.open("xb", buffering=0)
        self.problem: OSError | None = None
        self._thread = threading.Thread(target=self._copy, name=f"copy-{path.name}", daemon=True)
        self._thread.start()

    def ended(self, timeout_s: float) -> bool:
        """Wait for the end of the source; whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _copy(self) -> None:
        with self._source, self._file:
            chunk = b"begun"
            while chunk:
                chunk = os.read(self._source.fileno(), _CHUNK_BYTES)
                self._keep(self._own(chunk))
            with suppress(OSError):
                os.fsync(self._file.fileno())

    def _keep(self, data: bytes) -> None:
        if self._onward is not None:
            try:
                _write(self._onward, data)
            except OSError:
                self._onward = None
        if self.problem is None:
            try:
                _write(self._file.fileno(), data)
            except OSError as error:
                self.problem = error


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # whoever gave us the descriptor does not want to wait
            select.select([], [descriptor], [])
