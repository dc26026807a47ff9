"""The learning rate of each step, by the recipe's schedule; timm's change it from epoch to epoch.

Rates are those of a step of one process. They are in proportion to its images where the recipe says for how many its
rate is meant.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from groupnl_deploy.training.from_timm import timm_module
from groupnl_deploy.training.recipe import Recipe, ScheduleWord

Schedule = Callable[[int], float]
"""From an optimiser step, counted from 0 over the whole training, to its learning rate."""


def warm_cosine(recipe: Recipe, steps_per_epoch: int, step: int) -> float:
    """A linear warm-up, then a cosine, both from step to step, for optimiser step `step` of the whole training."""
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return recipe.warmup_lr + (recipe.lr - recipe.warmup_lr) * (step + 1) / warmup
    remaining = max(1, recipe.epochs * steps_per_epoch - warmup)
    half = 0.5 * (1 + math.cos(math.pi * (step - warmup) / remaining))
    return recipe.min_lr + (recipe.lr - recipe.min_lr) * half


def schedule_by(recipe: Recipe, steps_per_epoch: int) -> Schedule:
    """The schedule that the recipe names. Raises `UsageError` where it is timm's and timm is not there."""
    by_step = _SCHEDULES[recipe.schedule](recipe, steps_per_epoch)
    if recipe.lr_batch is None:
        return by_step
    factor = recipe.batch_size / recipe.lr_batch
    return lambda step: factor * by_step(step)


def _cosine(recipe: Recipe, steps_per_epoch: int) -> Schedule:
    return lambda step: warm_cosine(recipe, steps_per_epoch, step)


def _multistep(recipe: Recipe, steps_per_epoch: int) -> Schedule:
    return lambda step: _warm_multistep(recipe, steps_per_epoch, step)


def _warm_multistep(recipe: Recipe, steps_per_epoch: int, step: int) -> float:
    """A linear warm-up, then the rate, and a share of it from half and again from three quarters of the steps."""
    warmup, steps = round(recipe.warmup_epochs * steps_per_epoch), recipe.epochs * steps_per_epoch
    if step < warmup:
        return recipe.warmup_lr + (recipe.lr - recipe.warmup_lr) * (step + 1) / warmup
    passed = (2 * step >= steps) + (4 * step >= 3 * steps)
    return recipe.lr * recipe.decay_rate**passed


def _epoch_cosine(recipe: Recipe, steps_per_epoch: int) -> Schedule:
    return _from_epoch_to_epoch(
        recipe, steps_per_epoch, "CosineLRScheduler", t_initial=recipe.epochs, lr_min=recipe.min_lr
    )


def _epoch_step(recipe: Recipe, steps_per_epoch: int) -> Schedule:
    return _from_epoch_to_epoch(
        recipe, steps_per_epoch, "StepLRScheduler", decay_t=recipe.decay_epochs, decay_rate=recipe.decay_rate
    )


def _from_epoch_to_epoch(recipe: Recipe, steps_per_epoch: int, kind: str, **how: Any) -> Schedule:
    """timm's scheduler over an optimiser that optimises nothing; its rate follows from the epoch alone."""
    nothing = torch.optim.SGD([nn.Parameter(torch.zeros(1))], recipe.lr)
    noise = None if recipe.lr_noise is None else tuple(share * recipe.epochs for share in recipe.lr_noise)
    scheduler = getattr(timm_module("timm.scheduler"), kind)(
        nothing,
        **how,
        warmup_t=recipe.warmup_epochs,
        warmup_lr_init=recipe.warmup_lr,
        warmup_prefix=False,  # the epochs of the warm-up are counted, as in the authors' version of timm
        noise_range_t=noise,
        noise_seed=recipe.seed,
    )

    def rate(step: int) -> float:
        scheduler.step(step // steps_per_epoch)
        found: float = nothing.param_groups[0]["lr"]
        return found

    return rate


_SCHEDULES: dict[ScheduleWord, Callable[[Recipe, int], Schedule]] = {
    "cosine": _cosine,
    "multistep": _multistep,
    "epoch_cosine": _epoch_cosine,
    "epoch_step": _epoch_step,
}
