"""A command on an SSH device through OpenSSH's own client: a child of ours, whose pipes are the channel."""

import fcntl
import os
import select
import struct
import subprocess
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import IO

CLIENT_FAILED = 255
"""What the client ends with where it could not do its work; a command may end so as well."""


class ClientChannel:
    """What `ssh_process.Channel` wants, of a client's process. `is_cut` says whether the link to the device is dead.

    The client holds our pipes open until it ends, so the end of its output is the end of the command or of the link.
    """

    def __init__(self, child: "subprocess.Popen[bytes]", is_cut: Callable[[], bool]) -> None:
        assert child.stdin and child.stdout and child.stderr
        self._child, self._is_cut = child, is_cut
        self._stdin, self._stdout, self._stderr = child.stdin, child.stdout, child.stderr
        self._timeout_s: float | None = None
        self._heard, self._has_begun, self._output_ended = b"", False, False
        self._reading = threading.Lock()
        self.exit_status, self.status_event = -1, threading.Event()
        os.set_blocking(self._stdin.fileno(), False)
        self._reaper = threading.Thread(target=self._reap, daemon=True)
        self._reaper.start()

    @property
    def closed(self) -> bool:
        """Whether it ended without an exit status of the command."""
        return self.status_event.is_set() and self.exit_status < 0

    @property
    def eof_received(self) -> int:
        """Whether the server itself told of the end of the output."""
        return int(self.exit_status >= 0)

    def settimeout(self, timeout: float | None) -> None:
        """For the next receive or send."""
        self._timeout_s = timeout

    def recv_ready(self) -> bool:
        """Whether some of stdout is there already."""
        if not self._heard and not self._output_ended and _is_ready(self._stdout, select.POLLIN, 0):
            self._hear()
        return bool(self._heard)

    def recv(self, nbytes: int) -> bytes:
        """Some of stdout; nothing at its end."""
        if not self._heard and not self._output_ended:
            if not _is_ready(self._stdout, select.POLLIN, self._timeout_s):
                raise TimeoutError
            self._hear(nbytes)
        heard, self._heard = self._heard, b""
        return heard

    def recv_stderr(self, nbytes: int) -> bytes:
        """Some of stderr; nothing at its end."""
        if not _is_ready(self._stderr, select.POLLIN, self._timeout_s):
            raise TimeoutError
        return os.read(self._stderr.fileno(), nbytes)

    def send(self, s: bytes) -> int:
        """Some of it to stdin; how many bytes."""
        if not _is_ready(self._stdin, select.POLLOUT, self._timeout_s):
            raise TimeoutError
        with suppress(BlockingIOError):
            return os.write(self._stdin.fileno(), s)
        return 0

    def shutdown_write(self) -> None:
        """End of file on stdin."""
        with suppress(OSError):  # the other end may be gone
            self._stdin.close()

    def close(self) -> None:
        """Give the channel up: the client leaves, whatever the command does."""
        self.shutdown_write()
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()

    def _hear(self, most_bytes: int = 1 << 16) -> None:
        with self._reading:
            self._heard = os.read(self._stdout.fileno(), most_bytes)
            self._has_begun = self._has_begun or bool(self._heard)
        if self._heard:
            return
        self._output_ended = True
        self._reaper.join()

    def _reap(self) -> None:
        """Tells a command's end from a client that gave up, because of the link or because it was given no session.

        A command that is over at once may have begun though nobody has read its first output yet.
        """
        code = self._child.wait()
        with self._reading:
            has_begun = self._has_begun or _unread_bytes(self._stdout) > 0
        if code >= 0 and (code != CLIENT_FAILED or (has_begun and not self._is_cut())):
            self.exit_status = code
        self.status_event.set()


def _unread_bytes(stream: IO[bytes]) -> int:
    """How much a pipe holds that nobody has read; nothing of one that is closed."""
    with suppress(OSError, ValueError):
        found: tuple[int] = struct.unpack("i", fcntl.ioctl(stream.fileno(), termios.FIONREAD, bytes(4)))
        return found[0]
    return 0


def _is_ready(stream: IO[bytes], event: int, timeout_s: float | None) -> bool:
    """Whether something can be read or written, the end of it included."""
    poller = select.poll()
    poller.register(stream.fileno(), event)
    return bool(poller.poll(None if timeout_s is None else timeout_s * 1000))
