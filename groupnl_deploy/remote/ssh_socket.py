"""A socket to an SSH device, by TCP or through a ProxyCommand, and what was heard on it before SSH began.

Imports no SSH library.
"""

import errno
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from groupnl_deploy.errors import DeviceUnavailable, DeviceUnreachable
from groupnl_deploy.remote.ssh_target import SshTarget

CONNECT_TIMEOUT_S = 8.0
"""For each address the name resolves to."""

USER_TIMEOUT_MS = 10_000
"""A link that acknowledges nothing for this long is dead. Without it a cut cable hangs an upload for ever."""

# What the kernel says while a board, a switch or this machine's own link is down.
_NETWORK_DOWN = (errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ENETDOWN, errno.ECONNRESET)
_HEARD_BYTES = 4096
_PROXY_GRACE_S = 2.0


class SshSocket:
    """A socket that remembers what the other side said before its SSH greeting, and whether it then hung up.

    Once it is told to, it breaks where nothing comes for too long. Everything else is the socket's own.
    """

    recv: Callable[[int], bytes]
    send: Callable[[bytes], int]

    def __init__(self, sock: socket.socket, proxy: "subprocess.Popen[bytes] | None" = None) -> None:
        self._sock, self._proxy = sock, proxy
        self._heard, self._heard_s, self._silence_s = b"", 0.0, 0.0
        self.hung_up = False
        self.recv, self.send = self._listen, self._greet

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    @property
    def first_words(self) -> str:
        """The first line that is no SSH greeting, made harmless; empty where there was none."""
        line = next((line for line in self._heard.splitlines() if line.strip()), b"")
        return "" if line.startswith(b"SSH-") else harmless(line)

    def proxy_exit_code(self) -> int | None:
        """What the ProxyCommand ended with, where there was one that has ended; 128 + n: by signal n."""
        if self._proxy is None:
            return None
        with suppress(subprocess.TimeoutExpired):
            code = self._proxy.wait(_PROXY_GRACE_S)
            return 128 - code if code < 0 else code
        return None

    def expect_news(self, silence_s: float) -> None:
        """From here on a peer of which nothing comes for so long is dead: receiving raises `ConnectionAbortedError`.

        Who calls this has to see that an answer is due more often.
        """
        self._heard_s, self._silence_s = time.monotonic(), silence_s
        self.recv = self._await_news

    def _await_news(self, size: int) -> bytes:
        """paramiko waits a fraction of a second at a time, and asks again where that was too short."""
        try:
            piece = self._sock.recv(size)
        except TimeoutError:
            if time.monotonic() - self._heard_s > self._silence_s:
                raise ConnectionAbortedError from None
            raise
        self._heard_s = time.monotonic()
        return piece

    def _greet(self, data: bytes) -> int:
        """What was said before a hang-up can still be read, so that our own greeting may fail."""
        try:
            return self._sock.send(data)
        except ConnectionError:
            return len(data)

    def _listen(self, size: int) -> bytes:
        try:
            piece = self._sock.recv(size)
        except ConnectionError:
            self.hung_up = True
            raise
        self.hung_up = not piece
        self._heard += piece
        if b"SSH-" in self._heard or len(self._heard) > _HEARD_BYTES:
            self.recv, self.send = self._sock.recv, self._sock.send
        return piece


def harmless(words: bytes) -> str:
    """What a machine said that nobody has verified, fit for a message."""
    text = words.decode(errors="replace").strip()
    return "".join(letter for letter in text if letter.isprintable())[:80]


def open_socket(target: SshTarget) -> SshSocket:
    """A connected socket that sends at once and notices a dead link. Every failure is a `DeviceUnreachable`."""
    if target.proxy:
        return _through(target.proxy)
    try:
        opened = socket.create_connection((target.host, target.port), timeout=CONNECT_TIMEOUT_S)
    except (OSError, UnicodeError) as error:
        raise _no_connection(target, error) from error
    # Nagle's algorithm holds a request back until the last packet is acknowledged: 44 ms instead of 0.5.
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    return SshSocket(opened)


def _through(command: str) -> SshSocket:
    """One end of a socket pair whose other end is the command's stdin and stdout: end of file is then seen.

    The command has a session of its own, so that the terminal's Ctrl-C does not cut the link before we stop
    what runs at its far end; it leaves when our end is closed.
    """
    shell = os.environ.get("SHELL", "")  # as OpenSSH does
    ours, theirs = socket.socketpair()
    with theirs:
        child = subprocess.Popen(
            [shell if os.access(shell, os.X_OK) else "/bin/sh", "-c", f"exec {command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            start_new_session=True,
        )
    threading.Thread(target=child.wait, daemon=True).start()  # reaps it
    return SshSocket(ours, child)


def _no_connection(target: SshTarget, error: Exception) -> DeviceUnreachable:
    """A board that restarts answers no name and no call, then refuses the port until its SSH server runs."""
    if isinstance(error, socket.gaierror | UnicodeError):
        return _no_name(target, error)
    if isinstance(error, ConnectionRefusedError):
        return DeviceUnavailable(
            f"{target.host} refuses connections on port {target.port}: no SSH server listens there.",
            "Enable SSH on the board (`sudo raspi-config`, Interface Options) and check the port.",
        )
    if isinstance(error, TimeoutError):
        return DeviceUnavailable(
            f"{target.host}, port {target.port}, did not answer within {CONNECT_TIMEOUT_S:g} s.",
            "Check that the board has power and network, and that no firewall is in the way.",
        )
    kind = DeviceUnavailable if getattr(error, "errno", None) in _NETWORK_DOWN else DeviceUnreachable
    reason = getattr(error, "strerror", None) or str(error)
    return kind(
        f"There is no way to {target.host}, port {target.port}: {reason}.",
        "Check the address and this machine's network.",
    )


def _no_name(target: SshTarget, error: Exception) -> DeviceUnreachable:
    """A board answers its own `.local` name, so while it is off nobody does. Other names are on a server, or wrong."""
    asked_later = target.host.endswith(".local") or getattr(error, "errno", None) == socket.EAI_AGAIN
    kind = DeviceUnavailable if asked_later and not isinstance(error, UnicodeError) else DeviceUnreachable
    return kind(
        f"The host name {target.host} of the device “{target.device_name}” cannot be resolved.",
        "Check its spelling and that the board is on this network, or give its IP address instead.",
    )
