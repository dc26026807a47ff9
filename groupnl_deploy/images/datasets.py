"""Data sets by name."""

import functools
import importlib

from groupnl_deploy.images.dataset import Dataset
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.words import known_word

DATASETS = {
    "digits": "groupnl_deploy.images.digits",
}
"""The module of each, whose function `load` makes a `Dataset` from a `DataSource` and the seed of its split.

To add one: its line here.
"""


@functools.cache
def load_dataset(source: DataSource, seed: int = 0) -> Dataset:
    """The data set of this source, split by this seed. Raises `UsageError` for an unknown name."""
    module = importlib.import_module(DATASETS[known_word("dataset", source.name, DATASETS)])
    dataset: Dataset = module.load(source, seed)
    return dataset
