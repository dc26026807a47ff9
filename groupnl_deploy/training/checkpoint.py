"""Checkpoint folders: `checkpoint.json`, `model.safetensors`, and what never travels: `training.safetensors`, the log
of the training, and for images in files `split.json`.

The JSON records the digest of each other file but the log's, so its own digest identifies the checkpoint: equal
trainings have equal ones, and never take the same time. The log has its digests in a file of its own. Nothing is
unpickled, here or anywhere.
"""

import copy
import platform
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import safetensors
import safetensors.torch
import torch
from torch import nn

from device_agent.file_digest import FileDigest
from device_agent.manifest import DataRecord, View
from device_agent.strict import StrictError, from_json, to_json
from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.images.dataset import Dataset
from groupnl_deploy.images.preprocessing import preprocessing
from groupnl_deploy.images.split import Split
from groupnl_deploy.mistaken import require_is
from groupnl_deploy.models.own import CodeNotLoaded
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.older_records import SCHEMA_VERSION, as_of_today
from groupnl_deploy.training.files import read_verified, read_whole, write_tensors
from groupnl_deploy.training.log_files import LogFiles
from groupnl_deploy.training.loop import TrainResult
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.state import SPLIT_FILE, Best, TrainingState, discard_state
from groupnl_deploy.version import __version__
from groupnl_deploy.workspace import CHECKPOINT_FILE, atomic_directory, sha256_hex

WEIGHTS_FILE = "model.safetensors"
TRAINING_FILE = "training.safetensors"
_REMEDY = "Copy the checkpoint folder again from where it was whole, or train again."


@dataclass(frozen=True, kw_only=True)
class ImportedFrom:
    """The file of another program that weights were taken from.

    Everything but the digest is what the file says of itself; nobody checked it.

    Args:
        file: its name, without the folder.
        sha256: of its content.
        weights: "raw" ones, or their exponential moving average ("ema").
        key: where in the file they were, as "teacher" or "run.best"; None for the file's own.
        arch: what its author calls the network.
        epoch: the number of the last epoch, counted from zero as timm does.
        metric: the author's validation result then, in the author's unit (timm: top-1 in percent).
        images: what it, or a `config.json` beside it, says of its images: mean, std, input, crop, interpolation.
    """

    file: str
    sha256: str
    weights: Literal["raw", "ema"]
    key: str | None = None
    arch: str | None = None
    epoch: int | None = None
    metric: float | None = None
    images: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheckpointDraft:
    """All that is known of a network before its files are written.

    `accuracy` is top-1 on the data set's test images, between 0 and 1; it is None and `trained` is False for
    random weights. Images become inputs by (x / 255 − mean) / std, per channel. `init` is the id of the checkpoint
    that training or growth began with, None where it began with random weights. `imported` says where weights
    come from that were trained elsewhere: on what images is not known, so `data` and `accuracy` are None, and
    `assumed` has a sentence for everything that nobody said and that could not be found out. `picked` says that the
    epoch was chosen by its accuracy on the test images, which is a little too good then. `processes` computed each step
    together, the last one at least: that many batches of the recipe's, at that many times its rate. `view` is what of a
    photograph the network is shown when it is tested; None where nobody says so, or its images have one size.
    """

    spec: ModelSpec
    data: DataRecord | None
    trained: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    accuracy: float | None = None
    epoch: int = 0
    epochs: int = 0
    recipe: Recipe | None = None
    init: str | None = None
    imported: ImportedFrom | None = None
    assumed: tuple[str, ...] = ()
    picked: bool = False
    processes: int = 1
    view: View | None = None


@dataclass(frozen=True, kw_only=True)
class Checkpoint(CheckpointDraft):
    """What `checkpoint.json` holds: the draft, the digests of the files beside it, and who wrote them."""

    weights: FileDigest
    training: FileDigest | None = None
    split: FileDigest | None = None
    producer: dict[str, str]
    schema_version: int = SCHEMA_VERSION

    @property
    def draft(self) -> CheckpointDraft:
        """What it says of the network, without its files."""
        return CheckpointDraft(**{field.name: getattr(self, field.name) for field in fields(CheckpointDraft)})


def initialise_checkpoint(spec: ModelSpec, dataset: Dataset | None = None) -> tuple[CheckpointDraft, nn.Module]:
    """A network with random weights from its spec's seed, marked untrained wherever it goes.

    Args:
        spec: the network.
        dataset: whose preprocessing and bench images it shall use; None means ImageNet's statistics and
            crops of photographs.
    """
    mean, std = preprocessing(dataset, spec.input_shape[0])
    data, view = (None, None) if dataset is None else (dataset.record, dataset.view)
    draft = CheckpointDraft(spec=spec, data=data, trained=False, mean=mean, std=std, view=view)
    return draft, create_model(spec).eval()


def trained_checkpoint(result: TrainResult) -> CheckpointDraft:
    """What a training found out about its network."""
    job = result.state.job
    return CheckpointDraft(
        spec=job.spec,
        data=job.data,
        trained=True,
        mean=result.statistics.mean,
        std=result.statistics.std,
        accuracy=result.evaluation.accuracy,
        epoch=result.state.epoch,
        epochs=job.recipe.all_epochs,
        recipe=job.recipe,
        init=job.init,
        processes=result.state.processes,
        view=result.dataset.view,
    )


