"""What the host sends, in order: lines, and the bytes that follow some of them, in frames.

A frame is a line `#<n>` and n raw bytes behind it; `#0` ends them. A thread reads stdin and lets a few megabytes of
bytes wait, no more: a host that sends faster than the disk here writes is held back by the link itself.
"""

import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BufferedIOBase
from typing import Literal

from device_agent.errors import UPDATE_BOTH, BadRequest

PIECE_BYTES = 1 << 16
"""The most of a frame that is in one piece, however much the frame announces."""

_WAITING_PIECES = 128
_SHOWN_BYTES = 20

Kind = Literal["line", "piece", "last", "damage", "end"]
Item = tuple[Kind, bytes]


def read_items(stream: BufferedIOBase) -> Iterator[Item]:
    """A stream's lines that are not empty, and its frames in pieces, with a "last" behind them.

    Ends with the stream, also in the middle of a frame, and behind a header that is none ("damage"): what follows that
    cannot be told apart.
    """
    while line := stream.readline():
        if line == b"\n":
            continue  # the host says that it is there
        if not line.startswith(b"#"):
            yield "line", line
            continue
        left_bytes = _frame_bytes(line)
        if left_bytes is None:
            yield "damage", line[:_SHOWN_BYTES]
            return
        if left_bytes == 0:
            yield "last", b""
        while left_bytes:
            piece = stream.read1(min(left_bytes, PIECE_BYTES))  # what is there: a link may break before there is more
            if not piece:
                return
            left_bytes -= len(piece)
            yield "piece", piece


def _frame_bytes(header: bytes) -> int | None:
    found = re.fullmatch(rb"#([0-9]{1,18})\n", header)
    return int(found[1]) if found else None


class Inbox:
    """The lines and bytes of stdin for whoever answers.

    The reading thread calls `ended` when stdin has ended, and what stands in `urgent` for a line as soon as it comes.
    `is_garbled` says that what was taken last is the last that can be told apart.
    """

    def __init__(
        self, stdin: BufferedIOBase, ended: Callable[[], None], urgent: Mapping[bytes, Callable[[], None]] | None = None
    ) -> None:
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._room = threading.Semaphore(_WAITING_PIECES)
        self._stdin, self._ended, self._urgent = stdin, ended, urgent or {}
        self._skips_bytes = False
        self.is_garbled = False

    def start(self, first: Sequence[bytes] = ()) -> None:
        """Begin to read; these lines come before those of stdin."""
        for line in first:
            self._items.put(("line", line))
        threading.Thread(target=self._read, daemon=True).start()

    def line(self) -> bytes:
        """The next line; waits for it, for ever where stdin has ended. Raises as `line_within` does."""
        while (line := self.line_within(None)) is None:
            pass
        return line

    def line_within(self, timeout_s: float | None) -> bytes | None:
        """The next line, None where stdin has ended, `end` was called or nothing came in time.

        Bytes that a request has left unread are skipped. Raises `BadRequest` for those that no request announced.
        """
        while True:
            try:
                kind, data = self._next(timeout_s)
            except queue.Empty:
                return None
            if kind == "line":
                self._skips_bytes = False
                return data
            if kind == "end":
                return None
            if not self._skips_bytes:
                self._skips_bytes = True
                raise BadRequest("Bytes came that no request had announced.", UPDATE_BOTH)

    def pieces(self) -> Iterator[bytes]:
        """The bytes that follow the line just read. Raises `BadRequest` where their end is missing."""
        self._skips_bytes = True
        while True:
            kind, data = self._next()
            if kind == "last":
                return
            if kind != "piece":
                raise BadRequest("The bytes of a request ended without their end.", UPDATE_BOTH)
            yield data

    def skip_bytes(self) -> None:
        """The request just read has failed: the bytes that may follow it are of no use."""
        self._skips_bytes = True

    def end(self) -> None:
        """As where stdin has ended, behind what has come of it; may be called by the handler of a signal."""
        self._items.put(("end", b""))

    def _next(self, timeout_s: float | None = None) -> Item:
        item = self._items.get(timeout=timeout_s)
        if item[0] == "piece":
            self._room.release()
        if item[0] == "damage":
            self.is_garbled = True
            raise BadRequest(f"A frame began with {item[1]!r}, which is no length.", UPDATE_BOTH)
        return item

    def _read(self) -> None:
        try:
            for item in read_items(self._stdin):
                if item[0] == "piece":
                    self._room.acquire()
                elif item[0] == "line" and item[1] in self._urgent:
                    self._urgent[item[1]]()
                self._items.put(item)
            while self._stdin.read(PIECE_BYTES):  # behind damage: the host is to hear of it, and may have sent more
                pass
        finally:  # also where the read fails, as on a socket that a killed server left unread
            self.end()
            self._ended()
