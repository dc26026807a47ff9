"""A command on an SSH device that we talk to, on a channel that `ssh.py` opens. Imports no SSH library.

Nothing here needs a pseudo-terminal. Without one a remote process outlives the connection that started it, so
every command is launched by a small script that first tells its process group, which `stop` can then kill.
"""

import shlex
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event
from typing import Protocol

from groupnl_deploy.errors import DeviceUnavailable, DeviceUnreachable
from groupnl_deploy.remote import ssh_refusals as refusals
from groupnl_deploy.remote.deadline import Deadline
from groupnl_deploy.remote.ssh_target import SshTarget
from groupnl_deploy.remote.transport import (
    SILENCE_S,
    STDERR_TAIL_BYTES,
    STOP_GRACE_S,
    Completed,
    GoOn,
    LineBuffer,
    never,
)

_START_TIMEOUT_S = 15.0  # of the login shell, start-up files included
_KILL_TIMEOUT_S = 5.0
_POLL_S = 0.25  # the channel has one time-out, and threads of ours share it
_CHUNK_BYTES = 1 << 17
_PACKET_BYTES = 1 << 15  # what OpenSSH takes in one; more would be copied for every packet

_STARTED = b"groupnl-started "
# Tells the shell's PID, its parent's and its process group (Linux), then runs the command as a child: a shell
# reports a child ended by signal n as 128 + n, where the server's exit-signal message would be dropped.
_LAUNCH = (
    "{ read -r _ _ _ _ group _ </proc/self/stat; } 2>/dev/null; "
    'printf "\\ngroupnl-started %s %s %s\\n" "$$" "$PPID" "${group:-0}"; "$@"; exit $?'
)


class Channel(Protocol):
    """What a process needs of a channel; paramiko's has it."""

    exit_status: int
    status_event: Event

    @property
    def closed(self) -> bool:
        """Whether nothing comes any more."""

    @property
    def eof_received(self) -> int:
        """Whether the server told of the end of stdout."""

    def settimeout(self, timeout: float | None) -> None:
        """For the next receive or send."""

    def recv_ready(self) -> bool:
        """Whether some of stdout is there already."""

    def recv(self, nbytes: int) -> bytes:
        """Some of stdout; nothing at its end and, silently, when the link dies."""

    def recv_stderr(self, nbytes: int) -> bytes:
        """Some of stderr."""

    def send(self, s: bytes) -> int:
        """Some of it to stdin; how many bytes."""

    def shutdown_write(self) -> None:
        """End of file on stdin."""

    def close(self) -> None:
        """Give the channel up."""


class Link(Protocol):
    """What a process needs of the connection."""

    target: SshTarget

    @property
    def alive(self) -> bool:
        """Whether the connection still stands."""

    def start(self, command: str) -> Channel:
        """Run a command line of the remote shell in a channel of its own."""

    def failure(self) -> DeviceUnreachable:
        """Why no channel could be opened."""

    def close(self) -> None:
        """Disconnect."""


def kill_target(pid: str, parent: str, group: str) -> str:
    """What `kill` needs to end a shell that sshd started, and all that it started.

    sshd gives every command a session, led by the login shell or by what it turned into. Any other group might hold
    processes that are not ours.
    """
    return f"-{group}" if group in (pid, parent) else pid


