"""Making a backend's environment on the device: wheels are announced, those that are missing sent, then it is built."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from device_agent.backend_table import BACKENDS
from device_agent.messages.push import FileArrived, Held, PushFile
from device_agent.wire import DISK_S, Message, Request

if TYPE_CHECKING:
    from device_agent.session import Session

BUILD_S = 3600.0
"""The longest silence of a device that unpacks PyTorch to a slow SD card, or downloads it over a slow line."""


@dataclass(frozen=True)
class EnvironmentOpened(Message):
    """Whether the backend has just this environment already, and what is on the device of each announced file."""

    is_there: bool
    held: tuple[Held, ...] = ()


@dataclass(frozen=True)
class OpenEnvironment(Request[EnvironmentOpened]):
    """Begin to make a backend's environment, under the lock. Answered by `EnvironmentOpened`.

    Args:
        backend: of `BACKENDS`.
        requirements: a pip requirements file, each line one version with its digest. Its own digest names the set.
        unpacked_bytes: what the environment will take, at least; null where nobody knows.
        wheels: what will be sent, the last of them pip's own; none where pip is to download on the device.
    """

    backend: str
    requirements: str
    unpacked_bytes: int | None
    wheels: tuple[PushFile, ...]

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise ValueError(f"{self.backend!r} is no backend")
        if not all(file.name.endswith(".whl") for file in self.wheels):
            raise ValueError("only wheels are sent for an environment")

    patience_s: ClassVar[float] = DISK_S

    def answer(self, session: "Session") -> EnvironmentOpened:
        """Look what is here, and whether there is room."""
        return session.provisioning.open(self)


@dataclass(frozen=True)
class SendWheel(Request[FileArrived]):
    """One of the announced wheels; its bytes from an offset on follow in frames. Answered by `FileArrived`."""

    name: str
    offset_bytes: int

    patience_s: ClassVar[float] = DISK_S

    def answer(self, session: "Session") -> FileArrived:
        """Take its bytes."""
        session.provisioning.receive(self, session.inbox.pieces())
        return FileArrived(self.name)


@dataclass(frozen=True)
class Building(Message):
    """What is being done now, in a few words."""

    step: str


@dataclass(frozen=True)
class EnvironmentBuilt(Message):
    """The backend's Python is this environment's from now on.

    Args:
        python: its program, absolute.
        versions: of the backend's packages, as an import in a child told them.
    """

    python: str
    versions: dict[str, str]


@dataclass(frozen=True)
class BuildEnvironment(Request[EnvironmentBuilt]):
    """Build the open environment, check it and switch to it. `Building` is told on the way; `EnvironmentBuilt` ends it.

    Whatever is in the way, the environment that was there before stays what it was.
    """

    patience_s: ClassVar[float] = BUILD_S

    def answer(self, session: "Session") -> EnvironmentBuilt:
        """All of it, or nothing."""
        return session.provisioning.build(session.send)
