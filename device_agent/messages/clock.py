"""The device's clock, asked often enough to compare it with the host's."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_agent.wire import Message, Request

if TYPE_CHECKING:
    from device_agent.session import Session


@dataclass(frozen=True)
class Pong(Message):
    """The device's clock at the moment of the answer."""

    device_ns: int


@dataclass(frozen=True)
class Ping(Request[Pong]):
    """Answered at once by `Pong`; round trips give the offset between the two clocks."""

    def answer(self, session: "Session") -> Pong:
        """Now."""
        return Pong(time.perf_counter_ns())
