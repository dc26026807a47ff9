"""Training a network to a checkpoint folder, going on where an interrupted training stopped."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from device_agent.manifest import PICKED
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.images.dataset import Dataset, Statistics
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.decoded import decoded_once
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.images.split import Split
from groupnl_deploy.models.profile import FLOAT_BYTES, ring_traffic
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.progress import Reporter, Silence, Task
from groupnl_deploy.training.altered import cuts_each
from groupnl_deploy.training.beside import BEST_ENDING, resume_folder
from groupnl_deploy.training.checkpoint import (
    Checkpoint,
    checkpoint_id,
    load_checkpoint,
    load_model,
    load_split,
    save_best,
    save_trained,
)
from groupnl_deploy.training.evaluate import Evaluation
from groupnl_deploy.training.history import EpochLine
from groupnl_deploy.training.initial import Initial
from groupnl_deploy.training.log_files import LogFiles
from groupnl_deploy.training.loop import TrainResult, train
from groupnl_deploy.training.near_chance import near_chance
from groupnl_deploy.training.one_training import only_training
from groupnl_deploy.training.ranks import Ranks, ranks_of
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.run import TrainProgress
from groupnl_deploy.training.running import Running
from groupnl_deploy.training.state import TrainingJob, load_state
from groupnl_deploy.training.telling import Telling, told
from groupnl_deploy.training.tensorboard import TensorBoard
from groupnl_deploy.training.views import views_in
from groupnl_deploy.workspace import free_name, require_absent, require_writable

Beside = Callable[[TrainResult, Sequence[EpochLine]], Mapping[str, bytes]]
"""From the outcome of a training and its epochs to files for the checkpoint's folder, by name."""


@dataclass(frozen=True)
class Trained:
    """A checkpoint that was written, by the first process alone, and how its network answered on the test images."""

    checkpoint: Checkpoint | None
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
    running: Running | None = None,
    ranks: Ranks | None = None,
    beside: Beside | None = None,
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
        running: where and how it is run.
        ranks: the processes that train together, within `joined`; the first of them alone writes and tells.
        beside: gives further files for the folder.

    Raises as `train` does; `UsageError` where `running` asks for a state to go on from and there is none, and where
    another training writes `out`.
    """
    running = running or Running()
    ranks = ranks or ranks_of(running.compute)
    reporter = reporter if ranks.first else Silence()
    with contextlib.ExitStack() as held:
        ranks.all_do(lambda: held.enter_context(_place_for(out, running, reporter)) if ranks.first else None)
        return _trained(spec, recipe, source, out, reporter, init, workers, running, ranks, beside)


@contextlib.contextmanager
def _place_for(out: Path, running: Running, reporter: Reporter) -> Iterator[None]:
    """In the block the checkpoint and the state can be written, by this training alone."""
    require_absent(out)
    require_writable(resume_folder(out))
    with only_training(out, reporter.note):
        if running.resume:
            _require_state(resume_folder(out))
        yield


def _trained(
    spec: ModelSpec,
    recipe: Recipe,
    source: DataSource,
    out: Path,
    reporter: Reporter,
    init: Path | None,
    workers: int | None,
    running: Running,
    ranks: Ranks,
    beside: Beside | None,
) -> Trained:
    resume_dir = resume_folder(out)

    def prepared() -> tuple[list[TensorBoard], Dataset, Initial | None]:
        boards = running.tensorboard if ranks.first else None
        listening = [] if boards is None else [TensorBoard(boards / out.name, reporter.note)]
        return listening, load_dataset(source, reporter=reporter), None if init is None else initial_of(init)

    boards, data, begin = ranks.all_do(prepared)
    if init is not None:
        _tell_seen(data, load_split(init, load_checkpoint(init)), reporter)
    job = TrainingJob(spec, recipe, data.record, None if begin is None else begin.sha256)
    with reporter.task(f"train {spec.label}") as task, _heard(ranks, task, reporter, job, resume_dir, boards) as heard:
        result = train(
            spec,
            recipe,
            data,
            heard or _deaf,
            resume_dir,
            init=begin,
            workers=workers,
            prepare=partial(_prepared, recipe, reporter),
            ranks=ranks,
            running=running,
        )
        if result.sent_bytes is not None:
            reporter.note(_of_traffic(result, ranks.size))
        if views_in(recipe) > 1:
            reporter.note(_of_views(result, recipe))
        log = None if heard is None else heard.log
        saved = ranks.all_do(lambda: _saved(out, result, running, reporter, log, beside) if ranks.first else None)
    guesses = near_chance(result.evaluation.confusion)
    if guesses:
        reporter.note(guesses)
    return Trained(saved, result.evaluation)


@contextlib.contextmanager
def _heard(
    ranks: Ranks, task: Task, reporter: Reporter, job: TrainingJob, folder: Path, boards: list[TensorBoard]
) -> Iterator[Telling | None]:
    """What hears of every step: on the first process alone."""
    if not ranks.first:
        yield None
        return
    with told(task, reporter, job, folder, boards) as telling:
        yield telling


def _deaf(now: TrainProgress) -> None:
    """Of a process that tells nothing."""


def _prepared(recipe: Recipe, reporter: Reporter, data: Dataset) -> Dataset:
    """Decoded once, unless windows are cut from the images as they were kept."""
    return data if cuts_each(recipe) else decoded_once(data, reporter)


def _saved(
    out: Path,
    result: TrainResult,
    running: Running,
    reporter: Reporter,
    log: LogFiles | None,
    beside: Beside | None,
) -> Checkpoint:
    best = result.state.best
    if running.best and best is not None and best.accuracy > result.evaluation.accuracy:
        folder = free_name(out, BEST_ENDING)
        save_best(folder, result, best)
        reporter.note(
            f"After epoch {best.epoch} it answered more test images rightly ({100 * best.accuracy:.1f} %); those "
            f"weights are in {folder}: {PICKED}."
        )
    return save_trained(out, result, log, {} if beside is None or log is None else beside(result, log.epochs))


def _of_views(result: TrainResult, recipe: Recipe) -> str:
    return (
        f"each step had {views_in(recipe)} views of each image; {100 * result.waited:.0f} % of the steps' time went by "
        "waiting for them."
    )


def _of_traffic(result: TrainResult, processes: int) -> str:
    """Measured beside the formula of ring all-reduce (arXiv 2506.12335, section 4.3)."""
    gradients = sum(value.numel() for value in result.model.parameters() if value.requires_grad)
    ring = ring_traffic(gradients, processes) / processes * FLOAT_BYTES
    return (
        f"each step this process sent {(result.sent_bytes or 0) / 1e6:.3f} MB to others; 2 (N - 1) / N times the "
        f"{gradients:,} gradients, of 4 bytes and N = {processes}, is {ring / 1e6:.3f} MB."
    )


def _require_state(folder: Path) -> None:
    if load_state(folder) is None:
        raise UsageError(
            f"There is nothing to resume: {folder} holds no saved state.",
            "Leave out --resume to begin, or name the --out of the training that was interrupted.",
        )


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


def kept_place(spec: ModelSpec, recipe: Recipe, source: DataSource, out: Path, init: Path | None = None) -> str | None:
    """After what of this very training a state is kept, for `train_checkpoint` to go on from; None for nothing."""
    try:
        found = load_state(resume_folder(out))
        if found is None:  # so that who stops a training waits for no images
            return None
        data = load_dataset(source)
        job = TrainingJob(spec, recipe, data.record, None if init is None else checkpoint_id(init))
    except VerificationFailed:
        return None
    return found.place if found.job == job else None
