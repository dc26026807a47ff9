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
from groupnl_deploy.training.recipe import Recipe, learning_rate
from groupnl_deploy.training.state import TrainingJob, TrainingState, load_state, save_state
from groupnl_deploy.training.threads import computing_threads


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
    job = TrainingJob(spec, recipe, dataset.name, dataset.split_seed)
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
        evaluation = run.evaluate()
    return TrainResult(run.model.eval(), dataset, evaluation, state, started, note, resume_dir)


class _Run:
    """The mutable middle of a training: network, optimiser, random state, epoch."""

    def __init__(self, job: TrainingJob, dataset: Dataset) -> None:
        self.job, self.dataset, self.epoch = job, dataset, 0
        # Not in channels_last, though it trains a fifth faster: PyTorch 2.13's CPU backward writes past its
        # buffers in that layout where a batch is odd and a layer narrow (8 channels, batch 29: heap corrupted).
        self.model = create_model(job.spec)
        self.learnable = {name: value for name, value in self.model.named_parameters() if value.requires_grad}
        recipe = job.recipe
        self.optimizer = torch.optim.SGD(
            self.learnable.values(), recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay
        )
        self.labels = torch.tensor(dataset.train.labels)
        # A last batch of one image has no batch statistics in a layer of one pixel, so it joins no step.
        self.steps = math.ceil((len(self.labels) - 1) / recipe.batch_size)
        torch.manual_seed(recipe.seed)

    def train_epoch(self, progress: Callable[[TrainProgress], None], note: str | None) -> None:
        """One pass over the shuffled training images; the last step is reported with the accuracy."""
        recipe = self.job.recipe
        self.model.train()
        batches = torch.split(torch.randperm(len(self.labels)), recipe.batch_size)[: self.steps]
        for step, chosen in enumerate(batches, start=1):
            loss = self._step(chosen, self.epoch * self.steps + step - 1)
            place = (self.epoch + 1, recipe.epochs, step, self.steps)
            self._require_finite(loss, f"in epoch {place[0]} of {place[1]}, step {step} of {self.steps}")
            accuracy = self.evaluate().accuracy if step == self.steps else None
            progress(TrainProgress(*place, loss, accuracy, note if step == 1 else None))
        self.epoch += 1

    def _step(self, chosen: Tensor, step: int) -> float:
        recipe = self.job.recipe
        images = gather(self.dataset.train, chosen.tolist())
        inputs = as_input(shift_randomly(images, recipe.max_shift_pixels), *self.dataset.statistics)
        logits = self.model(inputs)
        loss = functional.cross_entropy(logits, self.labels[chosen])
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        if recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.learnable.values(), recipe.clip_norm)
        self.optimizer.param_groups[0]["lr"] = learning_rate(recipe, step, self.steps)
        self.optimizer.step()
        return loss.item()

    def evaluate(self) -> Evaluation:
        """On the test images. A last step that broke the weights shows only here."""
        evaluation = evaluate(self.model, self.dataset.test, *self.dataset.statistics)
        self._require_finite(evaluation.loss, "on the test images")
        return evaluation

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
        tensors = {f"model.{key}": value for key, value in self.model.state_dict().items()}
        for name, parameter in self.learnable.items():
            momentum = self.optimizer.state[parameter].get("momentum_buffer")
            if momentum is not None:
                tensors[f"momentum.{name}"] = momentum
        tensors["random.torch"] = torch.get_rng_state()
        copies = {key: value.detach().clone() for key, value in tensors.items()}
        return TrainingState(self.job, self.epoch, copies)

    def restore(self, state: TrainingState) -> None:
        """Become the run that made this state."""
        prefix = "model."
        weights = {key.removeprefix(prefix): t for key, t in state.tensors.items() if key.startswith(prefix)}
        self.model.load_state_dict(weights)
        for name, parameter in self.learnable.items():
            momentum = state.tensors.get(f"momentum.{name}")
            if momentum is not None:
                self.optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(momentum)
        torch.set_rng_state(state.tensors["random.torch"])
        self.epoch = state.epoch


def shift_randomly(images: Tensor, max_shift_pixels: int) -> Tensor:
    """Move each image of (N, C, H, W) by up to ± so many rows and columns; what comes in is 0."""
    if max_shift_pixels == 0:
        return images
    _, _, height, width = images.shape
    padded = functional.pad(images, [max_shift_pixels] * 4)
    corners = torch.randint(0, 2 * max_shift_pixels + 1, (len(images), 2)).tolist()
    windows = [
        image[:, top : top + height, left : left + width] for image, (top, left) in zip(padded, corners, strict=True)
    ]
    return torch.stack(windows)


def _resume(run: _Run, found: TrainingState | None) -> str | None:
    if found is None:
        return None
    if found.job != run.job:
        return f"the saved state is of another {_difference(found.job, run.job)}: starting from the beginning"
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
