"""What became of a push to one of several devices, and the step that does it."""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from exporters.artifact import Artifact
from groupnl_deploy.deploy.acceptance import Pushed, require_accepted
from groupnl_deploy.deploy.push import Sending, deploy_checked
from groupnl_deploy.errors import (
    AnswersRefused,
    DeviceBusy,
    DeviceUnreachable,
    DiskFull,
    NotAccepted,
    Stopped,
    UsageError,
    VerificationFailed,
)
from groupnl_deploy.progress import Reporter, Task
from groupnl_deploy.remote.device import Device
from groupnl_deploy.words import naming

# The first kind that an error is of has the word.
_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (NotAccepted, "not accepted yet"),
    (AnswersRefused, "refused"),
    (VerificationFailed, "damaged"),
    (DeviceUnreachable, "unreachable"),
    (DeviceBusy, "busy"),
    (DiskFull, "no room"),
    (UsageError, "not possible"),
    (KeyboardInterrupt, "stopped"),
)


@dataclass(frozen=True)
class Outcome:
    """What became of it.

    Args:
        device: its name.
        pushed: what the device answered, accepted or not; None where it did not come so far.
        error: what ended it, `KeyboardInterrupt` among it, or why the artifact is not accepted; None: it is.
        elapsed_s: from before connecting.
        sent_bytes: of the artifact's files, in all tries.
        was_there: whether the artifact was on the device before, and whole.
    """

    device: str
    pushed: Pushed | None
    error: BaseException | None
    elapsed_s: float = 0.0
    sent_bytes: int = 0
    was_there: bool = False

    @property
    def word(self) -> str:
        """It in a word or two."""
        if self.error is None:
            return "already there, accepted" if self.was_there else "accepted"
        return failure_word(self.error)


def failure_word(error: BaseException) -> str:
    """A kind of error in a word or two."""
    return next((word for kind, word in _WORDS if isinstance(error, kind)), "failed")


@dataclass(frozen=True)
class Named:
    """Another reporter that hears of which device a sentence is."""

    reporter: Reporter
    device: str

    def note(self, text: str) -> None:
        """One line that stays."""
        self.reporter.note(naming(self.device, text))

    def task(self, name: str) -> AbstractContextManager[Task]:
        """A bar of the other's."""
        return self.reporter.task(name)


@dataclass
class PushStep:
    """Pushes an artifact that was verified here to one device."""

    artifact: Artifact
    device: Device
    reporter: Reporter
    wait_s: float
    retry_for_s: float
    _sending: Sending = field(default_factory=Sending)

    @property
    def is_connected(self) -> bool:
        """Whether an agent may run there for it."""
        return self._sending.is_connected

    def unfinished(self) -> Outcome:
        """What is to be said where Ctrl-C came before it began, or it was given up."""
        return Outcome(self.device.name, None, Stopped(self._sending.when_stopped), sent_bytes=self._sending.sent_bytes)

    def __call__(self) -> Outcome:
        """Push; whatever goes wrong is in the outcome."""
        began_s, pushed = time.monotonic(), None
        error: BaseException | None = None
        try:
            pushed = deploy_checked(
                self.artifact,
                self.device,
                Named(self.reporter, self.device.name),
                wait_s=self.wait_s,
                retry_for_s=self.retry_for_s,
                sending=self._sending,
            )
            require_accepted(pushed.acceptance, self.device.name)
        except KeyboardInterrupt:
            error = Stopped(self._sending.when_stopped)
        except Exception as caught:
            error = caught
        was_there = pushed is not None and self._sending.was_there
        return Outcome(self.device.name, pushed, error, time.monotonic() - began_s, self._sending.sent_bytes, was_there)
