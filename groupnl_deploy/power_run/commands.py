"""What a command must be able to do to be measured, and that of a command on this machine."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from groupnl_deploy.bench.clock import ClockSync
from groupnl_deploy.errors import CommandNotRun
from groupnl_deploy.power_run.child import Child, Outputs
from groupnl_deploy.power_run.terminal import in_foreground, lent_to


@dataclass(frozen=True)
class DeviceTimes:
    """When a command began and ended by the device's own clock (seconds since its start), and how that stands to ours.

    `clock_excess` is by how much the two ran apart beyond what their readings can tell, as a share of the time.
    """

    start_s: float
    end_s: float
    clock: ClockSync
    clock_excess: float


@dataclass(frozen=True)
class Ended:
    """How a command ended and when, on the host's `time.monotonic()`; `exit_code` None where nobody knows."""

    start_s: float
    end_s: float
    exit_code: int | None
    device: DeviceTimes | None = None
    left_running: bool = False
    output_problem: OSError | None = None


class Command(Protocol):
    """One run of a command. As a context manager it gives back whatever it took, and ends what still runs."""

    def prepare(self) -> None:
        """All that takes time or processor there and need not be measured. Raises where it cannot be run."""

    def require_ready(self) -> None:
        """Raise what has happened to it since."""

    def start(self) -> None:
        """Begin now. Raises `CommandNotRun`."""

    def with_terminal(self) -> AbstractContextManager[bool]:
        """The terminal is the command's in the block, where it can be; whether it is."""

    def ended(self, timeout_s: float) -> bool:
        """Wait for its end; whether it came."""

    def send(self, number: int) -> None:
        """Pass a signal on to it and all that it started."""

    def settle(self) -> Ended:
        """What is known of it, once it has ended. Raises `DeviceUnavailable` where the link to it was lost."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


MakeCommand = Callable[[Outputs], Command]


class LocalCommand:
    """A command on this machine, in this folder, with this environment; `reads_stdin`: what we are given is its own."""

    def __init__(self, argv: Sequence[str], outputs: Outputs, reads_stdin: bool) -> None:
        self._argv, self._outputs, self._reads_stdin = argv, outputs, reads_stdin
        self._start_s, self._child = 0.0, None  # type: float, Child | None

    def prepare(self) -> None:
        """It must be there: that is no news for after the idle window."""
        require_program(self._argv[0])

    def require_ready(self) -> None:
        """Nothing can have happened."""

    def start(self) -> None:
        """Start it."""
        # A terminal in whose background we are would only stop it.
        reads = self._reads_stdin and (not _is_terminal(0) or in_foreground())
        self._start_s = time.monotonic()
        try:
            self._child = Child(self._argv, self._outputs, None if reads else subprocess.DEVNULL)
        except OSError as error:
            raise _not_run(self._argv[0], (error.strerror or str(error)).lower(), 126) from error

    def with_terminal(self) -> AbstractContextManager[bool]:
        """Lend it ours."""
        return _Lent(self._child) if self._child is not None else nullcontext(False)

    def ended(self, timeout_s: float) -> bool:
        """Whether it has ended; to be asked again and again, as nothing else wakes it from some stops."""
        if self._child is None:
            return False
        is_over = self._child.ended(timeout_s)
        if not is_over:
            self._child.wake_where_stuck()
        return is_over

    def send(self, number: int) -> None:
        """To its group."""
        if self._child is not None:
            self._child.send(number)

    def settle(self) -> Ended:
        """What came of it."""
        assert self._child is not None
        return Ended(
            self._start_s,
            self._child.ended_s,
            self._child.exit_code,
            left_running=not self._child.output_ended(OUTPUT_PATIENCE_S),
            output_problem=self._child.problem,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None and not self._child.ended(0):
            self._child.send(signal.SIGKILL)
            self._child.ended(KILL_PATIENCE_S)


OUTPUT_PATIENCE_S = 1.0
KILL_PATIENCE_S = 5.0


class _Lent:
    """The terminal of a child, which also tells the child's reaper."""

    def __init__(self, child: Child) -> None:
        self._child, self._lending = child, lent_to(child.group)

    def __enter__(self) -> bool:
        self._child.has_terminal = self._lending.__enter__()
        if self._child.has_terminal:  # it may have asked for it, or been stopped there, before that woke it
            self._child.send(signal.SIGCONT)
        return self._child.has_terminal

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.has_terminal = False
        self._lending.__exit__(kind, error, trace)


def require_program(name: str) -> None:
    """Raise `CommandNotRun` (127, or 126 for what is no program) unless a shell here would find it."""
    if shutil.which(name) is not None:
        return
    path = Path(name)
    if os.sep in name and path.is_file():
        raise _not_run(name, "it may not be executed", 126)
    if os.sep in name and path.is_dir():
        raise _not_run(name, "it is a folder", 126)
    raise command_not_found(name, "on this machine")


def command_not_found(name: str, where: str) -> CommandNotRun:
    """The error of a shell for an unknown program."""
    return CommandNotRun(
        f"There is no program “{name}” {where}.",
        "Check its name, or give its whole path. A line or a word of the shell (cd, a pipe) is run by sh -c 'LINE'.",
        127,
    )


def _not_run(name: str, why: str, exit_code: int) -> CommandNotRun:
    return CommandNotRun(
        f"“{name}” cannot be run: {why}.", "Check the command, or give it by its interpreter.", exit_code
    )


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
