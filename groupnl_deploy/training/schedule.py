"""The learning rate of each step: a linear warm-up, then a cosine to zero."""

import math

from groupnl_deploy.training.recipe import Recipe


def warm_cosine(recipe: Recipe, steps_per_epoch: int, step: int) -> float:
    """The rate of optimiser step `step`, counted from 0 over the whole training."""
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return recipe.lr * (step + 1) / warmup
    remaining = max(1, recipe.epochs * steps_per_epoch - warmup)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / remaining))
