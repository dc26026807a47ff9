"""Pushing an artifact: its files are announced, what is missing is sent, then one commit, all under the lock."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from device_agent.artifact_id import require_artifact_id
from device_agent.file_digest import FileDigest
from device_agent.manifest import MANIFEST_FILE
from device_agent.messages.ledger import Deployment
from device_agent.wire import DISK_S, Message, Request

MARK_BYTES = 1 << 22
"""The digest of what is there of a file is told at every so many bytes, and at its end."""

if TYPE_CHECKING:
    from device_agent.session import Session


@dataclass(frozen=True)
class PushFile(FileDigest):
    """A file of an artifact that is announced: a plain name, its SHA-256, its size."""

    def __post_init__(self) -> None:
        if not self.is_plain:
            raise ValueError(f"{self.name!r} is not a plain file name")
        if self.bytes < 0:
            raise ValueError(f"{self.name!r} cannot have {self.bytes} bytes")
        require_artifact_id(self.sha256)


@dataclass(frozen=True)
class Mark:
    """The first so many bytes of a file have this SHA-256."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Held:
    """What is on the device of a file: marks at every few megabytes and at the end of what there is, in this order."""

    name: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class PushOpened(Message):
    """The folder below the device's root that takes the files; null where the artifact is there already, and whole.

    `held` is what an earlier push of the same artifact has brought: sending goes on behind the longest mark that the
    host's own file has, too.
    """

    incoming: str | None
    held: tuple[Held, ...] = ()


@dataclass(frozen=True)
class OpenPush(Request[PushOpened]):
    """Begin to push an artifact of these files, its manifest among them, under the lock. Answered by `PushOpened`."""

    manifest_sha256: str
    files: tuple[PushFile, ...]

    def __post_init__(self) -> None:
        require_artifact_id(self.manifest_sha256)  # it becomes part of a path
        digests = {file.name: file.sha256 for file in self.files}
        if len(digests) != len(self.files) or digests.get(MANIFEST_FILE) != self.manifest_sha256:
            raise ValueError("a push needs files of different names, one of them its manifest")

    patience_s: ClassVar[float] = DISK_S

    def answer(self, session: "Session") -> PushOpened:
        """Make room for it."""
        return session.pushing.open(self)


@dataclass(frozen=True)
class FileArrived(Message):
    """The file is on the device, and its digest is the announced one."""

    name: str


@dataclass(frozen=True)
class SendFile(Request[FileArrived]):
    """One of the open push's files; its bytes from an offset on follow in frames. Answered by `FileArrived`.

    The offset is one of the file's marks, or 0.
    """

    name: str
    offset_bytes: int

    patience_s: ClassVar[float] = DISK_S

    def answer(self, session: "Session") -> FileArrived:
        """Take its bytes."""
        session.pushing.receive(self, session.inbox.pieces())
        return FileArrived(self.name)


@dataclass(frozen=True)
class CommitPush(Request[Deployment]):
    """Verify what was sent, give it its name and write it into the ledger. Answered by `Deployment`.

    The host's name for the device and the host's time go into the ledger: a board may have no clock of its own.
    """

    device: str
    pushed_at: str

    patience_s: ClassVar[float] = DISK_S

    def answer(self, session: "Session") -> Deployment:
        """All of it, or nothing."""
        return session.pushing.commit(self)
