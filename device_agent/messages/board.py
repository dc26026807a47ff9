"""What the board is and how it is just now."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_agent.wire import Message, Request

if TYPE_CHECKING:
    from device_agent.session import Session


# Bits of the firmware's get_throttled word (Raspberry Pi documentation, vcgencmd): these say what is so now, and
# those that many places higher what has been so since the board was started.
THROTTLE_BITS = {0: "under-voltage", 1: "a capped clock", 2: "throttling", 3: "the soft temperature limit"}
SINCE_BOOT = 16


def throttled_by(word: int) -> tuple[str, ...]:
    """What the lower bits of a word say; shift it by `SINCE_BOOT` for the others."""
    return tuple(what for bit, what in THROTTLE_BITS.items() if word >> bit & 1)


@dataclass(frozen=True)
class BoardFacts(Message):
    """The board as it is now; null where it does not tell.

    `throttled` is the firmware's bit field. Where `emulated` is true, an emulator computes: its times mean nothing.
    """

    model: str | None
    machine: str
    system: str
    kernel: str
    python: str
    cores: int
    memory_total_bytes: int | None
    memory_available_bytes: int | None
    disk_free_bytes: int | None
    governor: str | None
    clock_hz: float | None
    temperature_c: float | None
    throttled: int | None
    emulated: bool | None = None


@dataclass(frozen=True)
class Probe(Request[BoardFacts]):
    """Answered by `BoardFacts`."""

    def answer(self, session: "Session") -> BoardFacts:
        """Read them all."""
        return session.board_facts()
