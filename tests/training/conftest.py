"""A real training small enough for every test run: a few digits and a thin network."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from groupnl_deploy.images.dataset import Dataset, LabelledImages
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.training.loop import TrainResult, train
from groupnl_deploy.training.recipe import Recipe


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads gain nothing on a network this thin, and lose much beside another busy process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def few_digits() -> Dataset:
    data = load_dataset(DataSource("digits"))
    return replace(data, train=first(data.train, 97), test=first(data.test, 40), declared=data.statistics)


def first(images: LabelledImages, count: int) -> InMemoryImages:
    assert isinstance(images, InMemoryImages)
    return InMemoryImages(images.pixels[:count], images.labels[:count])


@pytest.fixture(scope="session")
def thin_spec() -> ModelSpec:
    return ModelSpec("vgg11_cifar", ConvSpec("groupnl"), width=0.125, seed=3)


@pytest.fixture(scope="session")
def short_recipe() -> Recipe:
    return Recipe(epochs=3, seed=4)


@pytest.fixture(scope="session")
def trained(thin_spec: ModelSpec, short_recipe: Recipe, few_digits: Dataset) -> TrainResult:
    return train(thin_spec, short_recipe, few_digits, lambda progress: None)
