"""The training loop: reproducible, resumable after any epoch, and stopped when the loss is no number."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from groupnl_deploy.errors import TrainingDiverged
from groupnl_deploy.images.dataset import Dataset, Statistics
from groupnl_deploy.images.loader import batches
from groupnl_deploy.images.preprocessing import as_input
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training.altered import shape_read
from groupnl_deploy.training.dropping import drop_in_training
from groupnl_deploy.training.evaluate import Evaluation, EvaluationImages, evaluate, reading
from groupnl_deploy.training.initial import Initial, begin_with
from groupnl_deploy.training.method import (
    augmentation_of,
    images_of_epoch,
    loss_of,
    mixing_of,
    optimiser_of,
    schedule_of,
)
from groupnl_deploy.training.preflight import require_trainable, untested
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.resume import difference, require_same_data
from groupnl_deploy.training.stages import freeze_up_to, learning_factors
from groupnl_deploy.training.state import TrainingJob, TrainingState, keep_split, kept_split, load_state, save_state
from groupnl_deploy.training.threads import computing_threads

# Keys of a state's tensors; the others are the optimiser's.
_MODEL, _RANDOM = "model.", "random.torch"


@dataclass(frozen=True)
class TrainProgress:
    """After a step: epoch and step counted from 1, the step's loss; loss and accuracy on the test images end an epoch.

    `rate` is the learning rate of the step, `images` how many of the epoch have been trained on so far.
    `note` says, once, what became of an earlier state in the resume folder.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    rate: float
    images: int
    accuracy: float | None = None
    test_loss: float | None = None
    note: str | None = None


@dataclass(frozen=True, eq=False)
class TrainResult:
    """A trained network in eval mode, how its images are prepared, its evaluation on the test images, and the state it
    ended in.

    `resumed_from_epoch` is 0 unless an interrupted training went on; `resume_dir` still holds the last state.
    """

    model: nn.Module
    dataset: Dataset
    statistics: Statistics
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
    *,
    init: Initial | None = None,
    workers: int | None = None,
    prepare: Callable[[Dataset], Dataset] = lambda dataset: dataset,
) -> TrainResult:
    """Train the network of a spec by a recipe; equal arguments give equal weights on one machine.

    With `resume_dir` the state is saved there after every epoch, and a training that finds the state of the
    same job goes on from it, to the same bits as if it had never stopped. The state of another job on the same images
    is left out of account and overwritten. The weights are those after the last epoch: none is picked by accuracy.

    Args:
        spec: the network.
        recipe: how it is trained.
        dataset: on what.
        progress: told after every step.
        resume_dir: where the state is kept.
        init: the checkpoint to begin with; None is the spec's random weights. Images are prepared as its weights
            expect them.
        workers: processes that read images; None is as many as pay. No bit depends on them.
        prepare: makes the same images faster to read, once everything else was found right.

    Raises `TrainingDiverged`, `UsageError` where spec, recipe, data and checkpoint do not fit or a state is of other
    images, `VerificationFailed` for a damaged state.
    """
    require_trainable(spec, recipe, dataset)
    job = TrainingJob(spec, recipe, dataset.record, None if init is None else init.sha256)
    found = load_state(resume_dir) if resume_dir else None
    if found and resume_dir:
        require_same_data(found.job, job, resume_dir, kept_split(resume_dir), dataset.split)
    with computing_threads(recipe.threads), torch.random.fork_rng(devices=[]):
        run = _Run(job, dataset, init, workers)
        notes = [note for note in (_resume(run, found) or run.begun, untested(dataset)) if note]
        note = "; ".join(notes) or None
        started, run.dataset = run.epoch, prepare(dataset)
        while run.epoch < recipe.epochs:
            run.train_epoch(progress, note if run.epoch == started else None)
            if resume_dir:
                save_state(resume_dir, run.state())
                if run.epoch == started + 1:
                    keep_split(resume_dir, dataset.split)
        state = run.state()  # inside, for the random generator's sake
        evaluation = run.evaluated or run.evaluate()
    return TrainResult(run.model.eval(), dataset, run.statistics, evaluation, state, started, note, resume_dir)


