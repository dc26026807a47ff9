"""The recipe: its defaults, its refusals, its JSON."""

import pytest

from device_agent.strict import StrictError, from_json, to_json
from groupnl_deploy.errors import UsageError
from groupnl_deploy.training.recipe import Recipe


def test_defaults_with_an_epoch_count_or_without():
    assert Recipe.with_defaults(None, 3) == Recipe(seed=3)
    assert Recipe.with_defaults(7) == Recipe(epochs=7)
    assert Recipe.with_defaults(None, threads=2) == Recipe(threads=2)


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
