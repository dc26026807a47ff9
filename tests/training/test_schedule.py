"""The learning rate of each step."""

from itertools import pairwise

import pytest

from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.schedule import warm_cosine


def test_the_learning_rate_rises_linearly_then_falls_to_nothing():
    recipe = Recipe(epochs=4, lr=0.1, warmup_epochs=0.5)
    rates = [warm_cosine(recipe, 20, step) for step in range(80)]
    assert rates[:10] == pytest.approx([0.01 * step for step in range(1, 11)])
    assert rates[10] == pytest.approx(0.1)
    assert rates[45] == pytest.approx(0.05)
    assert 0 < rates[-1] < 1e-4
    assert all(later < earlier for earlier, later in pairwise(rates[10:]))


def test_without_warm_up_the_first_step_has_the_full_rate():
    assert warm_cosine(Recipe(lr=0.1, warmup_epochs=0), 20, 0) == 0.1
