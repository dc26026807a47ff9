"""Acceptance: whether an artifact gives its golden answers on this very device, and which artifact is current."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from device_agent.artifact_id import require_artifact_id
from device_agent.manifest import Format
from device_agent.wire import Message, Request

if TYPE_CHECKING:
    from device_agent.session import Session

TRIAL_S = 300.0
"""How long a trial may take: to import PyTorch from a slow SD card, and one inference of a large model."""

Verdict = Literal["accepted", "refused", "not_accepted"]


@dataclass(frozen=True)
class Acceptance(Message):
    """What became of an artifact.

    Args:
        artifact_sha256: its id.
        label: of its network.
        format: of it.
        backend: that runs it.
        verdict: "accepted", and it is current now; "refused" for other answers or a crash; "not_accepted" where its
            runtime is missing on the device. It is kept in any case, and what was current stays so unless it was
            accepted.
        tried: whether it ran just now; not where the same runtime accepted it before.
        code: of what was in the way, stable; null where nothing was.
        message: what was in the way, as a sentence.
        remedy: what to do about it.
        current: the id of the format's current artifact, null where there is none.
        previous: the id of the one before it.
    """

    artifact_sha256: str
    label: str
    format: Format
    backend: str
    verdict: Verdict
    tried: bool
    code: str | None
    message: str | None
    remedy: str | None
    current: str | None
    previous: str | None


@dataclass(frozen=True)
class Accept(Request[Acceptance]):
    """Try an artifact that is on the device, under the lock, and make it current if it passes."""

    artifact_sha256: str

    def __post_init__(self) -> None:
        require_artifact_id(self.artifact_sha256)  # it becomes part of a path

    patience_s: ClassVar[float] = TRIAL_S + 60.0

    def answer(self, session: "Session") -> Acceptance:
        """Try it, unless the same runtime accepted it before."""
        return session.accepting.accept(self.artifact_sha256)


@dataclass(frozen=True)
class Rollback(Request[Acceptance]):
    """Accept what was current before, under the lock. Answered by `Acceptance`."""

    format: Format

    patience_s: ClassVar[float] = TRIAL_S + 60.0

    def answer(self, session: "Session") -> Acceptance:
        """As any other artifact is accepted."""
        return session.accepting.rollback(self.format)
