"""What was pushed to a device."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from device_agent.artifact_id import require_artifact_id
from device_agent.manifest import Format
from device_agent.wire import DISK_S, Message, Request

if TYPE_CHECKING:
    from device_agent.session import Session

State = Literal["accepted", "refused", "pending"]


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
class Standing:
    """How one artifact stands on its device.

    Args:
        deployment: how it got there.
        bytes: of its files; null where its folder is gone.
        state: what the device said of it last; "pending" where it said nothing: its runtime was missing, or the push
            was cut short.
        is_current: whether it is the one to use of its format.
        is_previous: whether it was that before.
        is_newer: whether it was pushed after the one to use became that.
    """

    deployment: Deployment
    bytes: int | None
    state: State
    is_current: bool
    is_previous: bool
    is_newer: bool


@dataclass(frozen=True)
class LedgerRead(Message):
    """All artifacts, the newest push last. `damage` says why they were gathered from the artifacts' folder."""

    artifacts: tuple[Standing, ...]
    damage: str | None

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """How they got there, in the same order."""
        return tuple(one.deployment for one in self.artifacts)


@dataclass(frozen=True)
class ReadLedger(Request[LedgerRead]):
    """What was pushed to this device, whose name on the host is `device`? Answered by `LedgerRead`."""

    device: str

    patience_s: ClassVar[float] = DISK_S

    def answer(self, session: "Session") -> LedgerRead:
        """Read it, or gather it anew where it is damaged."""
        return LedgerRead(*session.artifacts(self.device))


@dataclass(frozen=True)
class ManifestRead(Message):
    """The manifest's text as it lies on the device; null where there is none, or what is there is no manifest's size.

    The host compares its SHA-256 with the artifact's id.
    """

    manifest: str | None


@dataclass(frozen=True)
class ReadManifest(Request[ManifestRead]):
    """What does the manifest of a pushed artifact say? Answered by `ManifestRead`."""

    artifact_sha256: str

    def __post_init__(self) -> None:
        require_artifact_id(self.artifact_sha256)  # it becomes part of a path

    def answer(self, session: "Session") -> ManifestRead:
        """Read it; the host judges it."""
        return ManifestRead(session.manifest_text(self.artifact_sha256))
