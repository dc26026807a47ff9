"""The recipe: its defaults, its refusals, its JSON."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agent.strict import StrictError, from_json, to_json
from groupnl_deploy.cli.recipes import shown
from groupnl_deploy.cli.training_options import TrainingOptions
from groupnl_deploy.errors import UsageError
from groupnl_deploy.training.from_timm import needs_timm
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.recipe_changes import (
    NOTHING,
    WITH_OPTION,
    RecipeChanges,
    choose_recipe,
    recipe_for,
    text_of,
    with_settings,
)
from groupnl_deploy.training.recipes import ABOUT, RECIPES
from groupnl_deploy.training.unread import unread_fields

LIGHT = "imagenet-mobilenetv2"


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


def test_none_is_a_word_of_the_augmentation_and_nothing_where_a_field_may_be_empty():
    made = recipe_for("cifar10", with_settings(RecipeChanges(augmentation="none"), ["clip_norm=none"]))
    assert (made.augmentation, made.clip_norm) == ("none", None)
    assert recipe_for("cifar10", with_settings(RecipeChanges(), ["augmentation=none"])).augmentation == "none"


@pytest.mark.parametrize(
    ("dataset", "changes", "text", "remedy"),
    [
        ("digits", RecipeChanges(flip=False), "nothing with the augmentation shift", "--no-flip out"),
        (
            "digits",
            RecipeChanges(decay_rate=0.5),
            "decay_rate would do nothing with the schedule cosine",
            "decay_rate out",
        ),
        ("digits", RecipeChanges(optimiser="adamw", nesterov=True), "nesterov would do nothing with adamw", "out"),
        ("digits", RecipeChanges(test_crop=0.9), "nothing with digits, whose images are shown whole", "test_crop out"),
        (
            "cifar10",
            RecipeChanges(recipe="imagenet-resnet", test_interpolation="bilinear"),
            "nothing with cifar10, whose images are shown whole",
            "test_interpolation out",
        ),
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
        {"optimiser": "adam"},
        {"schedule": "linear"},
        {"square_decay": 1.0},
        {"optimiser_eps": 0.0},
        {"lr_batch": 0},
        {"min_lr": 1.0},
        {"warmup_lr": -1.0},
        {"cooldown_epochs": -1},
        {"decay_rate": 0.0},
        {"decay_epochs": 0.0},
        {"lr_noise": (0.9, 0.4)},
        {"drop_path": 1.0},
        {"dropout": -0.1},
        {"crop_scale": (0.0, 0.0)},
        {"rand_augment": "m9"},
        {"erasing": 1.5},
        {"mixup": -1.0},
        {"cutmix": float("nan")},
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


BESIDE = {"icons50": "cifar"} | dict.fromkeys(
    [name for name in RECIPES if name.startswith("imagenet-") and name not in ("imagenet-resnet", LIGHT)], LIGHT
)
"""Recipes that the page tells as what differs from another."""


def lines_of_recipes():
    """The rows of the page's first table."""
    for name, recipe in RECIPES.items():
        other = BESIDE.get(name)
        changes = differing(recipe, RECIPES[other] if other else Recipe())
        told = ", ".join(changes) if changes else "as they are"
        yield f"| `{name}` | {ABOUT[name]} | {'timm' if needs_timm(recipe) else '–'} | {told_beside(other, told)} |"


def told_beside(other, told):
    if other is None:
        return told
    return f"those of `{other}`" + ("" if told == "as they are" else f" with {told}")


def differing(recipe, other):
    names = [field.name for field in fields(Recipe) if getattr(recipe, field.name) != getattr(other, field.name)]
    return [f"{name} {text_of(getattr(recipe, name))}" for name in names]


def lines_of_fields():
    """The rows of the page's second table."""
    for field in fields(Recipe):
        option = {"augmentation": "augmentation", "flip": "no-flip", "seed": "seed"}.get(field.name)
        if field.name in WITH_OPTION and option is None:
            option = field.name.replace("_", "-")
        yield f"| {field.name} | {text_of(field.default)} | {f'`--{option}`' if option else '`--set`'} |"


def test_the_page_has_every_recipe_and_every_field_as_they_are():
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in [*lines_of_recipes(), *lines_of_fields()] if line not in page] == []
    table = page[page.index("## Recipes") : page.index("## Going on from a checkpoint")]
    assert sum(line.startswith("| `") for line in table) == len(RECIPES)


def test_every_recipe_says_what_it_is_for():
    assert list(ABOUT) == list(RECIPES)


def test_every_field_can_be_changed_and_every_option_is_of_a_field():
    names = {field.name for field in fields(Recipe)}
    assert {field.name for field in fields(RecipeChanges)} == names - {"seed"} | {"recipe"}
    assert {name for name, option in TrainingOptions.__metadata__[0].items() if option} == {*WITH_OPTION, "recipe"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["lr=0.5"], {"lr": 0.5}),
        (["lr=1"], {"lr": 1.0}),
        (["nesterov=true", "mixup=0"], {"nesterov": True, "mixup": 0.0}),
        (["clip_norm=none", "rand_augment=none"], {"clip_norm": None, "rand_augment": None}),
        (["lr_noise=0.42,0.9"], {"lr_noise": (0.42, 0.9)}),
        (["rand_augment=rand-m9-mstd0.5"], {"rand_augment": "rand-m9-mstd0.5"}),
    ],
)
def test_any_field_is_set_by_its_name(settings, said):
    assert with_settings(RecipeChanges(), settings).said == said