class _Run:
    """The mutable middle of a training: network, optimiser, random state, epoch, the last evaluation."""

    def __init__(self, job: TrainingJob, dataset: Dataset, init: Initial | None, workers: int | None) -> None:
        self.job, self.dataset, self.workers, self.epoch = job, dataset, workers, 0
        self.evaluated: Evaluation | None = None
        # Not in channels_last, though it trains a fifth faster: PyTorch 2.13's CPU backward writes past its
        # buffers in that layout where a batch is odd and a layer narrow (8 channels, batch 29: heap corrupted).
        self.model = create_model(job.spec)
        self.begun = (
            begin_with(self.model, init, job.spec, dataset.class_names, job.recipe.seed) if init is not None else None
        )
        self.expected = None if init is None else init.statistics
        self.frozen = freeze_up_to(self.model, job.recipe.freeze) if job.recipe.freeze is not None else ()
        if job.recipe.freeze is not None:
            self.begun = f"{self.begun}; {_of_frozen(self.model, job.recipe.freeze)}"
        drop_in_training(self.model, job.recipe, job.spec.num_classes)
        self.labels = torch.tensor(dataset.train.labels)
        # A last batch of one image has no batch statistics in a layer of one pixel, so it joins no step.
        self.steps = math.ceil((len(self.labels) - 1) / job.recipe.batch_size)
        learnable = {name: value for name, value in self.model.named_parameters() if value.requires_grad}
        factors = learning_factors(self.model, job.recipe.lr_decay_by_depth)
        self.optimiser = optimiser_of(job.recipe, learnable, factors)
        self.rate = schedule_of(job.recipe, self.steps)
        self.augment = augmentation_of(job.recipe, dataset.input_shape)
        self.mix, self.loss = mixing_of(job.recipe, dataset.num_classes), loss_of(job.recipe)
        # The generator that layers draw from as well, so that one state is all there is to save.
        self.random = torch.default_generator.manual_seed(job.recipe.seed)

    @property
    def statistics(self) -> Statistics:
        """What the weights expect, else what the images have, which may take reading all of them."""
        return self.expected or self.dataset.statistics

    def train_epoch(self, progress: Callable[[TrainProgress], None], note: str | None) -> None:
        """One pass over the shuffled training images; the last step is reported with the accuracy."""
        recipe = self.job.recipe
        self._set_modes()
        shuffled = torch.randperm(len(self.labels), generator=self.random)
        chosen = [part.tolist() for part in torch.split(shuffled, recipe.batch_size)[: self.steps]]
        shape, seen = shape_read(recipe, self.dataset), 0
        images_now = images_of_epoch(recipe, self.dataset, self.epoch)
        with reading(batches(images_now, chosen, shape, self.workers)) as read:
            for step, (indices, images) in enumerate(zip(chosen, read, strict=True), start=1):
                done = self.epoch * self.steps + step - 1
                loss = self._step(images, self.labels[indices], done)
                place = (self.epoch + 1, recipe.epochs, step, self.steps)
                self._require_finite(loss, f"in epoch {place[0]} of {place[1]}, step {step} of {self.steps}")
                test = self.evaluate() if step == self.steps else None
                accuracy, test_loss = (None, None) if test is None else (test.accuracy, test.loss)
                seen += len(indices)
                said = note if step == 1 else None
                progress(TrainProgress(*place, loss, self.rate(done), seen, accuracy, test_loss, said))
        self.epoch += 1

    def _set_modes(self) -> None:
        """Frozen modules keep their statistics."""
        self.model.train()
        for module in self.frozen:
            module.training = False

    def _step(self, images: Tensor, labels: Tensor, step: int) -> float:
        inputs = as_input(self.augment(images, self.random), *self.statistics)
        inputs, targets = self.mix(inputs, labels, self.random)
        loss = self.loss(self.model(inputs), targets)
        torch.autograd.backward(loss)
        self.optimiser.step(self.rate(step), GradScaler(enabled=False))
        return loss.item()

    def evaluate(self) -> Evaluation:
        """On the test images. A last step that broke the weights shows only here."""
        data = self.dataset
        test = EvaluationImages.of_all(data.test, data.class_names, data.input_shape)
        self.evaluated = evaluate(self.model, test, *self.statistics, workers=self.workers)
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


def _of_frozen(model: nn.Module, place: str) -> str:
    learned = sum(value.numel() for value in model.parameters() if value.requires_grad)
    total = sum(value.numel() for value in model.parameters())
    return f"all up to {place} stays as it is: {learned:,} of {total:,} parameters learn"


def _resume(run: _Run, found: TrainingState | None) -> str | None:
    if found is None:
        return None
    if found.job != run.job:
        return (
            f"the saved state is of another {difference(found.job, run.job)}: starting from the beginning; "
            "it is kept until the first epoch is done"
        )
    run.restore(found)
    return f"going on after epoch {found.epoch} of {run.job.recipe.epochs}"
