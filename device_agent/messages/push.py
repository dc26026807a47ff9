"""Pushing an artifact: a folder of its own to fill, then one commit. Both need the device's lock."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from device_agent.artifact_id import require_artifact_id
from device_agent.messages.ledger import Deployment
from device_agent.wire import DISK_S, Message, Request

if TYPE_CHECKING:
    from device_agent.session import Session


@dataclass(frozen=True)
class PushOpened(Message):
    """The folder below the device's root to upload to; null where the artifact is there already, and whole."""

    incoming: str | None


@dataclass(frozen=True)
class OpenPush(Request[PushOpened]):
    """Begin to push an artifact, under the lock. Answered by `PushOpened`."""

    manifest_sha256: str

    def __post_init__(self) -> None:
        require_artifact_id(self.manifest_sha256)  # it becomes part of a path

    patience_s: ClassVar[float] = DISK_S

    def answer(self, session: "Session") -> PushOpened:
        """Make room for it."""
        return session.pushing.open(self)


@dataclass(frozen=True)
class CommitPush(Request[Deployment]):
    """Verify what was uploaded, give it its name and write it into the ledger. Answered by `Deployment`.

    The host's name for the device and the host's time go into the ledger: a board may have no clock of its own.
    """

    device: str
    pushed_at: str

    patience_s: ClassVar[float] = DISK_S

    def answer(self, session: "Session") -> Deployment:
        """All of it, or nothing."""
        return session.pushing.commit(self)
