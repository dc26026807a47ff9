"""What an interrupted training needs to go on with the very same bits: a folder of JSON and safetensors.

The tensors are the weights and batch statistics, what the optimiser keeps, the average of the weights and the scale of
the loss. Schedule and random draws need none: they follow from the recipe and the place. Beside them lie the weights
that were best on the test images.
"""

import contextlib
import secrets
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
from torch import Tensor

from device_agent.file_digest import FileDigest
from device_agent.manifest import DataRecord
from device_agent.strict import StrictError, from_json, to_json
from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.images.split import Split
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.older_records import SCHEMA_VERSION, as_of_today
from groupnl_deploy.training.files import read_verified, read_whole, tensor_bytes
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.workspace import remove_unfinished, sha256_hex, write_atomically

STATE_FILE = "training.json"
SPLIT_FILE = "split.json"
_TENSORS_PREFIX, _BEST_PREFIX = "training-", "best-"
_GENERATOR = "random.torch"  # of older versions, which saved it


@dataclass(frozen=True)
class TrainingJob:
    """What is trained, how, on what, and from which checkpoint on (its id; None: from random weights).

    A state continues only the job it came from.
    """

    spec: ModelSpec
    recipe: Recipe
    data: DataRecord
    init: str | None = None


@dataclass(frozen=True, eq=False)
class Best:
    """The weights that answered most test images rightly: those after `epoch` epochs, and the share, from 0 to 1.

    They were picked by the test images, so the share is a little too good.
    """

    epoch: int
    accuracy: float
    weights: dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class TrainingState:
    """A training after `epoch` whole epochs and so many images of the next, with every tensor that what follows
    depends on.

    `processes` computed the last step together. `loss` is that of the next epoch's last step, where all its steps are
    done and nothing but its evaluation is left; None before.
    """

    job: TrainingJob
    epoch: int
    tensors: dict[str, Tensor]
    images: int = 0
    processes: int = 1
    best: Best | None = None
    loss: float | None = None

    @property
    def is_older(self) -> bool:
        """Whether it is from before each step had a seed of its own: then nothing goes on from it to the same bits."""
        return _GENERATOR in self.tensors

    @property
    def place(self) -> str:
        """For a sentence."""
        return f"epoch {self.epoch}" if not self.images else f"{self.images:,} images of epoch {self.epoch + 1}"


@dataclass(frozen=True)
class _BestRecord:
    epoch: int
    accuracy: float
    weights: FileDigest


@dataclass(frozen=True)
class _StateRecord:
    job: TrainingJob
    epoch: int
    tensors: FileDigest
    images: int = 0
    processes: int = 1
    best: _BestRecord | None = None
    loss: float | None = None
    schema_version: int = SCHEMA_VERSION


def save_state(directory: Path, state: TrainingState) -> None:
    """Put the state in the place of the one the folder held; an interruption leaves the old or the new one.

    The record, replaced in one step, says which tensors count. Their files have names that no other process gives one,
    and only files that the replaced record names are removed: another training in this folder never loses what its
    record names. Best weights that the folder holds already are not written again.
    """
    replaced = _recorded(directory)
    tensors = _write(directory, f"{_TENSORS_PREFIX}{state.epoch}", state.tensors)
    best = None if state.best is None else _write_best(directory, state.best, replaced)
    record = _StateRecord(state.job, state.epoch, tensors, state.images, state.processes, best, state.loss)
    write_atomically(directory / STATE_FILE, to_json(record).encode())
    for older in _files_of(replaced) - _files_of(record):
        (directory / older).unlink(missing_ok=True)


def _write(directory: Path, name: str, tensors: dict[str, Tensor]) -> FileDigest:
    data = tensor_bytes(tensors)
    file = FileDigest(f"{name}-{secrets.token_hex(8)}.safetensors", sha256_hex(data), len(data))
    write_atomically(directory / file.name, data)
    return file


def _write_best(directory: Path, best: Best, there: _StateRecord | None) -> _BestRecord:
    kept = None if there is None else there.best
    same = kept is not None and (kept.epoch, kept.accuracy) == (best.epoch, best.accuracy)
    if kept is not None and same and (directory / kept.weights.name).exists():
        return kept
    return _BestRecord(best.epoch, best.accuracy, _write(directory, f"{_BEST_PREFIX}{best.epoch}", best.weights))


def _files_of(record: _StateRecord | None) -> set[str]:
    if record is None:
        return set()
    files = [record.tensors] + ([record.best.weights] if record.best else [])
    return {file.name for file in files if file.is_plain}


def keep_split(directory: Path, split: Split | None) -> None:
    """Put beside a state which files it was trained on; None for images that lie in none."""
    if split is None:
        (directory / SPLIT_FILE).unlink(missing_ok=True)
    else:
        write_atomically(directory / SPLIT_FILE, to_json(split).encode())


def kept_split(directory: Path) -> Split | None:
    """Which files a state was trained on, as far as that can be read. It only explains; the job's digest decides."""
    try:
        return from_json(Split, (directory / SPLIT_FILE).read_bytes())
    except (OSError, StrictError):
        return None


def load_state(directory: Path) -> TrainingState | None:
    """The state in a folder, None where there is none. Raises `VerificationFailed` for a damaged one."""
    if not (directory / STATE_FILE).exists():
        return None
    remedy = f"Remove {directory} to train from the start."
    data = read_whole(directory / STATE_FILE, remedy)
    try:
        record = from_json(_StateRecord, as_of_today(data))
    except StrictError as error:
        raise VerificationFailed(f"{directory / STATE_FILE} is no training state: {error}.", remedy) from error
    tensors = safetensors.torch.load(read_verified(directory, record.tensors, remedy))
    best = None
    if record.best is not None:
        weights = safetensors.torch.load(read_verified(directory, record.best.weights, remedy))
        best = Best(record.best.epoch, record.best.accuracy, weights)
    return TrainingState(record.job, record.epoch, tensors, record.images, record.processes, best, record.loss)


def _recorded(directory: Path) -> _StateRecord | None:
    """The record in a folder; None where there is no such record."""
    try:
        return from_json(_StateRecord, as_of_today((directory / STATE_FILE).read_bytes()))
    except (OSError, StrictError):
        return None


def discard_state(directory: Path) -> None:
    """Remove a state that is no longer needed, and the folder if nothing else is in it."""
    for file in (STATE_FILE, SPLIT_FILE):
        (directory / file).unlink(missing_ok=True)
    remove_unfinished(directory / STATE_FILE)
    for prefix in (_TENSORS_PREFIX, _BEST_PREFIX):
        for pattern in (f"{prefix}*.safetensors", f".{prefix}*.new-*"):  # the latter of a killed training
            for tensors in directory.glob(pattern):
                tensors.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # something else is in it, or has just come
        directory.rmdir()
