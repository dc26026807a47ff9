"""The training loop: reproducible, resumable after any epoch, and stopped when the loss is no number."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from device_agent.strict import to_dict
from groupnl_deploy.errors import TrainingDiverged, UsageError
from groupnl_deploy.images.dataset import Dataset, gather
from groupnl_deploy.images.preprocessing import as_input
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training.evaluate import Evaluation, evaluate
from groupnl_deploy.training.method import augmentation_of, optimiser_of, schedule_of
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.state import TrainingJob, TrainingState, load_state, save_state
from groupnl_deploy.training.threads import computing_threads

# Keys of a state's tensors; the others are the optimiser's.
_MODEL, _RANDOM = "model.", "random.torch"


@dataclass(frozen=True)
class TrainProgress:
    """After a step: epoch and step counted from 1, the step's loss; accuracy on the test images ends an epoch.

    `note` says, once, what became of an earlier state in the resume folder.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float | None = None
    note: str | None = None


@dataclass(frozen=True, eq=False)
class TrainResult:
    """A trained network in eval mode, its evaluation on the test images, and the state it ended in.

    `resumed_from_epoch` is 0 unless an interrupted training went on; `resume_dir` still holds the last state.
    """

    model: nn.Module
    dataset: Dataset
    evaluation: Evaluation
    state: TrainingState
    resumed_from_epoch: int
    note: str | None
    resume_dir: Path | None


def train(
    spec: ModelSpec,
    recipe: Recipe,
    dataset: Dataset,
    progress: Callable[[TrainProgress], None],
    resume_dir: Path | None = None,
) -> TrainResult:
    """Train the network of a spec by a recipe; equal arguments give equal weights on one machine.

    With `resume_dir` the state is saved there after every epoch, and a training that finds the state of the
    same job goes on from it, to the same bits as if it had never stopped. The state of another job is left
    out of account and overwritten. The weights are those after the last epoch: none is picked by accuracy.

    Raises `TrainingDiverged`, `UsageError` where spec and data do not fit, `VerificationFailed` for a
    damaged state.
    """
    _require_fit(spec, dataset)
    job = TrainingJob(spec, recipe, dataset.record)
    found = load_state(resume_dir) if resume_dir else None
    with computing_threads(recipe.threads), torch.random.fork_rng(devices=[]):
        run = _Run(job, dataset)
        note = _resume(run, found)
        started = run.epoch
        while run.epoch < recipe.epochs:
            run.train_epoch(progress, note if run.epoch == started else None)
            if resume_dir:
                save_state(resume_dir, run.state())
        state = run.state()  # inside, for the random generator's sake
        evaluation = run.evaluated or run.evaluate()
    return TrainResult(run.model.eval(), dataset, evaluation, state, started, note, resume_dir)


