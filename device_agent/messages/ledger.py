"""What was pushed to a device."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from device_agent.artifact_id import require_artifact_id
from device_agent.manifest import Format
from device_agent.wire import DISK_S, Message, Request

if TYPE_CHECKING:
    from device_agent.session import Session


@dataclass(frozen=True)
class Deployment(Message):
    """One artifact on one device: a line of the ledger. `previous` is the artifact that was the newest before it."""

    device: str
    artifact_sha256: str
    label: str
    format: Format
    agent_sha256: str
    pushed_at: str
    previous: str | None
    schema_version: int = 2

    def __post_init__(self) -> None:
        require_artifact_id(self.artifact_sha256)  # it becomes part of a path, and it is read from the device

    def __str__(self) -> str:
        return f"{self.device} has {self.label}, {self.format}, {self.artifact_sha256[:12]}"

    @property
    def directory(self) -> str:
        """The artifact's folder below the device's root."""
        return f"artifacts/{self.artifact_sha256}"


@dataclass(frozen=True)
class LedgerRead(Message):
    """All deployments, the newest last, one an artifact. `damage` says why they were gathered from the artifacts."""

    deployments: tuple[Deployment, ...]
    damage: str | None


@dataclass(frozen=True)
class ReadLedger(Request[LedgerRead]):
    """What was pushed to this device, whose name on the host is `device`? Answered by `LedgerRead`."""

    device: str

    patience_s: ClassVar[float] = DISK_S

    def answer(self, session: "Session") -> LedgerRead:
        """Read it, or gather it anew where it is damaged."""
        return LedgerRead(*session.deployments(self.device))
