"""What an interrupted training needs to go on with the very same bits: a folder of JSON and safetensors.

The tensors are the weights and batch statistics, SGD's momentum and the random generator. The schedule needs
none: it follows from the recipe and the epoch.
"""

from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
from torch import Tensor

from device_agent.manifest import FileDigest
from device_agent.strict import StrictError, from_json, to_json
from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training.files import read_verified, read_whole, tensor_bytes
from groupnl_deploy.training.older_records import SCHEMA_VERSION, as_of_today
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.workspace import remove_unfinished, write_atomically

STATE_FILE = "training.json"
_TENSORS_PREFIX = "training-"


@dataclass(frozen=True)
class TrainingJob:
    """What is trained, how, and on what: a state continues only the job it came from."""

    spec: ModelSpec
    recipe: Recipe
    dataset: str
    split_seed: int


@dataclass(frozen=True, eq=False)
class TrainingState:
    """A training after `epoch` whole epochs, with every tensor that the next one depends on."""

    job: TrainingJob
    epoch: int
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class _StateRecord:
    job: TrainingJob
    epoch: int
    tensors: FileDigest
    schema_version: int = SCHEMA_VERSION


def save_state(directory: Path, state: TrainingState) -> None:
    """Put the state in the place of the one the folder held; an interruption leaves the old or the new one.

    Each state's tensors have a name of their own, and the record, replaced in one step, says which count.
    """
    path = directory / f"{_TENSORS_PREFIX}{state.epoch}.safetensors"
    write_atomically(path, tensor_bytes(state.tensors))
    record = _StateRecord(state.job, state.epoch, FileDigest.of(path))
    write_atomically(directory / STATE_FILE, to_json(record).encode())
    for older in directory.glob(f"{_TENSORS_PREFIX}*.safetensors"):
        if older != path:
            older.unlink(missing_ok=True)


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
    return TrainingState(record.job, record.epoch, tensors)


def discard_state(directory: Path) -> None:
    """Remove a state that is no longer needed, and the folder if nothing else is in it."""
    (directory / STATE_FILE).unlink(missing_ok=True)
    remove_unfinished(directory / STATE_FILE)
    for pattern in (f"{_TENSORS_PREFIX}*.safetensors", f".{_TENSORS_PREFIX}*.new-*"):  # the latter of a killed training
        for tensors in directory.glob(pattern):
            tensors.unlink(missing_ok=True)
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()
