"""Curves for TensorBoard, where the package is installed: it is an extra, and nothing else needs it."""

from pathlib import Path
from typing import Any

from groupnl_deploy.errors import UsageError
from groupnl_deploy.progress import Say
from groupnl_deploy.training.history import EpochLine, Line, StepLine
from groupnl_deploy.workspace import disk_errors

# A line's numbers by what TensorBoard calls their curves; what stands before the slash is a group of curves there.
_OF_STEPS = {"loss": "loss/step", "rate": "rate", "images_per_s": "images_per_s"}
_OF_EPOCHS = {"train_loss": "loss/train", "test_loss": "loss/test", "test_accuracy": "accuracy/test"}


class TensorBoard:
    """Writes each line's numbers at its step below a folder. Where that fails it is said once, and no more written.

    Raises `UsageError` where the package is missing or the folder cannot be written.
    """

    def __init__(self, folder: Path, say: Say) -> None:
        self._folder, self._say = folder, say
        self._new = _writer()
        self._writer: Any = None
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def begin(self, step: int) -> None:
        """Curves of an interrupted training go on: what they have of this step and later is dropped by TensorBoard."""
        with disk_errors(self._folder):
            self._writer = self._new(str(self._folder), purge_step=step)

    def add(self, line: Line, step: int) -> None:
        """The numbers of one line."""
        names = {StepLine: _OF_STEPS, EpochLine: _OF_EPOCHS}.get(type(line), {})
        try:
            for field, name in names.items():
                value = getattr(line, field)
                if value is not None and self._writer is not None:
                    self._writer.add_scalar(name, value, step)
            if isinstance(line, EpochLine) and self._writer is not None:
                self._writer.flush()
        except OSError as error:
            self._writer = None
            self._say(f"Nothing more is written for TensorBoard to {self._folder}: {error.strerror or error}.")

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()


def _writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            f"--tensorboard needs the package tensorboard, which cannot be imported here: {error}.",
            "Install it (pip install 'tensorboard>=2.16'), or leave --tensorboard out: log.jsonl and log.csv have the "
            "same numbers.",
        ) from error
    return SummaryWriter
