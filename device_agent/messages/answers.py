"""Answers to images: an artifact is opened, then images are sent, a few at a time; the model's first output comes back.

The host sends more images before the answers to the last ones have come, so that a slow link keeps the device waiting
as little as it can. The session's end ends it. Nothing is timed, so the agent says meanwhile that it lives.
"""

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, ClassVar

from device_agent.artifact_id import require_artifact_id
from device_agent.messages.bench import NativeRan, OutputValues
from device_agent.wire import DISK_S, Message, Request

if TYPE_CHECKING:
    from device_agent.session import Session

SENT_BYTES = 96 << 10
"""The most pixels of one request, unless a single image has more: 32 images of 32 px, one of 224 px."""

_SLOWEST_S = 1200.0  # for the images of one request, by an agent that says that it lives


def images_at_once(shape: tuple[int, int, int]) -> int:
    """The most images of this shape, (C, H, W), that one request has."""
    return max(1, SENT_BYTES // prod(shape))


@dataclass(frozen=True)
class ImagesAnswered(Message):
    """The model's first output for the images of one request, the images along its first axis."""

    logits: OutputValues


@dataclass(frozen=True)
class AnswerImages(Request[ImagesAnswered]):
    """So many images for the opened artifact. Their pixels follow in frames: uint8, (count, C, H, W), row-major."""

    count: int

    patience_s: ClassVar[float] = _SLOWEST_S

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"{self.count} images are none to answer")

    def answer(self, session: "Session") -> ImagesAnswered:
        """Take the pixels, and show them to the model."""
        return session.answering.answer(self, session.inbox.pieces())


@dataclass(frozen=True)
class AnsweringOpened(Message):
    """The runtime has the model: its libraries' versions, its threads, and what ran of a native artifact."""

    versions: dict[str, str]
    threads: int
    native: NativeRan | None = None


@dataclass(frozen=True)
class OpenAnswering(Request[AnsweringOpened]):
    """Verify an artifact and load it, under the lock. `threads` is 0 for every core. Answered by `AnsweringOpened`."""

    directory: str
    manifest_sha256: str
    backend: str
    threads: int

    patience_s: ClassVar[float] = DISK_S

    def __post_init__(self) -> None:
        require_artifact_id(self.manifest_sha256)

    def answer(self, session: "Session") -> AnsweringOpened:
        """Load it in place of what was open."""
        return session.answering.open(self)
