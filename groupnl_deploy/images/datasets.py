"""Data sets by name. Imports nothing slow: a data set's module comes with its images."""

import importlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.corrupted_datasets import CORRUPTED_DATASETS
from groupnl_deploy.images.source import DataSource, Shape, base_name
from groupnl_deploy.progress import Reporter, Silence
from groupnl_deploy.words import known_word

if TYPE_CHECKING:
    from groupnl_deploy.images.dataset import Dataset

DATASETS = {
    "digits": "groupnl_deploy.images.digits",
    "folder": "groupnl_deploy.images.folder",
    "cifar10": "groupnl_deploy.images.published.cifar",
    "cifar100": "groupnl_deploy.images.published.cifar",
    "icons50": "groupnl_deploy.images.published.icons",
    "imagenet": "groupnl_deploy.images.published.imagenet",
}
"""The module of each, whose `load` makes a `Dataset` of a `DataSource`, the seed of its split and a `Reporter`.

To add one: its line here.
"""

RESIZED = frozenset(("folder", "imagenet"))
"""Those whose images become any shape that is asked for; the others have one of their own."""

VARIED = frozenset(("icons50",))
"""Those that are used in several ways, one of which is named behind a colon."""


def at_size(source: DataSource, shape: Shape) -> DataSource:
    """With images of this shape, where they have none of their own and no other was asked for."""
    return replace(source, shape=shape) if source.base in RESIZED and source.shape is None else source


_loaded: "dict[tuple[DataSource, int], Dataset]" = {}


def load_dataset(source: DataSource, seed: int = 0, reporter: Reporter | None = None) -> "Dataset":
    """The data set of this source, split by this seed. Raises `UsageError` for an unknown name.

    One without a folder is loaded once; one in a folder as often as something in there changes.
    """
    key = source, seed
    if source.path is not None or key not in _loaded:
        module = importlib.import_module(module_of(source.name))
        _loaded[key] = module.load(source, seed, reporter or Silence())
    return _loaded[key]


def module_of(name: str) -> str:
    """The module of a data set. Raises `UsageError` for a name that is none."""
    base = base_name(name)
    if base not in DATASETS and Path(name).exists():
        raise UsageError(
            f"“{name}” is a folder or a file, and a data set's name was asked for.",
            f"Name both: --dataset folder --data {name}.",
        )
    if base in CORRUPTED_DATASETS:
        raise UsageError(
            f"“{name}” are corrupted images, to evaluate on and never to train on.",
            f"Train on others, then groupnl evaluate CHECKPOINT --dataset {name} --data DIR.",
        )
    module = DATASETS[known_word("dataset", base, [*DATASETS, *CORRUPTED_DATASETS])]
    if base != name and base not in VARIED:
        raise UsageError(f"“{name}” has something behind a colon, and {base} is used in one way alone.", f"Say {base}.")
    return module
