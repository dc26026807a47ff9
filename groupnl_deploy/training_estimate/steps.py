"""Which steps a training that grows is made of, how many of each, and of which network each is. Needs PyTorch; pure."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from device_agent.training_step import StepOptimiser, TrainingStep
from groupnl_deploy.errors import UsageError
from groupnl_deploy.export import HOST_ALONE
from groupnl_deploy.growth.step import GrowthStep
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training.gearnn import Gearnn, phases_of
from groupnl_deploy.training.plan import Plan
from groupnl_deploy.training.recipe import OptimiserWord, Recipe
from groupnl_deploy.training.views import views_in

_OPTIMISERS: dict[OptimiserWord, StepOptimiser] = {"sgd": "sgd", "adamw": "adamw", "rmsproptf": "rmsprop"}
# What would make a step another one than is measured.
_NOT_FOLLOWED = ("precision", "compile", "freeze", "accumulate", "ema_decay")
assert {*_OPTIMISERS} == {*get_args(OptimiserWord)}


@dataclass(frozen=True)
class Step:
    """A step that is measured.

    Args:
        name: short, as files are called.
        spec: of the network.
        step: what is computed.
        images: at once, all views counted.
    """

    name: str
    spec: ModelSpec
    step: TrainingStep
    images: int


@dataclass(frozen=True)
class Part:
    """So many times one step, in one phase of the training."""

    phase: str
    passes: int
    step: Step
    count: int


def parts_of(spec: ModelSpec, recipe: Recipe, settings: Gearnn, images: int) -> tuple[Part, ...]:
    """The whole training, phase by phase.

    The grown network does not exist yet: a network stands in for it that has as many channels more, each layer an equal
    number.

    Args:
        spec: the backbone.
        recipe: of each phase, but for its epochs and views.
        settings: the phases and the growth.
        images: in an epoch.

    Raises `CannotGrow`, and `UsageError` for a training whose steps are others than those that are measured.
    """
    _require_followed(spec, recipe)
    growth = GrowthStep(spec, create_model(spec), settings.growth)
    optimiser, grown = _OPTIMISERS[recipe.optimiser], growth.even_spec()
    found: list[Part] = []
    for phase in phases_of(settings, recipe, Path("OUT")):
        if phase.recipe is None:
            found += _of_growth(spec, growth, found[0].step.images, settings, math.ceil(images / recipe.batch_size))
            continue
        name, network = ("backbone", spec) if phase.name == "first" else ("grown", grown)
        views = views_in(phase.recipe)
        at_once = views * recipe.batch_size
        called = f"{name}-{views}-views" if views > 1 else name
        step = Step(called, network, TrainingStep("train", optimiser), at_once)
        steps = Plan(images, recipe.batch_size).steps
        found.append(Part(phase.name, phase.recipe.epochs, step, phase.recipe.epochs * steps))
    return tuple(found)


def _require_followed(spec: ModelSpec, recipe: Recipe) -> None:
    if spec.code:
        raise UsageError(HOST_ALONE.format(spec.code), "Ask about a network of the zoo that is as large.")
    usual = Recipe()
    for name in _NOT_FOLLOWED:
        if getattr(recipe, name) != getattr(usual, name):
            raise UsageError(
                f"The recipe has {name} {getattr(recipe, name)}, and what is measured are steps of whole batches in "
                "float32, with all weights learning.",
                f"Leave {name} out for the estimate.",
            )


def _of_growth(spec: ModelSpec, growth: GrowthStep, at_once: int, settings: Gearnn, steps: int) -> list[Part]:
    about = settings.growth
    optimise = TrainingStep("optimise", k_new=about.k_new, bundles=growth.bundles)
    passes, found = about.epochs, []
    found.append(Part("grow", passes, Step("probe-optimised", spec, optimise, at_once), passes * steps))
    if about.select != "random":
        found.append(Part("grow", 1, Step("probe-scored", spec, replace(optimise, kind="score"), at_once), steps))
    return found
