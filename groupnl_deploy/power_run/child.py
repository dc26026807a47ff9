"""A child of ours whose end is noted at the very moment, and whose output is kept."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from device_agent.deaths import exit_code_of
from groupnl_deploy.power_run.streams import Copy

STDOUT_FILE, STDERR_FILE = "stdout", "stderr"
_AGAIN_S = 0.2
_STOPS = sum(1 << number - 1 for number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))


@dataclass(frozen=True)
class Outputs:
    """Where a command's output goes: files of `folder`, and two open descriptors; None keeps it in the file alone."""

    folder: Path
    stdout: int | None = 1
    stderr: int | None = 2


class Child:
    """A program in a process group of its own, from construction on. `ended_s` is on `time.monotonic()`.

    Raises `OSError` where it cannot be started.
    """

    def __init__(
        self, argv: Sequence[str], outputs: Outputs, stdin: int | None, own: Callable[[bytes], bytes] | None = None
    ) -> None:
        self._process = subprocess.Popen(
            argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, process_group=0
        )
        self.group = self._process.pid
        self.ended_s = 0.0
        self.has_terminal = False
        assert self._process.stdout and self._process.stderr
        said = outputs.folder / STDOUT_FILE, outputs.folder / STDERR_FILE
        self._copies = (
            Copy(self._process.stdout, said[0], outputs.stdout, *([own] if own else [])),
            Copy(self._process.stderr, said[1], outputs.stderr),
        )
        self._over = threading.Event()
        threading.Thread(target=self._reap, name="reaper", daemon=True).start()

    @property
    def stdin(self) -> int | None:
        """The descriptor of its stdin, where that is a pipe of ours."""
        return None if self._process.stdin is None else self._process.stdin.fileno()

    def close_stdin(self) -> None:
        """End of file, where it is a pipe of ours."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def ended(self, timeout_s: float) -> bool:
        """Wait for its end; whether it came."""
        return self._over.wait(timeout_s)

    def output_ended(self, timeout_s: float) -> bool:
        """Whether all that it wrote has come; not where something that it started holds its output open."""
        ended = [copy.ended(timeout_s) for copy in self._copies]
        return all(ended)

    @property
    def problem(self) -> OSError | None:
        """What kept some of its output out of the files."""
        return next((copy.problem for copy in self._copies if copy.problem is not None), None)

    @property
    def exit_code(self) -> int:
        """As a shell has it; once it has ended."""
        return exit_code_of(self._process.returncode)

    def send(self, number: int) -> None:
        """A signal for all of its group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.group, number)

    def wake_where_stuck(self) -> None:
        """Wake it where a stop waits for it, of which nobody tells us.

        A shell that starts a program by vfork() (dash does) hears no signal until the program runs. Where a stop is
        quicker, the program never does: what is to become of it is stopped, and the shell waits for ever.
        """
        if self.has_terminal and _has_stop_waiting(self.group):
            self._wake()

    def _reap(self) -> None:
        while self._is_stopped():
            if self.has_terminal:  # a meter does not stop with it, and nobody else could wake it
                self._wake()
        self.ended_s = time.monotonic()
        self._process.wait()
        self._over.set()

    def _wake(self) -> None:
        """Now, and once more: what it started may get the stop behind our answer, and would stay stopped for ever."""
        self.send(signal.SIGCONT)
        again = threading.Timer(_AGAIN_S, self._wake_again)
        again.daemon = True
        again.start()

    def _wake_again(self) -> None:
        if not self._over.is_set():
            self.send(signal.SIGCONT)

    def _is_stopped(self) -> bool:
        """Wait until it ends or stops; whether it stopped. Where the system tells of no stop, until it ends."""
        if not hasattr(os, "waitid"):
            self._process.wait()
            return False
        info = os.waitid(os.P_PID, self.group, os.WEXITED | os.WSTOPPED | os.WNOWAIT)
        if info is None or info.si_code != os.CLD_STOPPED:
            return False
        os.waitid(os.P_PID, self.group, os.WSTOPPED | os.WNOHANG)
        return True


def _has_stop_waiting(pid: int) -> bool:
    """Whether a process sleeps so deeply that a stop has not reached it; False where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
    except OSError:
        return False
    told = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return told.get("State", "").startswith("D") and bool(int(told.get("ShdPnd", "0"), 16) & _STOPS)