class SshProcess:
    """A remote command that we talk to. A thread drains its stderr, which shares the channel's window."""

    def __init__(
        self,
        link: Link,
        argv: Sequence[str],
        stderr_limit_bytes: int | None = STDERR_TAIL_BYTES,
    ) -> None:
        self._link, self._program, self._limit = link, argv[0], stderr_limit_bytes
        self._lines, self._stderr, self._stopped = LineBuffer(), bytearray(), False
        self._channel = link.start(shlex.join(["/bin/sh", "-c", _LAUNCH, "sh", *argv]))
        self._channel.settimeout(_POLL_S)
        self._drain = threading.Thread(target=self._drain_stderr, daemon=True)
        self._drain.start()
        try:
            self._victim = self._await_start()
        except BaseException:
            self._channel.close()
            raise

    def send(self, data: bytes, timeout_s: float = SILENCE_S, go_on: GoOn = never) -> None:
        """Write all of the bytes."""
        left, end = memoryview(data), Deadline.after(timeout_s)
        while left:
            taken_bytes = self._send_some(bytes(left[:_PACKET_BYTES]))
            if not taken_bytes and not end.expired:
                continue
            if not taken_bytes and not go_on():
                raise self._silent(f"did not read its request within {timeout_s:g} s")
            left, end = left[taken_bytes:], Deadline.after(timeout_s)

    def send_line(self, line: bytes) -> None:
        """Write one line."""
        self.send(line + b"\n")

    def read_line(self, timeout_s: float) -> bytes | None:
        """The next line, or None when the process has closed its output."""
        try:
            return self._next_line(lambda: timeout_s)
        except TimeoutError as error:
            raise self._silent(f"sent nothing for {timeout_s:g} s") from error

    def has_line(self) -> bool:
        """Whether `read_line` would answer at once."""
        while not self._lines.has_line and self._channel.recv_ready():
            self._lines.feed(self._channel.recv(_CHUNK_BYTES))
        return self._lines.has_line or self._stopped or self._ended()

    def finish(self, timeout_s: float) -> Completed:
        """Close its stdin and gather everything up to its end. Raises `TimeoutError`."""
        end = Deadline.after(timeout_s)
        self._channel.shutdown_write()
        while chunk := self._receive(end.left_s):
            self._lines.feed(chunk)
        exit_code = self.exit_code(end.left_s)
        if exit_code is None:
            if self._channel.closed:
                raise refusals.link_lost(self._link.target)
            raise TimeoutError
        return Completed(exit_code, self._lines.take_rest(), self.stderr_tail())

    def stderr_tail(self) -> str:
        """What it last wrote to stderr."""
        if self._ended():
            self._drain.join(0.5)
        return bytes(self._stderr).decode(errors="replace")

    def exit_code(self, timeout_s: float) -> int | None:
        """Its exit code, or None while it runs or where the link died first."""
        self._channel.status_event.wait(timeout_s)
        return self._channel.exit_status if self._channel.exit_status >= 0 else None

    def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """Close its stdin, wait, then kill its process group over another channel."""
        if self._stopped:
            return
        self._stopped = True
        with suppress(Exception):
            self._channel.shutdown_write()
        with suppress(Exception):
            if self.exit_code(grace_s) is None and self._link.alive:
                self._kill()
        with suppress(Exception):
            self._channel.close()

    def _kill(self) -> None:
        """No process outlives the end of that command, so that ours is not waited for once more."""
        channel = self._link.start(f"kill -KILL {self._victim}")
        channel.status_event.wait(_KILL_TIMEOUT_S)
        channel.close()

    def _await_start(self) -> str:
        """Skip what the login shell printed; return what `kill` needs to end this command."""
        said, end = b"", Deadline.after(_START_TIMEOUT_S)
        while (line := self._start_line(end)) is not None:
            if line.startswith(_STARTED):
                return kill_target(*line.removeprefix(_STARTED).decode().split())
            said = said or line
        raise refusals.no_shell(self._link.target, said[:200].decode(errors="replace"))

    def _start_line(self, end: Deadline) -> bytes | None:
        try:
            if end.expired:  # it talks without a pause
                raise TimeoutError
            return self._next_line(lambda: end.left_s)
        except TimeoutError as error:
            raise refusals.start_up_file(self._link.target, _START_TIMEOUT_S) from error
        except DeviceUnavailable as error:
            if self._link.alive and self._channel.closed:
                raise self._link.failure() from error
            raise

    def _next_line(self, wait_s: Callable[[], float]) -> bytes | None:
        """The next line, None at the end of the output. Raises `TimeoutError` where nothing arrives for `wait_s`."""
        while (line := self._lines.next_line()) is None:
            chunk = self._receive(wait_s())
            if not chunk:
                return None
            self._lines.feed(chunk)
        return line

    def _send_some(self, data: bytes) -> int:
        """How many bytes were taken, within a moment."""
        if self._stopped:
            raise self._gone("was stopped and takes no more requests")
        try:
            return self._channel.send(data)
        except TimeoutError:
            return 0
        except Exception as error:  # whatever kind the SSH library has for a channel that fails
            if self._ended():
                raise self._gone("has ended and takes no more requests") from error
            raise refusals.link_lost(self._link.target) from error

    def _receive(self, timeout_s: float) -> bytes:
        """Some of stdout, nothing at its end. Raises `TimeoutError`."""
        end, chunk = Deadline.after(timeout_s), None
        while chunk is None:
            try:
                chunk = self._channel.recv(_CHUNK_BYTES)
            except TimeoutError:
                if end.expired:
                    raise
        # paramiko returns nothing, without an error, for a connection that died.
        if not chunk and not self._ended() and not self._stopped:
            raise refusals.link_lost(self._link.target)
        return chunk

    def _ended(self) -> bool:
        """Whether the server itself told that the output or the command ended."""
        return bool(self._channel.eof_received) or self._channel.exit_status >= 0

    def _drain_stderr(self) -> None:
        while True:
            try:
                chunk = self._channel.recv_stderr(_CHUNK_BYTES)
            except TimeoutError:
                continue
            if not chunk:
                return
            self._stderr += chunk
            if self._limit:
                del self._stderr[: -self._limit]

    def _silent(self, what: str) -> DeviceUnavailable:
        return refusals.process_silent(self._link.target, self._program, what)

    def _gone(self, what: str) -> DeviceUnreachable:
        return refusals.process_ended(self._link.target, self._program, what)
