"""By what a recipe trains: optimiser, schedule, augmentation and loss, which is all that the loop knows of them.

A further one is a file or a function and a word in the recipe, which is looked up here.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from torch import Generator, Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn import functional

from groupnl_deploy.images.dataset import Dataset, LabelledImages
from groupnl_deploy.images.source import Shape
from groupnl_deploy.training.adamw import AdamW
from groupnl_deploy.training.altered import altered
from groupnl_deploy.training.augmentation import crop_flip_jitter, flip_randomly, shift_randomly, whole
from groupnl_deploy.training.mixing import Mixing, mixing_by
from groupnl_deploy.training.recipe import AugmentationWord, OptimiserWord, Recipe
from groupnl_deploy.training.rmsprop import RmspropTf
from groupnl_deploy.training.schedule import Schedule, schedule_by
from groupnl_deploy.training.sgd import Sgd
from groupnl_deploy.training.views import as_images, consistent_loss, views_in


class Optimiser(Protocol):
    """Changes the parameters that it was made with."""

    def step(self, rate: float, scaler: GradScaler) -> None:
        """Follow the gradients of a loss that was scaled by `scaler` at this learning rate, then forget them."""

    def state(self) -> dict[str, Tensor]:
        """All that the next step depends on besides the parameters and the rate."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Become the optimiser that gave this state; keys of others are left out of account."""


Augmentation = Callable[[Tensor, Generator], Tensor]
"""From a batch, uint8 (N, C, H', W'), and the source of everything random to uint8 (N, C, H, W) for the network."""
Loss = Callable[[Tensor, Tensor], Tensor]
"""From logits (N, classes) and targets to one number, the mean over the batch."""


def optimiser_of(
    recipe: Recipe, parameters: Mapping[str, nn.Parameter], factors: Mapping[str, float] | None = None
) -> Optimiser:
    """What updates these parameters, by name; each at so many times the learning rate."""
    return _OPTIMISERS[recipe.optimiser](parameters, recipe, factors)


def schedule_of(recipe: Recipe, steps_per_epoch: int) -> Schedule:
    """The learning rate of every step of one process, over all epochs of `Recipe.all_epochs`."""
    return schedule_by(recipe, steps_per_epoch)


def augmentation_of(recipe: Recipe, shape: Shape) -> Augmentation:
    """What is done to every batch of training images to become (N, *shape); (J·N, *shape) of J views of each."""
    if recipe.augmix is not None:  # each image was altered where it was read
        return lambda images, generator: as_images(images, recipe)
    return _by_recipe(recipe, shape)


def _by_recipe(recipe: Recipe, shape: Shape) -> Augmentation:
    return partial(_alter, recipe=recipe, size=shape[1:])  # which travels to processes that read; a lambda would not


def _alter(images: Tensor, generator: Generator, recipe: Recipe, size: tuple[int, int]) -> Tensor:
    return _AUGMENTATIONS[recipe.augmentation](images, generator, recipe, size)


def images_of_epoch(recipe: Recipe, dataset: Dataset, epoch: int) -> LabelledImages:
    """The training images of an epoch, counted from 0, as processes of their own read them.

    What is done to single images is done there; the same epoch and index give the same pixels. Their shape is
    `altered.shape_read`'s.
    """
    return altered(recipe, dataset, epoch, _by_recipe(recipe, dataset.input_shape))


def mixing_of(recipe: Recipe, num_classes: int) -> Mixing:
    """What is done to every batch of inputs together with its labels."""
    return mixing_by(recipe, num_classes)


def loss_of(recipe: Recipe) -> Loss:
    """What a step makes smaller. Targets that were mixed have been smoothed with it."""
    if views_in(recipe) > 1:
        return consistent_loss(recipe)
    return partial(functional.cross_entropy, label_smoothing=0.0 if recipe.mixes else recipe.label_smoothing)


def _none(images: Tensor, generator: Generator, recipe: Recipe, size: tuple[int, int]) -> Tensor:
    return whole(images, size)


def _shift(images: Tensor, generator: Generator, recipe: Recipe, size: tuple[int, int]) -> Tensor:
    return shift_randomly(whole(images, size), generator, recipe.max_shift_pixels)


def _shift_flip(images: Tensor, generator: Generator, recipe: Recipe, size: tuple[int, int]) -> Tensor:
    shifted = _shift(images, generator, recipe, size)
    return flip_randomly(shifted, generator) if recipe.flip else shifted


def _crop_flip_jitter(images: Tensor, generator: Generator, recipe: Recipe, size: tuple[int, int]) -> Tensor:
    return crop_flip_jitter(images, generator, size, recipe.flip, recipe.jitter)


_AUGMENTATIONS: dict[AugmentationWord, Callable[[Tensor, Generator, Recipe, tuple[int, int]], Tensor]] = {
    "none": _none,
    "shift": _shift,
    "shift_flip": _shift_flip,
    "crop_flip_jitter": _crop_flip_jitter,
    "random_resized_crop": _none,  # each image was cut where it was read
}
_OPTIMISERS: dict[OptimiserWord, Callable[[Mapping[str, nn.Parameter], Recipe, Mapping[str, float] | None], Optimiser]]
_OPTIMISERS = {"sgd": Sgd, "adamw": AdamW, "rmsproptf": RmspropTf}
