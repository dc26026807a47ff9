"""The recipe: its defaults, its refusals, its JSON."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from device_agent.strict import StrictError, from_json, to_json
from groupnl_deploy.errors import UsageError
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.recipes import RECIPES, RecipeChanges, recipe_for


def test_the_recipe_is_the_named_one_else_that_of_the_beginning_or_of_the_images():
    assert recipe_for("digits", RecipeChanges(), 3) == Recipe(seed=3)
    assert recipe_for("folder", RecipeChanges()) == RECIPES["images"]
    assert recipe_for("folder", RecipeChanges(), init=True) == RECIPES["finetune"]
    assert recipe_for("digits", RecipeChanges(), init=True) == replace(RECIPES["finetune"], augmentation="shift")
    assert recipe_for("digits", RecipeChanges(recipe="images"), init=True) == RECIPES["images"]


def test_single_numbers_of_a_recipe_are_changed():
    changes = RecipeChanges(epochs=7, batch_size=8, lr=0.5, threads=2, lr_decay_by_depth=0.5, flip=False)
    expected = replace(RECIPES["images"], epochs=7, batch_size=8, lr=0.5, threads=2, lr_decay_by_depth=0.5, flip=False)
    assert recipe_for("folder", changes) == expected
    assert recipe_for("folder", RecipeChanges(augmentation="shift")).augmentation == "shift"


@pytest.mark.parametrize(
    ("dataset", "changes", "text", "remedy"),
    [
        ("digits", RecipeChanges(flip=False), "no image is mirrored", "--no-flip out"),
        ("folder", RecipeChanges(freeze="layer1"), "keep random weights", "--init"),
        ("folder", RecipeChanges(recipe="finetune"), "goes on from a trained network", "--init"),
        ("folder", RecipeChanges(recipe="image"), "no recipe “image”", "Did you mean “images”"),
        ("folder", RecipeChanges(augmentation="flips"), "augmentation is flips", "crop_flip_jitter"),
    ],
)
def test_what_would_do_nothing_is_refused(dataset, changes, text, remedy):
    with pytest.raises(UsageError, match=text) as caught:
        recipe_for(dataset, changes)
    assert remedy in caught.value.remedy


def test_a_record_from_before_the_images_is_of_a_recipe_for_digits():
    older = {"epochs": 5, "batch_size": 32, "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4, "clip_norm": 1.0}
    older |= {"warmup_epochs": 0.5, "max_shift_pixels": 1, "seed": 0, "threads": 1}
    assert from_json(Recipe, json.dumps(older)) == RECIPES["digits"]


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"batch_size": 1},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"momentum": 1.0},
        {"weight_decay": -1.0},
        {"clip_norm": 0.0},
        {"warmup_epochs": float("inf")},
        {"max_shift_pixels": -1},
        {"threads": -1},
        {"threads": 1025},
        {"augmentation": "mirror"},
        {"jitter": 1.0},
        {"label_smoothing": 1.0},
        {"lr_decay_by_depth": 0.0},
        {"lr_decay_by_depth": 1.1},
    ],
)
def test_a_recipe_that_trains_nothing_is_refused_by_name(change):
    (name,) = change
    with pytest.raises(UsageError, match=f"recipe's {name} is"):
        Recipe(**change)


def test_json_round_trip_and_refusal_with_the_place():
    recipe = Recipe(clip_norm=None)
    assert from_json(Recipe, to_json(recipe)) == recipe
    with pytest.raises(StrictError, match="epochs is 0"):
        from_json(Recipe, to_json(recipe).replace('"epochs": 5', '"epochs": 0'))


def test_the_page_has_every_recipe_as_it_is():
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    heading, *rows = [row.strip("| ").split(" | ") for row in page.splitlines() if row.startswith("| ")]
    names = [name.strip("`") for name in heading[1:4]]
    told = {row[0]: dict(zip(names, row[1:4], strict=True)) for row in rows if not row[0].startswith("---")}
    assert names == list(RECIPES)
    assert told.keys() == {field.name for field in fields(Recipe)} - {"seed"}
    for name, recipe in RECIPES.items():
        assert {field: read(values[name]) for field, values in told.items()} == {
            field: getattr(recipe, field) for field in told
        }


def read(text):
    """A value as the page has it."""
    if text in (known := {"none": None, "true": True, "false": False}):
        return known[text]
    return text if text[0].isalpha() else float(text)
