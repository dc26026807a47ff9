"""The promise of the demo: every method learns the digits to 96 % with the default recipe."""

import pytest

from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.recipe import Recipe


@pytest.mark.slow
@pytest.mark.parametrize(
    "conv",
    [ConvSpec("standard"), ConvSpec.preset("groupnl", "released"), ConvSpec.preset("groupnl", "paper")],
    ids=["standard", "released", "paper"],
)
def test_the_default_recipe_reaches_96_percent_on_unseen_digits(conv):
    spec = ModelSpec("resnet18_cifar", conv, width=0.25)
    result = train(spec, Recipe(), load_dataset(DataSource("digits")), lambda progress: None)
    assert result.evaluation.count == 360
    assert result.evaluation.accuracy >= 0.96
