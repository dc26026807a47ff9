"""The artifacts on a device in order: what was current before becomes so again, and old ones are removed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from device_agent.wire import DISK_S, Message, Request

if TYPE_CHECKING:
    from device_agent.session import Session


@dataclass(frozen=True)
class Pruned(Message):
    """What was removed: artifacts, and what dead pushes and benchmarks left.

    Args:
        removed: the artifacts' ids, the oldest push first.
        leftovers: the paths of all else, below the device's folder.
        freed_bytes: of the files of both.
    """

    removed: tuple[str, ...]
    leftovers: tuple[str, ...] = ()
    freed_bytes: int = 0


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
        return session.prune(self.device, self.keep)
