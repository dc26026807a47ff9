"""What an interrupted training needs to go on with the very same bits: a folder of JSON and safetensors.

The tensors are the weights and batch statistics, SGD's momentum and the random generator. The schedule needs
none: it follows from the recipe and the epoch.
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
_TENSORS_PREFIX = "training-"


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

    The record, replaced in one step, says which tensors count. Their file has a name that no other process gives one,
    and only the file that the replaced record names is removed: another training in this folder never loses what its
    record names.
    """
    data = tensor_bytes(state.tensors)
    name = f"{_TENSORS_PREFIX}{state.epoch}-{secrets.token_hex(8)}.safetensors"
    write_atomically(directory / name, data)
    replaced = _recorded_tensors(directory)
    record = _StateRecord(state.job, state.epoch, FileDigest(name, sha256_hex(data), len(data)))
    write_atomically(directory / STATE_FILE, to_json(record).encode())
    for older in directory.glob(f"{_TENSORS_PREFIX}*.safetensors"):
        if older.name == replaced:
            older.unlink(missing_ok=True)


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
    return TrainingState(record.job, record.epoch, tensors)


def _recorded_tensors(directory: Path) -> str | None:
    """The name of the file that the record in a folder says counts; None where there is no such record."""
    try:
        return from_json(_StateRecord, as_of_today((directory / STATE_FILE).read_bytes())).tensors.name
    except (OSError, StrictError):
        return None


def discard_state(directory: Path) -> None:
    """Remove a state that is no longer needed, and the folder if nothing else is in it."""
    for file in (STATE_FILE, SPLIT_FILE):
        (directory / file).unlink(missing_ok=True)
    remove_unfinished(directory / STATE_FILE)
    for pattern in (f"{_TENSORS_PREFIX}*.safetensors", f".{_TENSORS_PREFIX}*.new-*"):  # the latter of a killed training
        for tensors in directory.glob(pattern):
            tensors.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # something else is in it, or has just come
        directory.rmdir()
