"""The one seam to a device: a few verbs that a local subprocess and an SSH connection both have.

All that goes to a device, and all that comes from it, goes through the stdin and stdout of one process: the agent's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

STOP_GRACE_S = 2.0
"""How long a process may take to leave after its stdin was closed, before it is killed."""

SILENCE_S = 15.0
"""A device that says nothing for so long is dead, where something has to come from it every five seconds."""

STDERR_TAIL_BYTES = 8192

GoOn = Callable[[], bool]
"""Asked where no bytes were taken for a while: whether to wait as long again. May raise why not."""


def never() -> bool:
    """Do not go on."""
    return False


@dataclass(frozen=True)
class Completed:
    """A finished remote command. `exit_code` is never guessed: a lost connection raises instead."""

    exit_code: int
    stdout: bytes
    stderr: str


class Process(Protocol):
    """A running remote command: bytes go to it, lines come from it."""

    def send(self, data: bytes, timeout_s: float = SILENCE_S, go_on: GoOn = never) -> None:
        """Write all of the bytes to its stdin. Another thread may read meanwhile.

        Raises `DeviceUnavailable` when none of them are taken for `timeout_s`, unless `go_on` says to wait on, or when
        the link breaks; `DeviceUnreachable` when the process has ended.
        """

    def send_line(self, line: bytes) -> None:
        """Write one line (the newline is added). Raises what `send` does."""

    def read_line(self, timeout_s: float) -> bytes | None:
        """Next whole line without its newline, or None at end of output.

        Raises `DeviceUnavailable` when nothing arrives for `timeout_s` or the link breaks.
        An unfinished last line is the trace of a dying process and is not returned.
        """

    def has_line(self) -> bool:
        """Whether `read_line` would answer at once; never waits."""

    def stderr_tail(self) -> str:
        """The last few kilobytes the command wrote to stderr."""

    def exit_code(self, timeout_s: float) -> int | None:
        """Its exit code once it has ended (waits up to `timeout_s`), else None. 128 + n: ended by signal n."""

    def stop(self) -> None:
        """Close its stdin, wait briefly, then kill it. Never raises; calling twice is fine."""


class Transport(Protocol):
    """Commands on one device. Use as a context manager; `close` is idempotent.

    `python` and `root` are what the device's record says: a program and a folder there, of which relative ones are
    below the user's home.
    """

    name: str
    python: str
    root: str

    def run(self, argv: Sequence[str], timeout_s: float = 30.0) -> Completed:
        """Run a command to its end, in the user's home (no shell interpolation: every argument arrives as it is).

        Raises `DeviceUnreachable` on a time-out or a lost connection. Exit code 127: not found.
        """

    def spawn(self, argv: Sequence[str]) -> Process:
        """Start a command, in the user's home, and talk to it."""

    def close(self) -> None:
        """Stop what was spawned and release everything; never raises."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


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

    @property
    def has_line(self) -> bool:
        """Whether `next_line` would give one."""
        return self._bytes.find(b"\n", self._searched) >= 0

    def take_rest(self) -> bytes:
        """All that is left, whole lines or not."""
        rest = bytes(self._bytes)
        self._bytes.clear()
        self._searched = 0
        return rest
