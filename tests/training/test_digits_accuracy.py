"""Networks of several kinds learn the digits by their default recipes, with convolutions of the papers' tables.

`pytest -m slow -n 0 -s tests/training/test_digits_accuracy.py` prints the table of docs/training.md.
"""

import sys

import pytest

from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.recipe_changes import RecipeChanges, recipe_for

ROWS = [
    ("vgg11_cifar", 0.25, "standard", "released"),
    ("vgg11_cifar", 0.25, "mono", "released"),
    ("vgg11_cifar", 0.25, "groupnl", "paper"),
    ("resnet50_cifar", 0.25, "standard", "released"),
    ("mobilenetv1_cifar", 0.5, "standard", "released"),
    ("mobilenetv1_cifar", 0.5, "groupnl-sparse", "released"),
    ("mobilenetv1_cifar", 0.5, "groupnl-sparse", "paper"),
]
"""Network, width, convolution and semantics."""
LEAST = 0.95


@pytest.mark.slow
@pytest.mark.parametrize(
    "conv",
    [ConvSpec("standard"), ConvSpec.preset("groupnl", "released"), ConvSpec.preset("groupnl", "paper")],
    ids=["standard", "released", "paper"],
)
def test_the_default_recipe_reaches_96_percent_on_unseen_digits(conv):
    """The promise of the demo."""
    spec = ModelSpec("resnet18_cifar", conv, width=0.25)
    result = train(spec, Recipe(), load_dataset(DataSource("digits")), lambda progress: None)
    assert result.evaluation.count == 360
    assert result.evaluation.accuracy >= 0.96


@pytest.mark.slow
@pytest.mark.parametrize(("name", "width", "conv", "semantics"), ROWS)
def test_a_network_of_each_kind_learns_the_digits_by_its_default(name, width, conv, semantics, capsys):
    spec = model_spec(name, conv, semantics, width=width, num_classes=10, input_shape=(3, 32, 32))
    recipe = recipe_for("digits", RecipeChanges(), network=name)
    result = train(spec, recipe, load_dataset(DataSource("digits")), ignore)
    with capsys.disabled():
        sys.stdout.write(f"| {name} x{width:g} | {spec.conv.label} | {100 * result.evaluation.accuracy:.1f} |\n")
    assert result.evaluation.accuracy >= LEAST


def ignore(progress):
    """Nobody watches."""
