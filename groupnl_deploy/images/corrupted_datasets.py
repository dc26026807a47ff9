"""Published corrupted data sets by name. Imports nothing slow: a data set's module comes with its images."""

import importlib
from typing import TYPE_CHECKING

from groupnl_deploy.images.source import DataSource
from groupnl_deploy.progress import Reporter
from groupnl_deploy.words import known_word

if TYPE_CHECKING:
    from groupnl_deploy.images.corrupted import CorruptedDataset

CORRUPTED_DATASETS: dict[str, str] = {
    "cifar10c": "groupnl_deploy.images.published.cifar_c",
    "cifar100c": "groupnl_deploy.images.published.cifar_c",
    "imagenetc": "groupnl_deploy.images.published.imagenet_c",
}
"""The module of each, whose `load_corrupted` makes a `CorruptedDataset` of a `DataSource` and a `Reporter`.

To add one: its line here, and below.
"""

CLEAN = {"cifar10c": "cifar10", "cifar100c": "cifar100", "imagenetc": "imagenet"}
"""The data set whose test images were corrupted, of each."""

RESIZED_CORRUPTED = frozenset(("imagenetc",))
"""Those whose images become the size that a network takes; the others have one of their own."""


def load_corrupted(source: DataSource, reporter: Reporter) -> "CorruptedDataset":
    """The corrupted data set of this source. Raises `UsageError` for an unknown name, and for missing files."""
    module = importlib.import_module(CORRUPTED_DATASETS[known_word("dataset", source.name, CORRUPTED_DATASETS)])
    found: CorruptedDataset = module.load_corrupted(source, reporter)
    return found
