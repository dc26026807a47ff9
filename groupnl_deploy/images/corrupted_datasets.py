"""Published corrupted data sets by name. Imports nothing slow: a data set's module comes with its images."""

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING

from groupnl_deploy.images.source import DataSource, Shape
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

_RESIZED = frozenset(("imagenetc",))  # photographs; the others have a size of their own
_COLOURS = 3


def corrupted_at_size(source: DataSource, shape: Shape) -> DataSource:
    """With images of this size, where they can have any: in colours, as they are."""
    return replace(source, shape=shape) if source.name in _RESIZED and shape[0] == _COLOURS else source


def load_corrupted(source: DataSource, reporter: Reporter) -> "CorruptedDataset":
    """The corrupted data set of this source. Raises `UsageError` for an unknown name, and for missing files."""
    module = importlib.import_module(CORRUPTED_DATASETS[known_word("dataset", source.name, CORRUPTED_DATASETS)])
    found: CorruptedDataset = module.load_corrupted(source, reporter)
    return found
