"""What a training tells after every step, as the lines of its log: thinned out, with the means of what is left out."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from groupnl_deploy.training.history import EpochLine, Head, Line, StepLine
from groupnl_deploy.training.log_files import LogFiles
from groupnl_deploy.training.pace import Pace

if TYPE_CHECKING:
    from groupnl_deploy.training.run import TrainProgress


class Listener(Protocol):
    """Who hears every line besides, such as TensorBoard. `step` counts from 1 over the whole training."""

    def begin(self, step: int) -> None:
        """What was heard of this step and of later ones does not hold any more."""

    def add(self, line: Line, step: int) -> None:
        """One line more."""


class TrainingLog:
    """Makes lines of progress and gives them to the files and the listeners.

    Args:
        files: those in the resume folder.
        head: the first line, from how many epochs and steps there are.
        pace: which counts the same steps.
        listeners: who hears the lines, too.
    """

    def __init__(
        self, files: LogFiles, head: Callable[[int, int], Head], pace: Pace, listeners: Sequence[Listener] = ()
    ) -> None:
        self.files, self._of, self._pace, self._listeners = files, head, pace, listeners
        self._head: Head | None = None
        self._epoch, self._since_line = _Sum(), _Sum()
        self._images, self._seconds = 0, 0.0  # of the epoch so far

    def step(self, now: "TrainProgress", took_s: float) -> EpochLine | None:
        """Add what is worth a line of one step, which took so many seconds; the line of the epoch that it ends."""
        head = self._head or self._begin(now)
        if now.step == 1:
            self._epoch, self._since_line, self._images, self._seconds = _Sum(), _Sum(), 0, 0.0
        self._since_line.add(now.loss, now.images - self._images)
        self._images, self._seconds = now.images, self._seconds + took_s
        if head.has_line(now.step):
            self._end_line(now)
        return self._end_epoch(now) if now.step == now.steps else None

    def _begin(self, now: "TrainProgress") -> Head:
        """A training that goes on in the middle of an epoch knows its first steps from their lines."""
        head = self._head = self._of(now.epochs, now.steps)
        for line in self.files.begin(head, now.epoch, now.step):
            if isinstance(line, StepLine) and line.epoch == now.epoch:
                self._epoch.add(line.loss, line.images - self._images)
                self._images, self._seconds = line.images, line.seconds
        for listener in self._listeners:
            listener.begin(_number(now))
        return head

    def _end_line(self, now: "TrainProgress") -> None:
        mean = self._since_line.mean
        line = StepLine(now.epoch, now.step, now.images, mean, now.rate, self._pace.images_per_s, self._seconds)
        self._epoch.add(mean, self._since_line.images)
        self._since_line = _Sum()
        self._add(line, now)

    def _end_epoch(self, now: "TrainProgress") -> EpochLine:
        speed, test = self._pace.images_per_s, (now.test_loss, now.accuracy)
        line = EpochLine(now.epoch, self._epoch.mean, *test, now.rate, speed, self._seconds)
        self._add(line, now)
        return line

    def _add(self, line: Line, now: "TrainProgress") -> None:
        self.files.add(line)
        for listener in self._listeners:
            listener.add(line, _number(now))


class _Sum:
    """Of losses, each for so many images."""

    def __init__(self) -> None:
        self._total, self.images = 0.0, 0

    def add(self, loss: float | None, images: int) -> None:
        """One batch's mean loss, or that of several batches."""
        if loss is not None:
            self._total, self.images = self._total + loss * images, self.images + images

    @property
    def mean(self) -> float | None:
        return self._total / self.images if self.images else None


def _number(now: "TrainProgress") -> int:
    return (now.epoch - 1) * now.steps + now.step
