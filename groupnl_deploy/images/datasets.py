"""Data sets by name. Imports nothing slow: a data set's module comes with its images."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.progress import Reporter, Silence
from groupnl_deploy.words import known_word

if TYPE_CHECKING:
    from groupnl_deploy.images.dataset import Dataset

DATASETS = {
    "digits": "groupnl_deploy.images.digits",
    "folder": "groupnl_deploy.images.folder",
    "cifar10": "groupnl_deploy.images.published.cifar",
    "cifar100": "groupnl_deploy.images.published.cifar",
}
"""The module of each, whose `load` makes a `Dataset` of a `DataSource`, the seed of its split and a `Reporter`.

To add one: its line here.
"""

RESIZED = frozenset(("folder",))
"""Those whose images become any shape that is asked for; the others have one of their own."""

_loaded: "dict[tuple[DataSource, int], Dataset]" = {}


def load_dataset(source: DataSource, seed: int = 0, reporter: Reporter | None = None) -> "Dataset":
    """The data set of this source, split by this seed. Raises `UsageError` for an unknown name.

    One without a folder is loaded once; one in a folder as often as something in there changes.
    """
    key = source, seed
    if source.path is not None or key not in _loaded:
        if source.name not in DATASETS and Path(source.name).exists():
            raise UsageError(
                f"“{source.name}” is a folder or a file, and a data set's name was asked for.",
                f"Name both: --dataset folder --data {source.name}.",
            )
        module = importlib.import_module(DATASETS[known_word("dataset", source.name, DATASETS)])
        _loaded[key] = module.load(source, seed, reporter or Silence())
    return _loaded[key]
