"""The mutable middle of a training: the learner, how far it is, the last evaluation and the best weights."""

import itertools
import math
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from groupnl_deploy.errors import TrainingDiverged
from groupnl_deploy.images.confusion import Confusion
from groupnl_deploy.images.dataset import Dataset, Statistics
from groupnl_deploy.images.loader import batches
from groupnl_deploy.images.preprocessing import as_input
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.training.altered import shape_read
from groupnl_deploy.training.drawing import seed_of
from groupnl_deploy.training.dropping import drop_in_training
from groupnl_deploy.training.evaluate import Evaluation, EvaluationImages, Told, ask, reading, testing
from groupnl_deploy.training.failures import (
    batch_names,
    diverged,
    is_out_of_memory,
    out_of_memory,
    out_of_memory_together,
)
from groupnl_deploy.training.initial import Initial, begin_with
from groupnl_deploy.training.learner import Learner, Part, copied
from groupnl_deploy.training.method import images_of_epoch, schedule_of
from groupnl_deploy.training.plan import Plan, order_of
from groupnl_deploy.training.ranks import Ranks
from groupnl_deploy.training.running import Running
from groupnl_deploy.training.stages import freeze_up_to
from groupnl_deploy.training.state import Best, TrainingJob, TrainingState, keep_split, save_state
from groupnl_deploy.training.traffic import bytes_sent


