"""By what a recipe trains: optimiser, schedule, augmentation and loss, which is all that the loop knows of them.

A further one is a file or a function and a word in the recipe, which is looked up here.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from torch import Generator, Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn import functional

from groupnl_deploy.images.dataset import LabelledImages
from groupnl_deploy.images.source import Shape
from groupnl_deploy.training.augmentation import crop_flip_jitter, shift_randomly, whole
from groupnl_deploy.training.recipe import AugmentationWord, Recipe
from groupnl_deploy.training.schedule import warm_cosine
from groupnl_deploy.training.sgd import Sgd


class Optimiser(Protocol):
    """Changes the parameters that it was made with."""

    def step(self, rate: float, scaler: GradScaler) -> None:
        """Follow the gradients of a loss that was scaled by `scaler` at this learning rate, then forget them."""

    def state(self) -> dict[str, Tensor]:
        """All that the next step depends on besides the parameters and the rate."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Become the optimiser that gave this state; keys of others are left out of account."""


Schedule = Callable[[int], float]
"""From an optimiser step, counted from 0 over the whole training, to its learning rate."""
Augmentation = Callable[[Tensor, Generator], Tensor]
"""From a batch, uint8 (N, C, H', W'), and the source of everything random to uint8 (N, C, H, W) for the network."""
Mixing = Callable[[Tensor, Tensor, Generator], tuple[Tensor, Tensor]]
"""From inputs, float (N, C, H, W), and labels, int64 (N,), to inputs and targets: labels, or float (N, classes)."""
Loss = Callable[[Tensor, Tensor], Tensor]
"""From logits (N, classes) and targets to one number, the mean over the batch."""


def optimiser_of(
    recipe: Recipe, parameters: Mapping[str, nn.Parameter], factors: Mapping[str, float] | None = None
) -> Optimiser:
    """What updates these parameters, by name; each at so many times the learning rate."""
    return Sgd(parameters, recipe, factors)


def schedule_of(recipe: Recipe, steps_per_epoch: int) -> Schedule:
    """The learning rate of every step."""
    return partial(warm_cosine, recipe, steps_per_epoch)


def augmentation_of(recipe: Recipe, shape: Shape) -> Augmentation:
    """What is done to every batch of training images to become (N, *shape)."""
    alter = _AUGMENTATIONS[recipe.augmentation]
    return lambda images, generator: alter(images, generator, recipe, shape[1:])


def images_of_epoch(recipe: Recipe, images: LabelledImages, shape: Shape, epoch: int) -> LabelledImages:
    """The training images of an epoch, counted from 0, as processes of their own read them.

    What is done to single images is done there; the same epoch and index give the same pixels.
    """
    return images


def mixing_of(recipe: Recipe, num_classes: int) -> Mixing:
    """What is done to every batch of inputs together with its labels."""
    return lambda inputs, labels, generator: (inputs, labels)


def loss_of(recipe: Recipe) -> Loss:
    """What a step makes smaller."""
    return partial(functional.cross_entropy, label_smoothing=recipe.label_smoothing)


def _none(images: Tensor, generator: Generator, recipe: Recipe, size: tuple[int, int]) -> Tensor:
    return whole(images, size)


def _shift(images: Tensor, generator: Generator, recipe: Recipe, size: tuple[int, int]) -> Tensor:
    return shift_randomly(whole(images, size), generator, recipe.max_shift_pixels)


def _crop_flip_jitter(images: Tensor, generator: Generator, recipe: Recipe, size: tuple[int, int]) -> Tensor:
    return crop_flip_jitter(images, generator, size, recipe.flip, recipe.jitter)


_AUGMENTATIONS: dict[AugmentationWord, Callable[[Tensor, Generator, Recipe, tuple[int, int]], Tensor]] = {
    "none": _none,
    "shift": _shift,
    "crop_flip_jitter": _crop_flip_jitter,
}
