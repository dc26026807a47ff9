"""By what a recipe trains: its optimiser, its schedule and its augmentation, which is all that the loop knows of them.

There is one of each. A second one is a file and a word in the recipe, which is looked up here.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from torch import Generator, Tensor, nn

from groupnl_deploy.training.augmentation import shift_randomly
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.schedule import warm_cosine
from groupnl_deploy.training.sgd import Sgd


class Optimiser(Protocol):
    """Changes the parameters that it was made with."""

    def step(self, rate: float) -> None:
        """Follow the gradients at this learning rate, then forget them."""

    def state(self) -> dict[str, Tensor]:
        """All that the next step depends on besides the parameters and the rate."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Become the optimiser that gave this state; keys of others are left out of account."""


Schedule = Callable[[int], float]
"""From an optimiser step, counted from 0 over the whole training, to its learning rate."""
Augmentation = Callable[[Tensor, Generator], Tensor]
"""From a batch, uint8 (N, C, H, W), and the source of everything random to a batch of the same shape."""


def optimiser_of(recipe: Recipe, parameters: Mapping[str, nn.Parameter]) -> Optimiser:
    """What updates these parameters, by name."""
    return Sgd(parameters, recipe)


def schedule_of(recipe: Recipe, steps_per_epoch: int) -> Schedule:
    """The learning rate of every step."""
    return partial(warm_cosine, recipe, steps_per_epoch)


def augmentation_of(recipe: Recipe) -> Augmentation:
    """What is done to every batch of training images."""
    return partial(shift_randomly, max_shift_pixels=recipe.max_shift_pixels)