@dataclass(frozen=True)
class TrainProgress:
    """After a step: epoch and step counted from 1, the step's loss; the accuracy on the test images ends an epoch.

    `rate` is the learning rate of the step; `images` are those of the epoch so far, on all processes; `test_loss` is
    the mean cross-entropy on the test images, in nats. `note` says, once, what became of an earlier state in the resume
    folder.
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


class _Asked(Exception):
    """This process was asked to stop in the middle of an evaluation."""


class Run:
    """A training on the way.

    Args:
        job: what is trained, how and on what.
        dataset: the images.
        init: the checkpoint to begin with.
        workers: processes that read images.
        ranks: the processes that compute a step together.
        running: how often it is saved beside the end of every epoch, and how it is computed.
        folder: of the state; None saves nothing.
    """

    def __init__(
        self,
        job: TrainingJob,
        dataset: Dataset,
        init: Initial | None,
        workers: int | None,
        ranks: Ranks,
        running: Running,
        folder: Path | None,
    ) -> None:
        self.job, self.dataset, self.ranks, self._workers = job, dataset, ranks, workers
        self._running, self._folder = running, folder
        self.epoch = self.images = 0
        self.stopped = False
        self._untested: float | None = None  # the loss of the epoch's last step, until it is evaluated
        self.sent: list[int] = []  # bytes of each step
        self.steps_s = self.waited_s = 0.0  # seconds of all steps, and those of them in which images were waited for
        self.evaluated: Evaluation | None = None
        self.best: Best | None = None
        recipe = job.recipe
        model = create_model(job.spec)
        self.begun = begin_with(model, init, job.spec, dataset.class_names, recipe.seed) if init is not None else None
        self._expected = None if init is None else init.statistics
        self._frozen = freeze_up_to(model, recipe.freeze) if recipe.freeze is not None else ()
        if recipe.freeze is not None:
            self.begun = f"{self.begun}; {_of_frozen(model, recipe.freeze)}"
        drop_in_training(model, recipe, job.spec.num_classes)
        self.labels = torch.tensor(dataset.train.labels)
        self.plan = Plan(len(self.labels), recipe.batch_size, recipe.accumulate, ranks.size)
        self._rate = schedule_of(recipe, self.plan.steps)
        own, parallel = job.spec.code is not None, running.data_parallel
        self.learner = Learner(model, recipe, dataset.num_classes, dataset.input_shape, ranks, parallel, own)
        self._named, self._saved_s, self._kept = dataset.train, time.monotonic(), ""

    @property
    def statistics(self) -> Statistics:
        """What the weights expect, else what the images have, which may take reading all of them."""
        return self._expected or self.dataset.statistics

    def train_epoch(
        self, progress: Callable[[TrainProgress], None], note: str | None, asked: Callable[[], bool]
    ) -> None:
        """What is left of an epoch; the last step is reported with the accuracy.

        Where any process was asked to stop before that, the step is finished or the evaluation left, the state saved,
        and `stopped` set.
        """
        self._set_modes()
        for now in self._steps(asked):
            last = now.step == now.steps
            told = self._end_epoch(now, asked) if last and not self.stopped else now
            untested = told.accuracy is None
            if untested and (self.stopped or self._due(now.step)):
                self.save()
            if not (last and untested):  # else whoever goes on makes the epoch's end, and tells it
                progress(replace(told, note=note))
                note = None
            if self.stopped:
                return

    def _steps(self, asked: Callable[[], bool]) -> Iterator[TrainProgress]:
        """The steps that are left of this epoch; its last one again where nothing but the evaluation is."""
        recipe, plan = self.job.recipe, self.plan
        if self._untested is not None:
            yield self._told(plan.steps - 1, self._untested)
            return
        # Of the steps that another number of processes has done, the last is done again: an epoch ends with a step.
        begin = min(plan.steps_done(self.images), plan.steps - 1)
        order = order_of(recipe.seed, self.epoch, plan.images)
        parts = tuple(plan.of_process(self.ranks.rank))
        chosen = [plan.indices(order, step, part) for step in range(begin, plan.steps) for part in parts]
        images, shape = images_of_epoch(recipe, self.dataset, self.epoch), shape_read(recipe, self.dataset)
        with reading(batches(images, chosen, shape, self._workers)) as read:
            for step in range(begin, plan.steps):
                at = (step - begin) * len(parts)
                yield self._step(step, parts, chosen[at : at + len(parts)], read, asked)

    def _step(
        self,
        step: int,
        parts: Sequence[int],
        indices: Sequence[list[int]],
        read: Iterator[Tensor],
        asked: Callable[[], bool],
    ) -> TrainProgress:
        recipe, plan = self.job.recipe, self.plan
        seeds = [seed_of(recipe.seed, self.epoch, step, part) for part in parts]
        given = [partial(self._take, read, chosen) for chosen in indices]
        before = bytes_sent() if self.ranks.size > 1 else None
        begun_s = time.monotonic()
        mine = self._learned(given, seeds, self._rate_of(step))
        if before is not None:
            self.sent.append((bytes_sent() or 0) - before)
        self.steps_s += time.monotonic() - begun_s
        heard = self.ranks.summed(torch.tensor([mine, float(asked())], dtype=torch.float64))
        loss, self.stopped = float(heard[0]) / self.ranks.size, bool(heard[1] > 0)
        if not math.isfinite(loss):
            place = f"in epoch {self.epoch + 1} of {recipe.all_epochs}, step {step + 1} of {plan.steps}"
            raise self._diverged(loss, place, [] if math.isfinite(mine) else itertools.chain.from_iterable(indices))
        self.images = plan.images_done(step + 1)
        self._untested = loss if step + 1 == plan.steps else None
        return self._told(step, loss)

    def _rate_of(self, step: int) -> float:
        """A batch of N processes is N times as large, and so is the step (P. Goyal et al., arXiv 1706.02677)."""
        return self.ranks.size * self._rate(self.epoch * self.plan.steps + step)

    def _told(self, step: int, loss: float) -> TrainProgress:
        place = (self.epoch + 1, self.job.recipe.all_epochs, step + 1, self.plan.steps)
        return TrainProgress(*place, loss, self._rate_of(step), self.images)

    def _take(self, read: Iterator[Tensor], indices: list[int]) -> tuple[Tensor, Tensor]:
        begun_s = time.monotonic()
        pixels = next(read)
        self.waited_s += time.monotonic() - begun_s
        return pixels, self.labels[indices]

    def _learned(self, parts: Sequence[Part], seeds: Sequence[int], rate: float) -> float:
        taken: list[tuple[Tensor, Tensor]] = []

        def take(part: Part) -> tuple[Tensor, Tensor]:
            taken[:] = [part()]
            return taken[0]

        try:
            return self.learner.learn([partial(take, part) for part in parts], seeds, self.statistics, rate)
        except Exception as error:
            if not is_out_of_memory(error) or not taken:
                raise
            if self.ranks.size > 1:  # the others do not try with it
                raise out_of_memory_together(self.job, self.plan) from error
            traceback.clear_frames(error.__traceback__)  # they hold what the step has computed
            raise out_of_memory(self.job, self.plan, self.learner.most_that_fit(*taken[0], self.statistics)) from error

    def _diverged(self, loss: float, where: str, indices: Iterable[int]) -> TrainingDiverged:
        """All processes know of it; one that met it knows its images."""
        named = [text for text in self.ranks.texts(batch_names(self._named, list(indices))) if text]
        return diverged(self.job, loss, where, named[0] if named else "", self._kept)

    def _end_epoch(self, now: TrainProgress, asked: Callable[[], bool]) -> TrainProgress:
        try:
            tested = self.evaluate(asked)
        except _Asked:
            return now
        self.epoch, self.images, self._untested = self.epoch + 1, 0, None
        if self.best is None or tested.accuracy > self.best.accuracy:
            self.best = Best(self.epoch, tested.accuracy, copied(self.learner.tested.state_dict()))
        return replace(now, accuracy=tested.accuracy, test_loss=tested.loss)

    def _due(self, step: int) -> bool:
        """Whether the middle of an epoch is saved: what that costs is a small share of so long a time."""
        running = self._running
        by_steps = running.save_steps is not None and step % running.save_steps == 0
        return by_steps or time.monotonic() - self._saved_s > running.save_seconds

    def save(self) -> None:
        """The state, by the first process."""
        if self._folder is not None and self.ranks.first:
            state = self.state()
            save_state(self._folder, state)
            if not self._kept:
                keep_split(self._folder, self.dataset.split)
            self._kept = state.place
        self._saved_s = time.monotonic()

    def _set_modes(self) -> None:
        """Frozen modules keep their statistics."""
        self.learner.model.train()
        for module in self._frozen:
            module.training = False

    def evaluate(self, asked: Callable[[], bool] = lambda: False) -> Evaluation:
        """On the test images, a share of them on each process. A last step that broke the weights shows only here.

        The batch statistics are those of the first process, as everywhere.

        Raises `_Asked` where a process was asked to stop before it had answered its share; `stopped` is set then.
        """
        data, ranks = self.dataset, self.ranks
        model = self.learner.tested
        if ranks.size > 1:
            model.load_state_dict(ranks.from_first(model.state_dict()))
        own = range(ranks.rank, len(data.test), ranks.size)
        labels = [int(label) for label in data.test.labels[own.start :: own.step]]
        images = EvaluationImages(data.test, own, labels, data.class_names, data.input_shape)
        mine, left = None, False
        try:
            with testing(model):
                mine = ask(self._answer, images, workers=self._workers, tell=_leaving(asked)) if own else None
        except _Asked:
            left = True
        heard = ranks.summed(torch.tensor([float(asked()), float(left)]))
        self.stopped = bool(heard[0] > 0)
        if heard[1] > 0:
            raise _Asked
        self.evaluated = _of_all(mine, data.class_names, ranks)
        if not math.isfinite(self.evaluated.loss):
            raise self._diverged(self.evaluated.loss, "on the test images", [])
        return self.evaluated

    def _answer(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.learner.tested(as_input(pixels.to(self.ranks.device), *self.statistics))
        return logits.to("cpu")

    def state(self) -> TrainingState:
        """Copies of all that what follows depends on."""
        where = self.images, self.ranks.size, self.best, self._untested
        return TrainingState(self.job, self.epoch, self.learner.state(), *where)

    def restore(self, state: TrainingState) -> None:
        """Become the run that made this state, on however many processes."""
        self.epoch, self.images, self.best, self._kept = state.epoch, state.images, state.best, state.place
        self._untested = state.loss
        self.learner.restore(state.tensors)


def _leaving(asked: Callable[[], bool]) -> Told:
    """Raises `_Asked` between two batches of an evaluation."""

    def told(done: int, total: int) -> None:
        if done < total and asked():
            raise _Asked

    return told


def _of_all(mine: Evaluation | None, class_names: tuple[str, ...], ranks: Ranks) -> Evaluation:
    """The evaluation that all processes have made together."""
    if ranks.size == 1 and mine is not None:
        return mine
    classes = len(class_names)
    matrix = torch.zeros((classes, classes), dtype=torch.int64) if mine is None else torch.tensor(mine.confusion.matrix)
    loss = torch.tensor([0.0 if mine is None else mine.loss * mine.count], dtype=torch.float64)
    confusion = Confusion(class_names, tuple(map(tuple, ranks.summed(matrix).tolist())))
    return Evaluation(confusion, float(ranks.summed(loss)) / confusion.images)


def _of_frozen(model: nn.Module, place: str) -> str:
    learned = sum(value.numel() for value in model.parameters() if value.requires_grad)
    total = sum(value.numel() for value in model.parameters())
    return f"all up to {place} stays as it is: {learned:,} of {total:,} parameters learn"
