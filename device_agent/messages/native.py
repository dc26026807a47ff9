"""Native operators: what of an artifact runs on this device, and the library that it needs, sent there."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from device_agent.artifact_id import require_artifact_id
from device_agent.manifest import NativeModel, NativeOperators
from device_agent.native import NativeLibrary
from device_agent.wire import DISK_S, Message, Request

if TYPE_CHECKING:
    from device_agent.session import Session


@dataclass(frozen=True)
class NativeFit(Message):
    """The model file that runs here, the library that computes its operators, and how that lies on the device."""

    model: NativeModel
    library: NativeLibrary
    state: Literal["whole", "missing", "altered"]


@dataclass(frozen=True)
class AskNative(Request[NativeFit]):
    """What of these models runs on this device, on so many threads (0 for all cores)? Answered by `NativeFit`."""

    native: NativeOperators
    threads: int

    patience_s: ClassVar[float] = DISK_S

    def answer(self, session: "Session") -> NativeFit:
        """Choose, or refuse with what is in the way."""
        return session.native_fit(self.native, self.threads)


@dataclass(frozen=True)
class LibraryPlaced(Message):
    """It is whole, on the disk, and has its name."""


@dataclass(frozen=True)
class SendLibrary(Request[LibraryPlaced]):
    """A library, whose bytes follow in frames, to be verified and named `native/<sha256>`, under the lock."""

    sha256: str

    def __post_init__(self) -> None:
        require_artifact_id(self.sha256)  # it becomes part of a path

    patience_s: ClassVar[float] = DISK_S

    def answer(self, session: "Session") -> LibraryPlaced:
        """All of it, or nothing."""
        session.pushing.place_library(self.sha256, session.inbox.pieces())
        return LibraryPlaced()
