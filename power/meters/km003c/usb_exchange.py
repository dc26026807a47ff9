"""Questions and answers with a KM003C over USB: every transfer is one packet, and replies carry their question's id.

No USB here: transfers go through a `Pipe`. What is not the answer is passed over, as it may be left from an
earlier program or question.
"""

from collections.abc import Callable
from typing import Protocol

from power.errors import MeterUnreachable
from power.meters.km003c import protocol

REPLY_TIMEOUT_S = 0.5
DRAIN_TIMEOUT_S = 0.02
MOST_STALE = 64  # transfers that an earlier program can have left
TYPE_BITS = 0x7F  # the top bit of the first byte says that something follows
REFUSALS = frozenset({protocol.REJECT, protocol.ERROR, 0x26, 0x27, 0x29})  # the last three by the memory reader


class Pipe(Protocol):
    """The two bulk endpoints of a meter."""

    def write(self, packet: bytes) -> None:
        """Send one packet. Raises `MeterUnreachable` when the meter takes none."""
        ...

    def read(self, timeout_s: float) -> bytes | None:
        """One transfer, None when none came. Raises `MeterUnreachable` when the meter is gone."""
        ...


class SessionEnded(MeterUnreachable):
    """The meter has ended the session on its own, as it does after five seconds without a question."""


class Exchange:
    """Asks through a pipe and waits for answers; `now` is the clock of the time-outs."""

    def __init__(self, pipe: Pipe, now: Callable[[], float]) -> None:
        self._pipe = pipe
        self._now = now
        self._request_id = 0

    def ask(
        self,
        build: Callable[[int], bytes],
        *packet_types: int,
        any_id: bool = False,
        in_session: bool = True,
    ) -> bytes | None:
        """Send what `build` makes of the next id; the answer of one of `packet_types`, None if none comes in time.

        With `any_id` the answer's id does not matter. Raises `SessionEnded` when the meter says so instead,
        unless no session is expected, and `MeterUnreachable` as the pipe does.
        """
        self._request_id = (self._request_id + 1) % 256
        self._pipe.write(build(self._request_id))
        deadline_s = self._now() + REPLY_TIMEOUT_S
        while (left_s := deadline_s - self._now()) > 0.0:
            transfer = self._pipe.read(left_s) or b""
            if len(transfer) < protocol.HEADER_BYTES:
                continue
            kind, transfer_id = transfer[0] & TYPE_BITS, transfer[1]
            if kind in packet_types and (any_id or transfer_id == self._request_id):
                return transfer
            if kind == protocol.DISCONNECT and in_session:
                raise SessionEnded("The meter ended the session.", "Keep asking it, at least every few seconds.")
        return None

    def headless(self, size_bytes: int) -> bytes:
        """Data without a header: what comes until it is so many bytes or more, or the time is over."""
        deadline_s = self._now() + REPLY_TIMEOUT_S
        data = b""
        while len(data) < size_bytes and (left_s := deadline_s - self._now()) > 0.0:
            data += self._pipe.read(left_s) or b""
        return data

    def drain(self) -> None:
        """Drop what is left from before."""
        for _ in range(MOST_STALE):
            if self._pipe.read(DRAIN_TIMEOUT_S) is None:
                return
