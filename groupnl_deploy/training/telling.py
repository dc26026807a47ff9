"""What becomes of a training's progress: a line for people, and a line of the log."""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from device_agent.strict import to_json
from groupnl_deploy.progress import Reporter, Task
from groupnl_deploy.training.history import EpochLine, Head
from groupnl_deploy.training.log import TrainingLog
from groupnl_deploy.training.log_files import LogFiles
from groupnl_deploy.training.pace import Pace
from groupnl_deploy.training.run import TrainProgress
from groupnl_deploy.training.state import TrainingJob
from groupnl_deploy.training.tensorboard import TensorBoard
from groupnl_deploy.words import duration_text
from groupnl_deploy.workspace import sha256_hex


class Telling:
    """Called after every step. `log` is what the checkpoint gets."""

    def __init__(self, task: Task, reporter: Reporter, log: TrainingLog, pace: Pace) -> None:
        self._task, self._reporter, self._log, self._pace = task, reporter, log, pace
        self._test = ""

    @property
    def log(self) -> LogFiles:
        """The files of the log."""
        return self._log.files

    def __call__(self, now: TrainProgress) -> None:
        """Show and write down one step."""
        if now.note:
            self._reporter.note(now.note)
        ended = self._log.step(now, self._pace.step(now))
        done, of = (now.epoch - 1) * now.steps + now.step, now.epochs * now.steps
        if ended is None:
            loss = f"loss {now.loss:.3f}{self._test}"
        else:
            self._test = "" if now.accuracy is None else f", accuracy {100 * now.accuracy:.1f} %"
            loss = ", ".join(f"{word} loss {value:.3f}" for word, value in _losses(ended)) + self._test
        self._task(done, of, ", ".join([f"epoch {now.epoch}/{now.epochs}", *self._speed(), loss]), ended is not None)

    def _speed(self) -> Iterator[str]:
        """Stands before the losses, whose end a narrow terminal cuts off."""
        speed, left_s = self._pace.images_per_s, self._pace.left_s
        if speed is not None:
            yield f"{speed:,.{0 if speed >= 10 else 1}f} images/s"
        if left_s:
            yield f"{duration_text(left_s)} left"


def _losses(epoch: EpochLine) -> Iterator[tuple[str, float]]:
    for word, value in (("train", epoch.train_loss), ("test", epoch.test_loss)):
        if value is not None:
            yield word, value


@contextlib.contextmanager
def told(
    task: Task, reporter: Reporter, job: TrainingJob, folder: Path, boards: Sequence[TensorBoard] = ()
) -> Iterator[Telling]:
    """What a training of this job is to tell after every step; `folder` is that of its state."""
    files, pace = LogFiles(folder, reporter.note), Pace()
    head = partial(Head.of, job.spec.label, sha256_hex(to_json(job).encode()))
    with contextlib.ExitStack() as after:
        after.callback(files.close)
        for board in boards:
            after.callback(board.close)
        yield Telling(task, reporter, TrainingLog(files, head, pace, boards), pace)
