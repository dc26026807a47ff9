"""The log of a training that is over, in its checkpoint's folder, or of one that runs, in the folder of its state."""

from dataclasses import dataclass
from pathlib import Path

from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.mistaken import require_is
from groupnl_deploy.training.beside import resume_folder, trained_with
from groupnl_deploy.training.history import DIGEST_FILE, LOG_FILE, EpochLine, epochs_of, head_of, lines_of
from groupnl_deploy.words import first_few
from groupnl_deploy.workspace import CHECKPOINT_FILE, sha256_hex

_COPY = "Copy the checkpoint's folder again from where it was whole; without its log it is as good as before."
_WITHOUT = "Only what groupnl train has trained has one, since the version that writes logs."
_NAMED = 3  # folders that have one


@dataclass(frozen=True)
class TrainingCurves:
    """The whole epochs of a training that was to have `epochs`; `name` is what its folder is called."""

    name: str
    training: str
    epochs: int
    lines: tuple[EpochLine, ...]


def training_curves(folder: Path, name: str | None = None) -> TrainingCurves:
    """The epochs in the log of a checkpoint's folder, or of `OUT.resume` while it is trained.

    Raises `UsageError` where there is no log or no whole epoch, `VerificationFailed` where it was altered.
    """
    running = resume_folder(folder)
    if not folder.exists() and _has_log(running):
        raise UsageError(f"{folder} is being trained, or was interrupted.", f"Name {running} to see how far it came.")
    if not _has_log(folder):
        require_is(folder, "checkpoint")
        raise _without_log(folder)
    found = _read(folder / LOG_FILE)
    if (folder / CHECKPOINT_FILE).is_file():
        _verify(folder, found)
    lines = lines_of(found)
    head, epochs = head_of(lines), epochs_of(lines)
    if head is None or not epochs:
        raise UsageError(f"The log in {folder} has no whole epoch yet.", "Look again when one is over.")
    return TrainingCurves(name or folder.name, head.training, head.epochs, epochs)


def _has_log(folder: Path) -> bool:
    return (folder / LOG_FILE).is_file()


def _without_log(folder: Path) -> UsageError:
    """Says which folder has the log: that of the last weights, where this one has the best, else those beside it."""
    message = f"{folder} has no log of its training."
    for last in trained_with(folder):
        for place in filter(_has_log, (last, resume_folder(last))):
            return UsageError(message, f"The log of the training that it is of is in {place}: name that.")
    beside = sorted(str(path.parent) for path in folder.parent.glob(f"*/{LOG_FILE}"))
    there = f" There is one in {first_few(beside, _NAMED)}." if beside else ""
    return UsageError(message, _WITHOUT + there)


def _verify(folder: Path, found: bytes) -> None:
    recorded = _read(folder / DIGEST_FILE).decode("utf-8", errors="replace").splitlines()
    if f"{sha256_hex(found)}  {LOG_FILE}" not in recorded:
        raise VerificationFailed(f"{folder / LOG_FILE} was altered: its SHA-256 is not the recorded one.", _COPY)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise VerificationFailed(f"{path} cannot be read: {reason}.", _COPY) from error
