"""What would make a training worthless or impossible, found before hours are spent on it."""

import numpy as np

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.dataset import Dataset, gather
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training.from_timm import require_timm
from groupnl_deploy.training.recipe import Recipe

_MOST_NAMES = 5


def require_trainable(spec: ModelSpec, recipe: Recipe, dataset: Dataset, processes: int = 1) -> None:
    """Raise `UsageError` where network, recipe, images and the number of processes do not go together.

    So it does where the recipe needs timm and there is none.
    """
    require_timm(recipe)
    if spec.input_shape != dataset.input_shape or spec.num_classes != dataset.num_classes:
        raise UsageError(
            f"The network takes {spec.input_shape} and has {spec.num_classes} classes, but “{dataset.name}” has "
            f"images of {dataset.input_shape} and {dataset.num_classes} classes.",
            "Make the network with the data set's shape and number of classes.",
        )
    if dataset.num_classes < 2:
        raise UsageError(f"“{dataset.name}” has one class: every answer would be right.", "Two classes are the least.")
    _require_images(recipe, dataset, processes)
    gather(dataset.test, [0], dataset.input_shape)  # before hours are spent on what cannot be evaluated


def untested(dataset: Dataset) -> str | None:
    """A sentence on the classes that no test image is of: how well they are told apart will not be known."""
    missing = _missing(dataset, np.asarray(dataset.test.labels))
    if not missing:
        return None
    return f"the test part has no image of {_listed(missing)}: how well they are recognised will not be known"


def _require_images(recipe: Recipe, dataset: Dataset, processes: int) -> None:
    count = len(dataset.train)
    if count < 2:
        raise UsageError(f"“{dataset.name}” has {count} training images.", "Two are the least.")
    if not len(dataset.test):
        raise UsageError(f"“{dataset.name}” has no test images.", "Leave at least one for its test part.")
    missing = _missing(dataset, np.asarray(dataset.train.labels))
    if missing:
        raise UsageError(
            f"“{dataset.name}” has no training image of {_listed(missing)}: the network could never learn them.",
            "Add images of them to the training part, or take these classes out.",
        )
    if count < 2 * processes:
        raise UsageError(
            f"“{dataset.name}” has {count} training images, too few for {processes} processes with two each.",
            f"Start {max(1, count // 2)} processes at the most.",
        )
    if count < recipe.batch_size * processes and processes > 1:
        raise UsageError(
            f"“{dataset.name}” has {count} training images, fewer than one batch of {recipe.batch_size} for each of "
            f"{processes} processes.",
            f"Take smaller batches, --batch-size {max(2, min(16, count // (4 * processes)))}, or fewer processes.",
        )
    if count < recipe.batch_size:
        raise UsageError(
            f"“{dataset.name}” has {count} training images, fewer than one batch of {recipe.batch_size}.",
            f"Take smaller batches, --batch-size {max(2, min(16, count // 4))}, or add images.",
        )


def _missing(dataset: Dataset, labels: "np.ndarray") -> list[str]:
    there = set(labels.tolist())
    return [name for label, name in enumerate(dataset.class_names) if label not in there]


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(f"“{name}”" for name in names[:_MOST_NAMES]) + (f" and {more} other classes" if more > 0 else "")