class _Run:
    """The mutable middle of a training: network, optimiser, random state, epoch, the last evaluation."""

    def __init__(self, job: TrainingJob, dataset: Dataset) -> None:
        self.job, self.dataset, self.epoch = job, dataset, 0
        self.evaluated: Evaluation | None = None
        # Not in channels_last, though it trains a fifth faster: PyTorch 2.13's CPU backward writes past its
        # buffers in that layout where a batch is odd and a layer narrow (8 channels, batch 29: heap corrupted).
        self.model = create_model(job.spec)
        self.labels = torch.tensor(dataset.train.labels)
        # A last batch of one image has no batch statistics in a layer of one pixel, so it joins no step.
        self.steps = math.ceil((len(self.labels) - 1) / job.recipe.batch_size)
        learnable = {name: value for name, value in self.model.named_parameters() if value.requires_grad}
        self.optimiser = optimiser_of(job.recipe, learnable)
        self.rate = schedule_of(job.recipe, self.steps)
        self.augment = augmentation_of(job.recipe)
        # The generator that layers draw from as well, so that one state is all there is to save.
        self.random = torch.default_generator.manual_seed(job.recipe.seed)

    def train_epoch(self, progress: Callable[[TrainProgress], None], note: str | None) -> None:
        """One pass over the shuffled training images; the last step is reported with the accuracy."""
        recipe = self.job.recipe
        self.model.train()
        shuffled = torch.randperm(len(self.labels), generator=self.random)
        for step, chosen in enumerate(torch.split(shuffled, recipe.batch_size)[: self.steps], start=1):
            loss = self._step(chosen, self.epoch * self.steps + step - 1)
            place = (self.epoch + 1, recipe.epochs, step, self.steps)
            self._require_finite(loss, f"in epoch {place[0]} of {place[1]}, step {step} of {self.steps}")
            accuracy = self.evaluate().accuracy if step == self.steps else None
            progress(TrainProgress(*place, loss, accuracy, note if step == 1 else None))
        self.epoch += 1

    def _step(self, chosen: Tensor, step: int) -> float:
        images = self.augment(gather(self.dataset.train, chosen.tolist(), self.dataset.train_shape), self.random)
        logits = self.model(as_input(images, *self.dataset.statistics))
        loss = functional.cross_entropy(logits, self.labels[chosen])
        torch.autograd.backward(loss)
        self.optimiser.step(self.rate(step))
        return loss.item()

    def evaluate(self) -> Evaluation:
        """On the test images. A last step that broke the weights shows only here."""
        self.evaluated = evaluate(self.model, self.dataset.test, *self.dataset.statistics)
        self._require_finite(self.evaluated.loss, "on the test images")
        return self.evaluated

    def _require_finite(self, loss: float, where: str) -> None:
        if not math.isfinite(loss):
            clip = self.job.recipe.clip_norm
            raise TrainingDiverged(
                f"The training of {self.job.spec.label} diverged: the loss became {loss} {where}.",
                "Clip the gradient norm (clip_norm = 1), which the paper's semantics need."
                if clip is None
                else "Try another seed, or GroupNL as released; in Python, a Recipe with a smaller learning rate than "
                f"{self.job.recipe.lr:g} or clip_norm below {clip:g}.",
            )

    def state(self) -> TrainingState:
        """Copies of all that the next epoch depends on."""
        tensors = {f"{_MODEL}{key}": value for key, value in self.model.state_dict().items()}
        tensors |= self.optimiser.state() | {_RANDOM: self.random.get_state()}
        copies = {key: value.detach().clone() for key, value in tensors.items()}
        return TrainingState(self.job, self.epoch, copies)

    def restore(self, state: TrainingState) -> None:
        """Become the run that made this state."""
        weights = {key.removeprefix(_MODEL): t for key, t in state.tensors.items() if key.startswith(_MODEL)}
        self.model.load_state_dict(weights)
        self.optimiser.restore(state.tensors)
        self.random.set_state(state.tensors[_RANDOM])
        self.epoch = state.epoch


def _resume(run: _Run, found: TrainingState | None) -> str | None:
    if found is None:
        return None
    if found.job != run.job:
        return (
            f"the saved state is of another {_difference(found.job, run.job)}: starting from the beginning; "
            "it is kept until the first epoch is done"
        )
    run.restore(found)
    return f"going on after epoch {found.epoch} of {run.job.recipe.epochs}"


def _difference(found: TrainingJob, wanted: TrainingJob) -> str:
    if found.spec != wanted.spec:
        return "network"
    if found.recipe == wanted.recipe:
        return "data set"
    there, here = to_dict(found.recipe), to_dict(wanted.recipe)
    changes = (f"{name} {value} instead of {here[name]}" for name, value in there.items() if value != here[name])
    return f"recipe ({', '.join(changes)})"


def _require_fit(spec: ModelSpec, dataset: Dataset) -> None:
    if spec.input_shape != dataset.input_shape or spec.num_classes != dataset.num_classes:
        raise UsageError(
            f"The network takes {spec.input_shape} and has {spec.num_classes} classes, but “{dataset.name}” has "
            f"images of {dataset.input_shape} and {dataset.num_classes} classes.",
            "Make the network with the data set's shape and number of classes.",
        )
    if len(dataset.train) < 2:
        raise UsageError(f"“{dataset.name}” has {len(dataset.train)} training images.", "Two are the least.")
    if not len(dataset.test):
        raise UsageError(f"“{dataset.name}” has no test images.", "Leave at least one for its test part.")
    gather(dataset.test, [0], dataset.input_shape)  # before hours are spent on what cannot be evaluated
