"""The artifacts on a device in order: what was current before becomes so again, and old ones are removed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from device_agent.wire import DISK_S, Message, Request

if TYPE_CHECKING:
    from device_agent.session import Session


@dataclass(frozen=True)
class Pruned(Message):
    """The ids of the artifacts that were removed, the oldest push first."""

    removed: tuple[str, ...]


@dataclass(frozen=True)
class Prune(Request[Pruned]):
    """Remove all artifacts but the `keep` newest, the current and the previous ones, and what dead pushes left.

    Under the lock. The device's name on the host is `device`.
    """

    device: str
    keep: int

    def __post_init__(self) -> None:
        if self.keep < 0:
            raise ValueError("no fewer than none can be kept")

    patience_s: ClassVar[float] = DISK_S

    def answer(self, session: "Session") -> Pruned:
        """Sweep, then collect."""
        return Pruned(session.prune(self.device, self.keep))
