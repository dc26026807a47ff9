"""The one seam to a device: a few verbs that a local subprocess and an SSH connection both have.

Paths are POSIX strings relative to the device's *root* (the folder that holds all that is ours there);
`path("agents/x.pyz")` gives the absolute form a command line needs.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Protocol, Self

from groupnl_deploy.errors import DeviceFault
from groupnl_deploy.remote.transfer import Part, TellBytes

STOP_GRACE_S = 2.0
"""How long a process may take to leave after its stdin was closed, before it is killed."""

SEND_TIMEOUT_S = 60.0
"""How long a process may leave our line unread before it counts as gone."""

STDERR_TAIL_BYTES = 8192

READ_LIMIT_BYTES = 16_000_000
"""The largest file that `read` takes into memory; a larger one goes to a file, by `get`."""


@dataclass(frozen=True)
class Completed:
    """A finished remote command. `exit_code` is never guessed: a lost connection raises instead."""

    exit_code: int
    stdout: bytes
    stderr: str


class Process(Protocol):
    """A running remote command that speaks lines."""

    def send_line(self, line: bytes) -> None:
        """Write one line (the newline is added). Raises `DeviceUnreachable` when the other end is gone."""

    def read_line(self, timeout_s: float) -> bytes | None:
        """Next whole line without its newline, or None at end of output.

        Raises `DeviceUnreachable` when nothing arrives in `timeout_s` or the link breaks.
        An unfinished last line is the trace of a dying process and is not returned.
        """

    def stderr_tail(self) -> str:
        """The last few kilobytes the command wrote to stderr."""

    def exit_code(self, timeout_s: float) -> int | None:
        """Its exit code once it has ended (waits up to `timeout_s`), else None. 128 + n: ended by signal n."""

    def stop(self) -> None:
        """Close its stdin, wait briefly, then kill it. Never raises; calling twice is fine."""


class Transport(Protocol):
    """Files and commands on one device. Use as a context manager; `close` is idempotent."""

    name: str
    python: str

    def path(self, relative: str) -> str:
        """Absolute path on the device of a path below the root."""

    def run(self, argv: Sequence[str], timeout_s: float = 30.0) -> Completed:
        """Run a command to its end (no shell interpolation: every argument arrives as it is).

        Raises `DeviceUnreachable` on a time-out or a lost connection. Exit code 127: not found.
        """

    def spawn(self, argv: Sequence[str]) -> Process:
        """Start a command and talk to it in lines."""

    def put(self, source: Path | bytes, relative: str, tell: TellBytes | None = None, part: Part | None = None) -> str:
        """Write a whole file: to a temporary name, flushed, then renamed over. Makes parent folders.

        `source` is a file of this machine, which is sent in pieces, or bytes that are in memory anyway. The temporary
        file is removed when the transfer fails; a `part` stays, and the next `put` continues it from its offset.
        Returns the SHA-256 of the whole source. Raises `DiskFull` when there is no room, `DeviceFault` where the part
        on the device is shorter than its offset, and `VerificationFailed` where the source does not begin with it.
        """

    def get(self, relative: str, target: Path, tell: TellBytes | None = None) -> str | None:
        """Write a file of the device to `target`, whole or not at all; its SHA-256, or None where there is none."""

    def read(self, relative: str) -> bytes | None:
        """A small file's bytes, or None where there is no such file.

        Raises `DeviceFault` for one of more than `READ_LIMIT_BYTES`.
        """

    def size_bytes(self, relative: str) -> int | None:
        """A file's size, or None where there is no such file."""

    def close(self) -> None:
        """Stop what was spawned and release everything; never raises."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def below_root(relative: str) -> str:
    """`relative` tidied; a path that is empty, absolute or climbs out of the root is a programming error."""
    tidy = PurePosixPath(relative)
    if tidy.is_absolute() or not tidy.parts or ".." in tidy.parts or "\0" in relative:
        raise ValueError(f"{relative!r} is not a path below the device's root")
    return str(tidy)


def part_name(path: str) -> str:
    """A name beside `path` that no other writer uses, for a file that is not whole yet."""
    return f"{path}.{secrets.token_hex(6)}.part"


def require_small(relative: str, size_bytes: int, device: str) -> None:
    """Raise `DeviceFault` for a file that is too large to be read into memory."""
    if size_bytes > READ_LIMIT_BYTES:
        raise DeviceFault(
            f"{relative} on {device} has {size_text(size_bytes)}, and at most {size_text(READ_LIMIT_BYTES)} are read.",
            "It is not what groupnl wrote there; push again.",
        )


class LineBuffer:
    """Bytes as they arrive, lines as they are wanted. Searches only what is new, so long lines stay cheap."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._searched = 0

    def feed(self, chunk: bytes) -> None:
        """Add what arrived."""
        self._bytes += chunk

    def next_line(self) -> bytes | None:
        """The next whole line without its newline, or None while there is none."""
        end = self._bytes.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._bytes)
            return None
        line = bytes(self._bytes[:end])
        del self._bytes[: end + 1]
        self._searched = 0
        return line

    def take_rest(self) -> bytes:
        """All that is left, whole lines or not."""
        rest = bytes(self._bytes)
        self._bytes.clear()
        self._searched = 0
        return rest


def size_text(size_bytes: int) -> str:
    """A size for a sentence: 512 B, 3.4 kB, 12.0 MB."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
