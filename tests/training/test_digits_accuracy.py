"""Networks of every kind learn the digits by their default recipes, with the convolutions of the papers' tables.

`pytest -m slow -n 0 -s tests/training/test_digits_accuracy.py` prints the table of docs/training.md, a row a training;
with `-k` for some rows, such as `-k "mobilenetv2 and paper"`.
"""

import sys

import pytest

from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.registry import entry_of, model_spec
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.recipe_changes import RecipeChanges, recipe_for

LEAST = 0.95
WIDTHS = {
    "vgg11_cifar": 0.25,
    "vgg19_cifar": 0.25,
    "resnet18_cifar": 0.25,
    "resnet34_cifar": 0.25,
    "resnet50_cifar": 0.25,
    "resnet101_cifar": 0.25,
    "mobilenetv1_cifar": 0.5,
    "mobilenetv1_100": 0.5,
    "mobilenetv2_100": 0.5,
    "mobilenetv3_large_100": 0.25,
    "efficientnet_lite0": 0.5,
    "efficientnet_es": 0.5,
    "efficientnetv2_s": 0.25,
}
"""The networks, and how wide: a training takes one to five minutes of a processor."""


def _methods(name: str) -> list[tuple[str, str]]:
    """Those of Table 3 for networks of 32x32 images, those of Table 4 for MobileNets and EfficientNets."""
    network = entry_of(name)
    others = ["standard"] if "mobilenet" in network.kind or "efficientnet" in network.kind else TABLE_3
    return [(method, "released") for method in others] + [(network.groupnl, "released"), (network.groupnl, "paper")]


TABLE_3 = ["standard", "mono", "ghost", "sinefm"]
ROWS = [(name, *method) for name in WIDTHS for method in _methods(name)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "method", "semantics"), ROWS)
def test_a_network_learns_the_digits_by_its_default(name, method, semantics, capsys):
    """360 of the digits were never trained on."""
    spec = model_spec(name, method, semantics, width=WIDTHS[name], num_classes=10, input_shape=(3, 32, 32))
    recipe = recipe_for("digits", RecipeChanges(), network=name)
    result = train(spec, recipe, load_dataset(DataSource("digits")), ignore)
    with capsys.disabled():
        accuracy = 100 * result.evaluation.accuracy
        sys.stdout.write(f"| {name} x{WIDTHS[name]:g} | {spec.conv.label} | {accuracy:.1f} |\n")
    assert result.evaluation.count == 360
    assert result.evaluation.accuracy >= LEAST


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "semantics"), [("standard", "released"), ("groupnl", "released"), ("groupnl", "paper")]
)
def test_the_network_of_the_demo_reaches_96_percent(method, semantics):
    spec = model_spec("resnet18_cifar", method, semantics, width=0.25)
    result = train(spec, Recipe(), load_dataset(DataSource("digits")), ignore)
    assert result.evaluation.accuracy >= 0.96


def ignore(progress):
    """Nobody watches."""
