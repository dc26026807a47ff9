"""What happens to a batch of inputs and its labels together, by timm: erasing, mixup and cutmix."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from groupnl_deploy.training.drawing import drawing_from, drawn_seed
from groupnl_deploy.training.from_timm import timm_module
from groupnl_deploy.training.recipe import Recipe

Mixing = Callable[[Tensor, Tensor, Generator], tuple[Tensor, Tensor]]
"""From inputs, float (N, C, H, W), and labels, int64 (N,), to inputs and targets: labels, or float (N, classes)."""


def mixing_by(recipe: Recipe, num_classes: int) -> Mixing:
    """Erasing, then mixup or cutmix, as timm's training script has them. Raises `UsageError` without timm.

    Nothing is drawn from the generator where a recipe has none of these.
    """
    steps: list[Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = []
    if recipe.erasing:
        steps.append(_erasing(recipe.erasing))
    if recipe.mixes:
        steps.append(_mixup(recipe, num_classes))
    if not steps:
        return lambda inputs, labels, generator: (inputs, labels)

    def mix(inputs: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        targets = labels
        with drawing_from(drawn_seed(generator), inputs.device):
            for step in steps:
                inputs, targets = step(inputs, targets)
        return inputs, targets

    return mix


def _erasing(share: float) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """A rectangle of normal noise, of 2 % to a third of the image, in this share of the images."""
    make = timm_module("timm.data.random_erasing").RandomErasing

    def erase(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        erased: Tensor = make(share, mode="pixel", device=inputs.device)(inputs.clone())
        return erased, targets

    return erase


def _mixup(recipe: Recipe, num_classes: int) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Every batch by one of the two, each as often, and one share for the whole batch: timm's mode "batch"."""
    mix: Any = timm_module("timm.data.mixup").Mixup(
        recipe.mixup,
        recipe.cutmix,
        prob=1.0,
        switch_prob=0.5,
        mode="batch",
        label_smoothing=recipe.label_smoothing,
        num_classes=num_classes,
    )

    def mixed(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        count = len(inputs)
        odd = [0] if count % 2 else []  # timm takes even batches; the first image is mixed with itself then
        chosen = torch.tensor([*range(count), *odd], device=inputs.device)
        images, targets = mix(inputs[chosen], labels[chosen])
        return images[:count], targets[:count]

    return mixed
