"""A growth step on a checkpoint: its own training images in, a wider checkpoint and `growth.json` out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from device_agent.strict import to_json
from groupnl_deploy.errors import UsageError
from groupnl_deploy.growth.search import Batch
from groupnl_deploy.growth.step import Grown, GrowthSettings, GrowthStep, LayerGrowth
from groupnl_deploy.images.dataset import Dataset, Statistics
from groupnl_deploy.images.datasets import at_size, load_dataset
from groupnl_deploy.images.loader import batches
from groupnl_deploy.images.preprocessing import as_input
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.images.view import viewed
from groupnl_deploy.models.profile import profile
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.progress import Reporter, Task
from groupnl_deploy.training.altered import shape_read
from groupnl_deploy.training.checkpoint import (
    Checkpoint,
    checkpoint_id,
    load_model,
    load_split,
    save_checkpoint,
)
from groupnl_deploy.training.drawing import seed_of
from groupnl_deploy.training.evaluate import EvaluationImages, evaluate, reading
from groupnl_deploy.training.method import augmentation_of, images_of_epoch, loss_of
from groupnl_deploy.training.own_images import own_images
from groupnl_deploy.training.plan import order_of
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.threads import computing_threads
from groupnl_deploy.workspace import require_absent

GROWTH_FILE = "growth.json"
_BATCH_SIZE = 128  # GEARnn's, which is that of its trainings


@dataclass(frozen=True)
class PhaseRecord:
    """A phase of a training that grows: its name, epochs, seconds, and top-1 on the test images after it, 0 to 1."""

    name: str
    epochs: int
    seconds: float
    accuracy: float


@dataclass(frozen=True)
class GrowthRecord:
    """What `growth.json` holds.

    Args:
        source: the id of the checkpoint that grew.
        source_label: short text for people, of its network.
        dataset: the images.
        label: of the wider network.
        settings: how it grew.
        batch_size: images at once in both steps.
        width: channels that γ is a share of.
        budget: channels that were asked for; fewer are added where units or multiples are larger than what is left.
        added: channels that were added.
        candidates: how many competed.
        negative: the share of candidates that lower the loss; None where none was scored.
        layers: what became of each that could grow, in channels.
        stays: a sentence for each convolution that could not.
        parameters_before: of the network, as the papers count them.
        parameters_after: likewise.
        macs_before: for one image.
        macs_after: likewise.
        loss: mean cross-entropy of step A, in nats, in its last pass.
        optimise_s: seconds of step A, which optimises the candidates.
        score_s: seconds of step B, which scores them; 0 where none is.
        accuracy_before: top-1 on the test images, between 0 and 1.
        accuracy_after: right after growth, which does not keep the function; a training follows.
        phases: of the training that the growth was a part of; none of a growth by itself.
    """

    source: str
    source_label: str
    dataset: str
    label: str
    settings: GrowthSettings
    batch_size: int
    width: int
    budget: int
    added: int
    candidates: int
    negative: float | None
    layers: tuple[LayerGrowth, ...]
    stays: tuple[str, ...]
    parameters_before: int
    parameters_after: int
    macs_before: int
    macs_after: int
    loss: float
    optimise_s: float
    score_s: float
    accuracy_before: float
    accuracy_after: float
    phases: tuple[PhaseRecord, ...] = ()
    schema_version: int = 1


def grow_checkpoint(
    source: Path,
    out: Path,
    settings: GrowthSettings,
    reporter: Reporter,
    *,
    dataset: str | None = None,
    data: str | None = None,
    batch_size: int | None = None,
) -> tuple[Checkpoint, GrowthRecord]:
    """Let the network of a checkpoint grow, and write the wider one's folder, whole or not at all.

    Args:
        source: the checkpoint's folder, which stays as it is.
        out: the new folder; `growth.json` is in it.
        settings: how it grows.
        reporter: told how far it is.
        dataset: images by name; None is the checkpoint's own.
        data: where they lie, for those that lie in a folder.
        batch_size: images at once; None is as many as it was trained on, and 128 where it was not.

    Raises `CannotGrow`, `UsageError` where the images are not at hand or are others, `TrainingDiverged`.
    """
    require_absent(out)
    checkpoint, network = load_model(source)
    step = GrowthStep(checkpoint.spec, network, settings)  # before images are read
    images = _images_of(source, checkpoint, dataset, data, reporter)
    batch_size = batch_size or (checkpoint.recipe.batch_size if checkpoint.recipe else _BATCH_SIZE)
    feed = _Feed(checkpoint, images, settings, batch_size)
    with computing_threads(feed.recipe.threads), torch.random.fork_rng(devices=[]):
        before = feed.accuracy(network)
        with reporter.task(f"grow {checkpoint.spec.label}") as task:
            grown = step.run(lambda number: feed.batches(number, task), loss_of(feed.recipe))
        after = feed.accuracy(grown.network)
    told = {"source": checkpoint_id(source), "dataset": images.name, "settings": settings, "batch_size": batch_size}
    record = _record(told, checkpoint.spec, grown, (before, after))
    draft = replace(
        checkpoint.draft,
        spec=grown.spec,
        accuracy=after if checkpoint.trained and images.record == checkpoint.data else None,
        init=record.source,
    )
    split, files = load_split(source, checkpoint), {GROWTH_FILE: to_json(record).encode()}
    return save_checkpoint(out, draft, grown.network, split=split, files=files), record


def _images_of(source: Path, checkpoint: Checkpoint, name: str | None, path: str | None, reporter: Reporter) -> Dataset:
    """The checkpoint's own images, or those of this name. Raises `UsageError` where there are none that fit."""
    own, spec = checkpoint.data, checkpoint.spec
    if name is None and own is None:
        raise UsageError(
            f"Which images {source} was trained on is not known here.",
            "Name images of its classes: --dataset folder --data DIR, or --dataset digits.",
        )
    if own is not None and name in (None, own.name):
        return own_images(source, checkpoint, reporter, path)
    assert name is not None
    data = load_dataset(at_size(DataSource(name, path), spec.input_shape), reporter=reporter)
    data = viewed(data, checkpoint.view)
    if (data.num_classes, data.input_shape) != (spec.num_classes, spec.input_shape):
        raise UsageError(
            f"“{name}” has {data.num_classes} classes and images of {data.input_shape}, and the network "
            f"{spec.num_classes} and {spec.input_shape}.",
            "Name images as it was trained on.",
        )
    return data