def save_trained(
    directory: Path, result: TrainResult, log: LogFiles | None = None, files: Mapping[str, bytes] | None = None
) -> Checkpoint:
    """Save a training's outcome with its log and other files; its resume state has done its duty and is removed."""
    beside = ({} if log is None else log.finished()) | dict(files or {})
    checkpoint = save_checkpoint(
        directory, trained_checkpoint(result), result.model, result.state, result.dataset.split, beside
    )
    if log is not None:
        log.discard()
    if result.resume_dir is not None:
        discard_state(result.resume_dir)
    return checkpoint


def save_best(directory: Path, result: TrainResult, best: Best) -> Checkpoint:
    """The checkpoint of the weights that were best on the test images; no training goes on from it."""
    draft = replace(trained_checkpoint(result), accuracy=best.accuracy, epoch=best.epoch, picked=True)
    model = copy.deepcopy(result.model)
    model.load_state_dict(best.weights)
    return save_checkpoint(directory, draft, model, split=result.dataset.split)


def save_checkpoint(
    directory: Path,
    draft: CheckpointDraft,
    model: nn.Module,
    training_state: TrainingState | None = None,
    split: Split | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Checkpoint:
    """Write a new checkpoint folder, whole or not at all, with other `files` by name, as those of a training's log.

    Raises `UsageError` where `directory` exists.
    """
    with atomic_directory(directory) as folder:
        for name, data in (files or {}).items():
            (folder / name).write_bytes(data)
        known = {field.name: getattr(draft, field.name) for field in fields(CheckpointDraft)}
        state = write_tensors(folder / TRAINING_FILE, training_state.tensors) if training_state else None
        weights = write_tensors(folder / WEIGHTS_FILE, model.state_dict())
        parts = _write_split(folder / SPLIT_FILE, split) if split else None
        checkpoint = Checkpoint(**known, weights=weights, training=state, split=parts, producer=_producer())
        (folder / CHECKPOINT_FILE).write_text(to_json(checkpoint), encoding="utf-8")
    return checkpoint


def _write_split(path: Path, split: Split) -> FileDigest:
    path.write_text(to_json(split), encoding="utf-8")
    return FileDigest.of(path)


def load_split(directory: Path, checkpoint: Checkpoint) -> Split | None:
    """Which file was in which part of the data set; None where it did not lie in files. Raises `VerificationFailed`."""
    if checkpoint.split is None:
        return None
    try:
        split = from_json(Split, read_verified(directory, checkpoint.split, _REMEDY), SPLIT_FILE)
    except StrictError as error:
        raise VerificationFailed(f"{directory / SPLIT_FILE} is damaged: {error}.", _REMEDY) from error
    if checkpoint.data is None or not split.fits(checkpoint.data.class_names):
        raise VerificationFailed(f"{directory / SPLIT_FILE} has labels that no class of the checkpoint has.", _REMEDY)
    return split


def load_checkpoint(directory: Path) -> Checkpoint:
    """The record of a checkpoint whose weights were found whole.

    Raises `UsageError` where there is no checkpoint folder, `VerificationFailed` for a damaged one.
    """
    return _load(directory)[0]


def load_model(directory: Path) -> tuple[Checkpoint, nn.Module]:
    """`load_checkpoint`, and the network with these weights in eval mode.

    Raises `CodeNotLoaded` too, where the user's own code made it and the user has not named that code now.
    """
    checkpoint, weights = _load(directory)
    try:
        model = create_model(checkpoint.spec)
    except CodeNotLoaded:
        raise
    except ValueError as error:
        raise VerificationFailed(
            f"{directory / CHECKPOINT_FILE} describes a network that cannot be built: {error}.",
            "Use the version of groupnl that wrote it.",
        ) from error
    try:
        model.load_state_dict(safetensors.torch.load(weights))
    except (RuntimeError, safetensors.SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]  # PyTorch lists every key, over many lines
        raise VerificationFailed(
            f"The weights in {directory / checkpoint.weights.name} do not fit {checkpoint.spec.label}: {reason}",
            _REMEDY,
        ) from error
    return checkpoint, model.eval()


def checkpoint_id(directory: Path) -> str:
    """The identity of a checkpoint: the SHA-256 of its `checkpoint.json`."""
    require_is(directory, "checkpoint")
    return sha256_hex(read_whole(directory / CHECKPOINT_FILE, _REMEDY))


def _load(directory: Path) -> tuple[Checkpoint, bytes]:
    require_is(directory, "checkpoint")
    path = directory / CHECKPOINT_FILE
    try:
        checkpoint = from_json(Checkpoint, as_of_today(read_whole(path, _REMEDY)))
    except StrictError as error:
        raise VerificationFailed(f"{path} is damaged or of another version: {error}.", _REMEDY) from error
    return checkpoint, read_verified(directory, checkpoint.weights, _REMEDY)


def _producer() -> dict[str, str]:
    return {
        "groupnl-deploy": __version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
