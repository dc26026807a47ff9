"""What may keep a push or a benchmark from succeeding: asked cheaply before each, and thoroughly by a doctor.

The device tells facts alone. What they mean, and what to do, is decided on the host.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from device_agent.machine import Machine
from device_agent.messages.board import BoardFacts
from device_agent.wire import Message, Request

if TYPE_CHECKING:
    from device_agent.session import Session

LOADING_S = 120.0
"""How long a package may take to be imported. PyTorch takes half a minute from a slow SD card."""


@dataclass(frozen=True)
class Room:
    """What a file system has.

    Args:
        mount: where it is mounted; the folder that was asked for, where the system does not tell.
        kind: such as "ext4"; null where the system does not tell.
        free_bytes: for this user.
        free_inodes: for this user; null where files need none that are counted.
        block_bytes: every file takes whole blocks.
        read_only: whether it is mounted so.
    """

    mount: str
    kind: str | None
    free_bytes: int
    free_inodes: int | None
    block_bytes: int
    read_only: bool

    def __str__(self) -> str:
        return self.mount if self.kind is None else f"{self.mount} ({self.kind})"


@dataclass(frozen=True)
class Runtime:
    """What runs a backend; equal for two times between which nothing of it changed.

    Args:
        backend: its name.
        environment: the name of the provisioned environment's own folder; null for the agent's Python.
        python: its version.
        packages: versions of the backend's packages, null for one that is not installed.
    """

    backend: str
    environment: str | None
    python: str
    packages: dict[str, str | None]


@dataclass(frozen=True)
class Volume:
    """Where everything of ours lies.

    Args:
        root: the absolute path of the device's root.
        room: what its file system has.
        no_exec: whether that is mounted so that no library loads from it.
        writable: whether this user may make files in the root.
    """

    root: str
    room: Room
    no_exec: bool
    writable: bool


@dataclass(frozen=True)
class BackendFound:
    """What would run a backend: by which Python, and which of its packages that has not.

    `dead_environment`: an environment was provisioned and its Python is gone, as after an upgrade of the system.
    """

    runtime: Runtime
    python: str
    missing: tuple[str, ...]
    dead_environment: bool


@dataclass(frozen=True)
class Readiness(Message):
    """All that costs no more than reading a few files.

    Args:
        machine: system, processor and userland.
        board: how it is just now.
        volume: where everything of ours lies.
        backends: those that were asked for.
        python: the agent's own, and whether it is a virtual environment's.
        pip_refused: whether that Python belongs to the system, which keeps pip from it (PEP 668).
        clock_s: the device's date, in seconds since 1970.
    """

    machine: Machine
    board: BoardFacts
    volume: Volume
    backends: tuple[BackendFound, ...]
    python: str
    in_environment: bool
    pip_refused: bool
    clock_s: float


@dataclass(frozen=True)
class AskReadiness(Request[Readiness]):
    """Answered by `Readiness`, in a fraction of a second: nothing is imported and no process is started."""

    backends: tuple[str, ...]

    def answer(self, session: "Session") -> Readiness:
        """Look."""
        return session.doctor.readiness(self.backends)


@dataclass(frozen=True)
class PackageTried(Message):
    """How a package took being imported, in a process of its own.

    Args:
        backend, package: what was tried.
        version: as it says itself; null where it does not, or where it did not come so far.
        exit_code: of the process; 128 + n where signal n ended it; null where it was still importing after `LOADING_S`.
        last_words: of a process that failed.
    """

    backend: str
    package: str
    version: str | None
    exit_code: int | None
    last_words: str


@dataclass(frozen=True)
class TryPackage(Request[PackageTried]):
    """Answered by `PackageTried`."""

    patience_s: ClassVar[float] = LOADING_S + 30.0
    backend: str
    package: str

    def answer(self, session: "Session") -> PackageTried:
        """Import it elsewhere: one that dies takes nothing else with it."""
        return session.doctor.try_package(self.backend, self.package)


@dataclass(frozen=True)
class OtherAgent:
    """Another process that runs an agent of this root."""

    process: int
    age_s: float


@dataclass(frozen=True)
class LeftBehind:
    """What a push left that never came to its end, newest change `age_s` ago."""

    kind: Literal["upload", "part"]
    size_bytes: int
    age_s: float


@dataclass(frozen=True)
class Leftovers(Message):
    """What others left, or are still at."""

    agents: tuple[OtherAgent, ...]
    parts: tuple[LeftBehind, ...]


@dataclass(frozen=True)
class AskLeftovers(Request[Leftovers]):
    """Answered by `Leftovers`."""

    def answer(self, session: "Session") -> Leftovers:
        """Look at processes and files."""
        return session.doctor.leftovers()