class _Feed:
    """Images as the network's recipe alters them in training, batch by batch; without a recipe as they are.

    They are not mixed with one another.
    """

    def __init__(self, checkpoint: Checkpoint, data: Dataset, settings: GrowthSettings, batch_size: int) -> None:
        self.recipe = checkpoint.recipe or Recipe(augmentation="none")
        self._statistics = Statistics(checkpoint.mean, checkpoint.std)
        self._data, self._seed, self._size = data, settings.seed, batch_size
        self._passes = settings.epochs + (settings.select != "random")
        self._test = EvaluationImages.of_all(data.test, data.class_names, data.input_shape)

    def accuracy(self, network: nn.Module) -> float:
        """Top-1 on the test images."""
        return evaluate(network, self._test, *self._statistics).accuracy

    def batches(self, number: int, task: Task) -> Iterator[Batch]:
        """All training images of a pass, counted from 0, in an order of its own."""
        labels = torch.tensor(self._data.train.labels)
        order = order_of(self._seed, number, len(labels)).tolist()
        chosen = [order[at : at + self._size] for at in range(0, len(order), self._size)]
        augment = augmentation_of(self.recipe, self._data.input_shape)
        images, shape = images_of_epoch(self.recipe, self._data, number), shape_read(self.recipe, self._data)
        with reading(batches(images, chosen, shape)) as read:
            for at, pixels in enumerate(read):
                generator = torch.Generator().manual_seed(seed_of(self._seed, number, at, 0))
                yield as_input(augment(pixels, generator), *self._statistics), labels[chosen[at]]
                done = number * len(chosen) + at + 1
                task(done, self._passes * len(chosen), f"pass {number + 1} of {self._passes}")


def _record(told: Mapping[str, Any], spec: ModelSpec, grown: Grown, accuracies: tuple[float, float]) -> GrowthRecord:
    before, after = profile(spec).total, profile(grown.spec).total
    kept = {field.name: getattr(grown, field.name) for field in fields(Grown) if field.name not in ("spec", "network")}
    return GrowthRecord(
        source_label=spec.label,
        label=grown.spec.label,
        parameters_before=before.params,
        parameters_after=after.params,
        macs_before=before.macs,
        macs_after=after.macs,
        accuracy_before=accuracies[0],
        accuracy_after=accuracies[1],
        **told,
        **kept,
    )
