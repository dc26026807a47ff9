"""The device's one lock: who has it, and who waits for it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_agent.wire import Message, Request

if TYPE_CHECKING:
    from device_agent.session import Session


@dataclass(frozen=True)
class Waiting(Message):
    """Somebody else holds the lock: for what, and for how long already by the device's clock."""

    holder: str
    since_s: float


@dataclass(frozen=True)
class LockTaken(Message):
    """The session holds the lock; the kernel frees it when the agent ends, however it ends."""


@dataclass(frozen=True)
class TakeLock(Request[LockTaken]):
    """Take the device's lock and hold it until the session ends. Answered by `Waiting`, as often as another holder
    is met, and then by `LockTaken`, or by a fault after `wait_s`. `purpose` is what others are told they wait for.
    """

    purpose: str
    wait_s: float

    def answer(self, session: "Session") -> LockTaken:
        """Wait for it, and tell the host for whom."""
        session.lock.take(self.purpose, self.wait_s, session.send)
        return LockTaken()
