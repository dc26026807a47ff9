"""Training a network to a checkpoint folder, going on where an interrupted training stopped."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.images.dataset import Dataset, Statistics
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.decoded import decoded_once
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.images.split import Split
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.progress import Reporter
from groupnl_deploy.training.altered import cuts_each
from groupnl_deploy.training.checkpoint import (
    Checkpoint,
    checkpoint_id,
    load_checkpoint,
    load_model,
    load_split,
    save_trained,
)
from groupnl_deploy.training.evaluate import Evaluation
from groupnl_deploy.training.initial import Initial
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.near_chance import near_chance
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.state import TrainingJob, load_state
from groupnl_deploy.training.telling import told
from groupnl_deploy.training.tensorboard import TensorBoard
from groupnl_deploy.workspace import require_absent


@dataclass(frozen=True)
class Trained:
    """A checkpoint that was written, and how its network answered on the test images."""

    checkpoint: Checkpoint
    evaluation: Evaluation


def train_checkpoint(
    spec: ModelSpec,
    recipe: Recipe,
    source: DataSource,
    out: Path,
    reporter: Reporter,
    *,
    init: Path | None = None,
    workers: int | None = None,
    tensorboard: Path | None = None,
) -> Trained:
    """Train a net and write its checkpoint folder; an interrupted training goes on where it stopped.

    Args:
        spec: the network.
        recipe: how it is trained.
        source: on which images.
        out: the folder to write.
        reporter: told how far it is.
        init: the folder of a checkpoint to begin with.
        workers: processes that read images; None is as many as pay.
        tensorboard: the folder whose folder `out.name` gets the curves for TensorBoard.
    """
    require_absent(out)
    boards = [] if tensorboard is None else [TensorBoard(tensorboard / out.name, reporter.note)]
    data, resume_dir = load_dataset(source, reporter=reporter), _resume_folder(out)
    begin = None if init is None else initial_of(init)
    if init is not None:
        _tell_seen(data, load_split(init, load_checkpoint(init)), reporter)
    job = TrainingJob(spec, recipe, data.record, None if begin is None else begin.sha256)
    with reporter.task(f"train {spec.label}") as task, told(task, reporter, job, resume_dir, boards) as telling:
        prepare = partial(_prepared, recipe, reporter)
        result = train(spec, recipe, data, telling, resume_dir, init=begin, workers=workers, prepare=prepare)
        trained = Trained(save_trained(out, result, telling.log), result.evaluation)
    guesses = near_chance(trained.evaluation.confusion)
    if guesses:
        reporter.note(guesses)
    return trained


def _prepared(recipe: Recipe, reporter: Reporter, data: Dataset) -> Dataset:
    """Decoded once, unless windows are cut from the images as they were kept."""
    return data if cuts_each(recipe) else decoded_once(data, reporter)


def initial_of(folder: Path) -> Initial:
    """A checkpoint, trained, imported or untrained, as the beginning of a training. Raises as `load_model` does."""
    checkpoint, model = load_model(folder)
    statistics = Statistics(checkpoint.mean, checkpoint.std) if checkpoint.trained else None
    names = () if checkpoint.data is None else checkpoint.data.class_names
    return Initial(checkpoint_id(folder), checkpoint.spec, names, statistics, model.state_dict())


def _tell_seen(data: Dataset, split: Split | None, reporter: Reporter) -> None:
    """Say how many test images the weights have seen: a folder that grew has some that were trained on before."""
    if split is None or data.split is None:
        return
    trained_on = {file.sha256 for file in split.files if file.part == "train"}
    test = {file.sha256 for file in data.split.files if file.part == "test"}
    seen = len(trained_on & test)
    if seen:
        reporter.note(
            f"{seen} of {len(test)} images to test on were trained on by the checkpoint that this begins with, and the "
            "accuracy will be too good; a folder with its own train/ and val/ keeps them apart."
        )


def finished_epochs(spec: ModelSpec, recipe: Recipe, source: DataSource, out: Path, init: Path | None = None) -> int:
    """How many epochs of this very training are kept, for `train_checkpoint` to go on from."""
    data = load_dataset(source)
    try:
        found = load_state(_resume_folder(out))
        job = TrainingJob(spec, recipe, data.record, None if init is None else checkpoint_id(init))
    except VerificationFailed:
        return 0
    return found.epoch if found and found.job == job else 0


def _resume_folder(out: Path) -> Path:
    return out.with_name(f"{out.name}.resume")
