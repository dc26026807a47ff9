"""A road to a TCP port that can be broken: by a reset, as a killed server does, or by silence, as a pulled cable does.

A broken link stays broken for the connections that it carried. While the road is closed there are no new ones.
"""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

How = Literal["reset", "silence"]
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what is closed so is reset


class BreakableLink:
    """A proxy on `port` before 127.0.0.1:`to`."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._open, self._pairs, self._lock = (
            True,
            list[tuple[socket.socket, socket.socket, threading.Event]](),
            threading.Lock(),
        )
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self, how: How) -> None:
        """Break what is carried now, and close the road."""
        with self._lock:
            self._open = False
            for near, far, silent in self._pairs:
                silent.set()
                if how == "reset":
                    _reset(near, far)
            if how == "reset":
                self._pairs.clear()

    def mend(self) -> None:
        """New connections are carried again."""
        self._open = True

    def close(self) -> None:
        """For good."""
        self.cut("reset")
        self._server.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                if self._open:
                    self._carry(near)
                else:
                    _reset(near)

    def _carry(self, near: socket.socket) -> None:
        far, silent = socket.create_connection(("127.0.0.1", self._to)), threading.Event()
        with self._lock:
            self._pairs.append((near, far, silent))
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=_pump, args=(one, other, silent), daemon=True).start()


def _pump(one: socket.socket, other: socket.socket, silent: threading.Event) -> None:
    with suppress(OSError):
        while data := one.recv(1 << 16):
            if silent.is_set():
                return
            other.sendall(data)
        if not silent.is_set():
            other.shutdown(socket.SHUT_WR)


def _reset(*sockets: socket.socket) -> None:
    for one in sockets:
        with suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            one.shutdown(socket.SHUT_RD)  # wakes whoever reads it
        one.close()


@contextmanager
def breakable_link(to: int) -> Iterator[BreakableLink]:
    """The road, until the block ends."""
    link = BreakableLink(to)
    try:
        yield link
    finally:
        link.close()
