"""Pure: how an emulated KM003C behaves on its serial line: what it takes for a request, and how its replies come.

All the trouble a reader must survive is switched on here, and all of it is the same for the same seed.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from power.errors import MeterSettingError
from power.meters.km003c import protocol

MAX_PIECE_PAUSE_S = 0.002
MOST_CUTS = 3


@dataclass(frozen=True)
class LineBehaviour:
    """How replies reach the reader. Every `…_every` is a number of requests; 0 is never and 1 always.

    A reply comes `reply_delay_s` after its request, in pieces if `split`. In front of a stale one stand a
    DISCONNECT that nobody asked for and the reply before it. `garbage` stands in front of others. A silent
    meter takes the request and says nothing: every so often, and from `silent_from_s` until `silent_until_s`
    after the emulator's beginning. Raises `MeterSettingError` for numbers that mean nothing.
    """

    reply_delay_s: float = 0.0002
    split: bool = False
    stale_every: int = 0
    garbage_every: int = 0
    garbage: bytes = b"\xff\x00garbage"
    silent_every: int = 0
    silent_from_s: float = math.inf
    silent_until_s: float = math.inf
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.stale_every, self.garbage_every, self.silent_every) < 0:
            raise MeterSettingError("Nothing happens every minus so many requests.", "Give 0 for never, or more.")
        if not 0.0 <= self.reply_delay_s <= 60.0:
            raise MeterSettingError(f"A reply cannot be {self.reply_delay_s} s late.", "Choose 0 to 60 seconds.")
        if math.isfinite(self.silent_from_s + self.silent_until_s) and self.silent_until_s <= self.silent_from_s:
            raise MeterSettingError(
                f"A silence from {self.silent_from_s} s to {self.silent_until_s} s is none.",
                "Give an end after its start.",
            )
        if math.isinf(self.silent_from_s) and math.isfinite(self.silent_until_s):
            raise MeterSettingError("A silence has an end and no start.", "Give its start too, or leave both out.")


class EmulatedLine:
    """One line's behaviour from its first request on."""

    def __init__(self, behaviour: LineBehaviour) -> None:
        self._behaviour = behaviour
        self._random = random.Random(behaviour.seed)
        self._requests = 0
        self._latest_reply = b""

    def send(self, reply: bytes, since_began_s: float) -> Iterator[tuple[float, bytes]]:
        """What goes out for one more request, as pairs of seconds to wait and bytes to write; perhaps nothing."""
        self._requests += 1
        behaviour = self._behaviour
        asleep = behaviour.silent_from_s <= since_began_s < behaviour.silent_until_s
        if asleep or self._is_due(behaviour.silent_every):
            return
        data = reply
        if self._is_due(behaviour.stale_every):
            data = protocol.disconnect(self._random.randrange(256)) + self._latest_reply + data
        if self._is_due(behaviour.garbage_every):
            data = behaviour.garbage + data
        self._latest_reply = reply
        pauses = self._pauses()
        for piece in self._pieces(data):
            yield next(pauses), piece

    def _is_due(self, every: int) -> bool:
        return every > 0 and self._requests % every == 0

    def _pauses(self) -> Iterator[float]:
        yield self._behaviour.reply_delay_s
        while True:
            yield self._random.uniform(0.0, MAX_PIECE_PAUSE_S)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        places = range(1, len(data))
        cuts = sorted(self._random.sample(places, min(MOST_CUTS, len(places)))) if self._behaviour.split else []
        for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            yield data[begin:end]


class RequestListener:
    """Finds GET_DATA among the bytes that a reader sent; whatever else they hold is passed over and counted."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self.requests = 0
        self.other_bytes = 0

    def feed(self, data: bytes) -> list[protocol.Request]:
        """Add received bytes and return the requests they complete."""
        self._pending += data
        found = []
        while self._pending:
            if self._pending[0] != protocol.GET_DATA:
                del self._pending[0]
                self.other_bytes += 1
            elif len(self._pending) < protocol.HEADER_BYTES:
                break
            else:
                found.append(protocol.parse_request(self._pending))
                del self._pending[: protocol.HEADER_BYTES]
        self.requests += len(found)
        return found