@pytest.mark.parametrize(
    ("settings", "text", "remedy"),
    [
        (["lr"], "names no value", "NAME=VALUE"),
        (["lr="], "names no value", "NAME=VALUE"),
        (["mixp=1"], "no field of a recipe “mixp”", "Did you mean “mixup”"),
        (["seed=3"], "no field that --set changes", "--seed 3"),
        (["lr=fast"], "lr is “fast”, and must be a number", "--set lr=0.05"),
        (["batch_size=1.5"], "batch_size is “1.5”, and must be a whole number", "--set batch_size=32"),
        (["nesterov=1"], "must be true or false", "--set nesterov=false"),
        (["clip_norm=high"], "must be a number or none", "--set clip_norm=1"),
        (["lr_noise=0.4"], "must be two numbers with a comma between them or none", "--set lr_noise=0.42,0.9"),
        (["augmentation=2"], "must be one of none, shift, shift_flip", "--set augmentation=shift"),
        (["lr=1", "lr=2"], "lr is said twice", "--set lr=2"),
        (["epochs=2"], "epochs is said twice", "--set epochs=2"),
    ],
)
def test_a_setting_that_is_none_is_refused(settings, text, remedy):
    with pytest.raises(UsageError, match=text) as caught:
        with_settings(RecipeChanges(epochs=7), settings)
    assert remedy in caught.value.remedy


@given(st.sampled_from(sorted(RECIPES)))
def test_every_recipe_is_what_its_printed_form_says(name):
    """Set field by field over the defaults, as `groupnl recipes` prints them, they make the same recipe."""
    recipe = RECIPES[name]
    settings = [f"{field}={value}" for field, value in shown(recipe).items() if field != "seed"]
    again = replace(Recipe(), **with_settings(RecipeChanges(), settings).said)
    read = {field.name for field in fields(Recipe)} - set(unread_fields(recipe))
    assert {field: getattr(again, field) for field in read} == {field: getattr(recipe, field) for field in read}


@pytest.mark.parametrize(
    ("dataset", "network", "name"),
    [
        ("digits", "resnet18_cifar", "digits"),
        ("digits", "resnet50", "digits-bottlenecks"),
        ("digits", "resnet101_cifar", "digits-bottlenecks"),
        ("digits", "resnet34_cifar", "digits-resnet34"),
        ("digits", None, "digits"),
        ("digits", "mobilenetv1_cifar", "digits-light"),
        ("digits", "tf_efficientnet_lite0", "digits-light"),
        ("icons50:apple", "resnet18_cifar", "icons50"),
        ("cifar10", "vgg11_cifar", "cifar"),
        ("cifar100", "resnet101_cifar", "cifar"),
        ("icons50", "resnet18_cifar", "icons50"),
        ("imagenet", "resnet101", "imagenet-resnet"),
        ("imagenet", "tf_mobilenetv3_large_100", "imagenet-mobilenetv3"),
        ("imagenet", "efficientnet_lite0", "imagenet-efficientnet-lite0"),
        ("imagenet", "efficientnet_es", "imagenet-efficientnet-es"),
        ("imagenet", "efficientnetv2_s", "imagenet-efficientnetv2-s"),
        ("imagenet", "mobilenetv2_100", "imagenet-mobilenetv2"),
        ("imagenet", None, "images"),
        ("folder", "mobilenetv2_100", "images-light"),
        ("folder", "resnet18_cifar", "images"),
    ],
)
def test_data_set_and_network_choose_the_recipe(dataset, network, name):
    assert recipe_for(dataset, RecipeChanges(), network=network) == RECIPES[name]


def test_a_recipe_says_its_name_and_what_was_changed_of_it():
    changes = RecipeChanges(epochs=1, lr=0.05)  # which is the rate of `images` itself
    assert str(choose_recipe("folder", changes, seed=3)) == "images with epochs 1, warmup_epochs 0.5"
    assert str(choose_recipe("digits", RecipeChanges(), seed=3, network="mobilenetv1_cifar")) == "digits-light"
    tuned = choose_recipe("digits", RecipeChanges(clip_norm=NOTHING), init=True)
    assert (tuned.name, tuned.changed) == ("finetune", {"clip_norm": None, "augmentation": "shift"})


def test_three_hundred_epochs_run_310_as_timm_counts_them():
    assert RECIPES["imagenet-resnet"].all_epochs == 310
    assert RECIPES["imagenet-mobilenetv3"].all_epochs == 600
    assert Recipe(cooldown_epochs=10).all_epochs == 5
