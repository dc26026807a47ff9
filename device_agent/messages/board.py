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

    `throttled` is the firmware's bit field. `clock_target_hz` is the clock that the processor should have under load;
    null also where that is no fixed one, as with a boost. `core_v` is the processor's supply. Where `emulated` is true,
    an emulator computes: its times mean nothing.
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
    clock_target_hz: float | None = None
    core_v: float | None = None


@dataclass(frozen=True)
class BoardState:
    """The board at one moment of a benchmark; null or empty where it does not tell.

    `at_ns` is on the device's clock. `clocks_hz` has every core's. `throttled` is the firmware's bit field,
    `low_voltage` the alarm of its voltage sensor, `voltage_v` what a sensor of the supply says. The shares are of all
    cores' time since the state before: all that was busy, and what of it was neither the agent nor who reads this.
    """

    at_ns: int
    clocks_hz: tuple[float, ...]
    governor: str | None
    temperature_c: float | None
    throttled: int | None
    low_voltage: bool | None
    voltage_v: float | None
    busy_share: float | None
    foreign_share: float | None


@dataclass(frozen=True)
class Probe(Request[BoardFacts]):
    """Answered by `BoardFacts`."""

    def answer(self, session: "Session") -> BoardFacts:
        """Read them all."""
        return session.board_facts()
