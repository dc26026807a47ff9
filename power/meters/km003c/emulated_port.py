"""A pseudo-terminal that answers: the edge between an emulated meter and the operating system."""

import os
import select
import threading
import tty
from collections.abc import Callable, Iterator

# Bytes from the reader → what to answer, as pairs of seconds to wait and bytes to write.
Hear = Callable[[bytes], Iterator[tuple[float, bytes]]]

READ_BYTES = 4096


class EmulatedPort:
    """An open pseudo-terminal at `path`, on which `hear` answers in a thread of its own until `close`."""

    def __init__(self, hear: Hear) -> None:
        self._hear = hear
        # The slave end stays open, or the master would fail between two readers.
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._wake_reader, self._wake_writer = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="km003c-emulator", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hang up: whoever has the terminal open is told so by the system. Once only."""
        os.write(self._wake_writer, b"x")
        self._thread.join()
        for descriptor in (self._master, self._slave, self._wake_reader, self._wake_writer):
            os.close(descriptor)

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._master, self._wake_reader], [], [])
            if self._wake_reader in ready:
                return
            for pause_s, piece in self._hear(os.read(self._master, READ_BYTES)):
                if self._woken_within(pause_s):
                    return
                self._write(piece)

    def _woken_within(self, pause_s: float) -> bool:
        return bool(select.select([self._wake_reader], [], [], pause_s)[0])

    def _write(self, piece: bytes) -> None:
        try:
            os.write(self._master, piece)
        except BlockingIOError:
            return  # nobody reads: a full line loses bytes, as a real one does
