"""The device `local`: this machine through the same verbs as a board, with subprocesses."""

import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from device_agent.deaths import exit_code_of
from groupnl_deploy.errors import DeviceUnavailable, DeviceUnreachable
from groupnl_deploy.remote.deadline import Deadline
from groupnl_deploy.remote.transport import (
    SILENCE_S,
    STDERR_TAIL_BYTES,
    STOP_GRACE_S,
    Completed,
    GoOn,
    LineBuffer,
    Process,
    never,
)

_CHUNK_BYTES = 1 << 20
_REAP_TIMEOUT_S = 5.0
_POLL_S = 0.5  # a wait in a thread that is to be interrupted comes back to Python no sooner


class LocalProcess:
    """A child of ours that we talk to. A thread reads each of its outputs, so it can never block on us."""

    def __init__(self, child: "subprocess.Popen[bytes]", what: str) -> None:
        self._child, self._what = child, what
        self._news = threading.Condition()
        self._lines, self._ended, self._stopped = LineBuffer(), False, False
        self._stderr = bytearray()
        assert child.stdin and child.stdout and child.stderr
        self._stdin = child.stdin
        os.set_blocking(self._stdin.fileno(), False)
        self._readers = [
            threading.Thread(target=self._drain, args=(child.stdout, self._keep_stdout), daemon=True),
            threading.Thread(target=self._drain, args=(child.stderr, self._keep_stderr), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def send(self, data: bytes, timeout_s: float = SILENCE_S, go_on: GoOn = never) -> None:
        """Write all of the bytes; a child that is gone or does not read is `DeviceUnreachable`."""
        left = memoryview(data)
        while left:
            self._await_room(timeout_s, go_on)
            try:
                left = left[os.write(self._stdin.fileno(), left) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._gone("has ended and takes no more requests") from error

    def send_line(self, line: bytes) -> None:
        """Write one line."""
        self.send(line + b"\n")

    def read_line(self, timeout_s: float) -> bytes | None:
        """The next line, or None when the child has closed its output."""
        end = Deadline.after(timeout_s)
        with self._news:
            while (line := self._lines.next_line()) is None:
                if self._ended or self._stopped:
                    return None
                if self._news.wait(min(_POLL_S, end.left_s)):
                    end = Deadline.after(timeout_s)
                elif end.expired:
                    raise self._silent(f"sent nothing for {timeout_s:g} s")
            return line

    def has_line(self) -> bool:
        """Whether `read_line` would answer at once."""
        with self._news:
            return self._lines.has_line or self._ended or self._stopped

    def stderr_tail(self) -> str:
        """What it last wrote to stderr."""
        if self._child.poll() is not None:
            self._readers[1].join(0.5)
        return bytes(self._stderr).decode(errors="replace")

    def exit_code(self, timeout_s: float) -> int | None:
        """Its exit code, or None while it runs."""
        try:
            return exit_code_of(self._child.wait(timeout_s))
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """Close stdin, wait, then kill the whole group."""
        with suppress(OSError):
            self._stdin.close()
        if self.exit_code(STOP_GRACE_S) is None:
            _kill_group(self._child)
        with self._news:
            self._stopped = True
            self._news.notify_all()
        for reader in self._readers:
            reader.join(0.5)

    def _await_room(self, timeout_s: float, go_on: GoOn) -> None:
        poller = select.poll()
        try:
            poller.register(self._stdin.fileno(), select.POLLOUT)
        except ValueError as error:
            raise self._gone("was stopped and takes no more requests") from error
        end = Deadline.after(timeout_s)
        while not poller.poll(min(_POLL_S, end.left_s) * 1000):
            if not end.expired:
                continue
            if not go_on():
                raise self._silent(f"did not read its request within {timeout_s:g} s")
            end = Deadline.after(timeout_s)

    def _drain(self, stream: IO[bytes], keep: Callable[[bytes], None]) -> None:
        with stream:
            while chunk := os.read(stream.fileno(), _CHUNK_BYTES):
                keep(chunk)
        keep(b"")

    def _keep_stdout(self, chunk: bytes) -> None:
        with self._news:
            self._lines.feed(chunk)
            self._ended = not chunk
            self._news.notify_all()

    def _keep_stderr(self, chunk: bytes) -> None:
        self._stderr += chunk
        del self._stderr[:-STDERR_TAIL_BYTES]

    def _silent(self, what: str) -> DeviceUnavailable:
        return DeviceUnavailable(
            f"The process `{self._what}` on the device “local” {what}.",
            "Find out what keeps this machine busy, then try again.",
        )

    def _gone(self, what: str) -> DeviceUnreachable:
        return DeviceUnreachable(
            f"The process `{self._what}` on the device “local” {what}.",
            "Look at what it wrote to stderr, then try again.",
        )


class LocalTransport:
    """The verbs of `Transport` on this machine."""

    def __init__(self, root: Path, python: str, name: str = "local") -> None:
        self.name, self.python, self.root = name, python, str(root.absolute())
        self._processes: list[LocalProcess] = []

    def run(self, argv: Sequence[str], timeout_s: float = 30.0) -> Completed:
        """Run a command to its end, with nothing on its stdin."""
        child = _start(argv, subprocess.DEVNULL)
        try:
            stdout, stderr = child.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise DeviceUnavailable(
                f"`{argv[0]}` on the device “{self.name}” did not finish within {timeout_s:g} s and was killed.",
                "Find out what keeps this machine busy, then try again.",
            ) from error
        finally:
            if child.poll() is None:  # a time-out, or the user's Ctrl-C
                _kill_group(child)
                _close_pipes(child)
        return Completed(exit_code_of(child.returncode), stdout, stderr.decode(errors="replace"))

    def spawn(self, argv: Sequence[str]) -> Process:
        """Start a command and talk to it."""
        process = LocalProcess(_start(argv, subprocess.PIPE), argv[0])
        self._processes.append(process)
        return process

    def close(self) -> None:
        """Stop what was spawned."""
        while self._processes:
            self._processes.pop().stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _start(argv: Sequence[str], stdin: int) -> "subprocess.Popen[bytes]":
    try:
        return _popen(list(argv), stdin)
    except FileNotFoundError:
        return _popen(_shell_refusal(f"{argv[0]}: not found", 127), stdin)
    except OSError as error:
        return _popen(_shell_refusal(f"{argv[0]}: {error.strerror}", 126), stdin)


def _popen(argv: list[str], stdin: int) -> "subprocess.Popen[bytes]":
    """Unbuffered pipes; a session of its own, so that the terminal's Ctrl-C reaches us alone; in the user's home."""
    home = Path.home()
    return subprocess.Popen(
        argv,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=home if home.is_dir() else "/",
        env=_environment(),
        start_new_session=True,
        bufsize=0,
    )


def _environment() -> dict[str, str]:
    """Ours without what tunes our own threads: a board's agent gets no such settings from the host either."""
    tuned = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(tuned)}


def _shell_refusal(message: str, exit_code: int) -> list[str]:
    """A command that ends as a shell would for a program it cannot start: the form SSH devices give."""
    return ["/bin/sh", "-c", 'printf "%s\\n" "$1" >&2; exit "$2"', "sh", message, str(exit_code)]


def _kill_group(child: "subprocess.Popen[bytes]") -> None:
    """Kill the child and whatever it started, and reap it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        child.wait(_REAP_TIMEOUT_S)


def _close_pipes(child: "subprocess.Popen[bytes]") -> None:
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream:
            stream.close()
