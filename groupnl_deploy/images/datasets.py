"""Data sets by name."""

import functools
import importlib

from groupnl_deploy.images.dataset import Dataset
from groupnl_deploy.words import known_word

DATASETS = {
    "digits": "groupnl_deploy.images.digits",
}
"""The module of each, whose function `load` makes a `Dataset` from the seed of its split. To add one: its line here."""


@functools.cache
def load_dataset(name: str, seed: int = 0) -> Dataset:
    """The data set of this name, split by this seed. Raises `UsageError` for an unknown name."""
    dataset: Dataset = importlib.import_module(DATASETS[known_word("dataset", name, DATASETS)]).load(seed)
    return dataset
