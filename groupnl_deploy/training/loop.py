"""The training loop: reproducible, resumable after any step, and stopped when the loss is no number."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from groupnl_deploy.images.dataset import Dataset, Statistics
from groupnl_deploy.images.view import viewed
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training.evaluate import Evaluation
from groupnl_deploy.training.initial import Initial
from groupnl_deploy.training.preflight import require_trainable, untested
from groupnl_deploy.training.ranks import Ranks
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.resume import difference, of_first, require_same_data, require_same_training
from groupnl_deploy.training.run import Run, TrainProgress
from groupnl_deploy.training.running import Running
from groupnl_deploy.training.state import TrainingJob, TrainingState, kept_split, load_state
from groupnl_deploy.training.stopping import waiting_for_a_step
from groupnl_deploy.training.threads import computing_threads


@dataclass(frozen=True, eq=False)
class TrainResult:
    """A trained network in eval mode, how its images are prepared, its evaluation on the test images, and the state it
    ended in.

    `resumed_from_epoch` is 0 unless an interrupted training went on; `resume_dir` still holds the last state.
    `sent_bytes` is what this process has sent to others in the middle one of its steps, where that can be known;
    `waited` the share of the steps' time, 0 to 1, in which it waited for images.
    """

    model: nn.Module
    dataset: Dataset
    statistics: Statistics
    evaluation: Evaluation
    state: TrainingState
    resumed_from_epoch: int
    note: str | None
    resume_dir: Path | None
    sent_bytes: float | None = None
    waited: float = 0.0


def train(
    spec: ModelSpec,
    recipe: Recipe,
    dataset: Dataset,
    progress: Callable[[TrainProgress], None],
    resume_dir: Path | None = None,
    *,
    init: Initial | None = None,
    workers: int | None = None,
    prepare: Callable[[Dataset], Dataset] = lambda dataset: dataset,
    ranks: Ranks | None = None,
    running: Running | None = None,
) -> TrainResult:
    """Train the network of a spec by a recipe; equal arguments give equal weights on one machine.

    With `resume_dir` the state is saved there after every epoch, and within one as `running` says; a training that
    finds the state of the same job goes on from it, to the same bits as if it had never stopped. The state of another
    job on the same images is left out of account and overwritten. The weights are those after the last epoch: none is
    picked by accuracy; those that were best lie in the state.

    Where a process is asked to stop (Ctrl-C, SIGTERM), the step is finished and saved before `KeyboardInterrupt`.

    Args:
        spec: the network.
        recipe: how it is trained.
        dataset: on what.
        progress: told after every step, on each process.
        resume_dir: where the state is kept; the first process' alone is used.
        init: the checkpoint to begin with; None is the spec's random weights. Images are prepared as its weights
            expect them.
        workers: processes that read images; None is as many as pay. No bit depends on them.
        prepare: makes the same images faster to read, once everything else was found right.
        ranks: the processes that train together, within `joined`; None is this one alone.
        running: how often the middle of an epoch is saved, whether this one process computes on all GPUs, and whether a
            state of another training is refused in place of beginning anew.

    Raises `TrainingDiverged`, `OutOfMemory`, `UsageError` where spec, recipe, data and checkpoint do not fit or a state
    is of other images, `VerificationFailed` for a damaged state, `OtherRankFailed`.
    """
    ranks, running, dataset = ranks or Ranks(), running or Running(), viewed(dataset, recipe.view)
    job = TrainingJob(spec, recipe, dataset.record, None if init is None else init.sha256)
    found = of_first(ranks, job, ranks.all_do(lambda: _found(job, dataset, resume_dir, ranks)))
    if running.resume and found is not None:
        require_same_training(found, job, resume_dir)
    devices = [ranks.device] if ranks.device.type == "cuda" else []
    with computing_threads(recipe.threads), torch.random.fork_rng(devices=devices):
        run = ranks.all_do(lambda: Run(job, dataset, init, workers, ranks, running, resume_dir))
        note = "; ".join(one for one in (_resume(run, found) or run.begun, untested(dataset)) if one) or None
        started = run.epoch
        run.dataset = ranks.all_do(lambda: prepare(dataset))
        _train_epochs(run, progress, note)
        evaluation = run.evaluated or run.evaluate()
        state = run.state()
    model, sent = run.learner.tested.cpu().eval(), statistics.median(run.sent) if any(run.sent) else None
    waited = run.waited_s / run.steps_s if run.steps_s else 0.0
    return TrainResult(model, dataset, run.statistics, evaluation, state, started, note, resume_dir, sent, waited)


def _found(job: TrainingJob, dataset: Dataset, folder: Path | None, ranks: Ranks) -> TrainingState | None:
    """The state to go on from, as the first process reads it. Raises where its images are others."""
    require_trainable(job.spec, job.recipe, dataset, ranks.size)
    found = load_state(folder) if folder and ranks.first else None
    if found and folder:
        require_same_data(found.job, job, folder, kept_split(folder), dataset.split)
    return found


def _train_epochs(run: Run, progress: Callable[[TrainProgress], None], note: str | None) -> None:
    with waiting_for_a_step() as asked:
        while run.epoch < run.job.recipe.all_epochs:
            before = run.epoch
            run.train_epoch(progress, note, asked)
            note = None
            if run.epoch > before:
                run.save()
            if run.stopped and run.epoch < run.job.recipe.all_epochs:
                raise KeyboardInterrupt


def _resume(run: Run, found: TrainingState | None) -> str | None:
    if found is None:
        return None
    if found.job != run.job:
        return (
            f"the saved state is of another {difference(found.job, run.job)}: starting from the beginning; "
            "it is kept until this training is first saved"
        )
    if found.is_older:
        return "the saved state is of an older version, which drew other images: starting from the beginning"
    run.restore(found)
    others = found.processes != run.ranks.size
    processes = f", which {found.processes} computed and {run.ranks.size} go on with" if others else ""
    return f"going on after {found.place} of {run.job.recipe.all_epochs}{processes}"
