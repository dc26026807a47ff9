"""Real digits as a user's own images: as good as the data set itself, and a good beginning is worth epochs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from groupnl_deploy.images.dataset import Dataset
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.progress import Silence
from groupnl_deploy.training.recipe_changes import RecipeChanges, recipe_for
from groupnl_deploy.training.train import train_checkpoint

SPEC = ModelSpec("resnet18_cifar", ConvSpec("standard"), width=0.125)


def write_digits(folder: Path, digits: range) -> DataSource:
    """The data set's own parts, each digit in its class folder, as PNG."""
    data = load_dataset(DataSource("digits"))
    for part, images in (("train", data.train), ("val", data.test)):
        for digit in digits:
            (folder / part / str(digit)).mkdir(parents=True)
        for index in np.flatnonzero(np.isin(images.labels, digits)):
            pixels = images[index].transpose(1, 2, 0)
            Image.fromarray(pixels).save(folder / part / str(images.labels[index]) / f"{index}.png")
    return DataSource("folder", str(folder), data.input_shape)


def accuracy(out: Path, source: DataSource, changes: RecipeChanges, init: Path | None = None) -> float:
    data: Dataset = load_dataset(source)
    spec = replace(SPEC, num_classes=data.num_classes)
    recipe = recipe_for(source.name, changes, init=init is not None)
    return train_checkpoint(spec, recipe, source, out, Silence(), init=init).evaluation.accuracy


@pytest.mark.slow
@pytest.mark.parametrize("changes", [RecipeChanges(recipe="digits"), RecipeChanges(flip=False, epochs=20)])
def test_digits_in_a_folder_are_learned_as_well_as_the_data_set(tmp_path, changes):
    known = accuracy(tmp_path / "known", DataSource("digits"), RecipeChanges())
    own = accuracy(tmp_path / "own", write_digits(tmp_path / "pictures", range(10)), changes)
    assert known > 0.96
    assert own > known - 0.01


@pytest.mark.slow
def test_two_epochs_from_a_network_of_other_digits_beat_two_from_random_weights(tmp_path):
    low, high = (write_digits(tmp_path / str(digits.start), digits) for digits in (range(5), range(5, 10)))
    accuracy(tmp_path / "trained", low, RecipeChanges(recipe="digits"))
    short = RecipeChanges(epochs=2, flip=False)
    tuned = accuracy(tmp_path / "tuned", high, short, init=tmp_path / "trained")
    fresh = accuracy(tmp_path / "fresh", high, short)
    assert tuned > fresh + 0.02
