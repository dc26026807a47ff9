"""`groupnl recipes`: how networks are trained, by name."""

from dataclasses import fields
from typing import Annotated

import typer

from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import Json
from groupnl_deploy.cli.training_options import RecipeSettings
from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.datasets import module_of
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.training.from_timm import needs_timm
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.recipe_changes import RecipeChanges, recipe_for, text_of, with_settings
from groupnl_deploy.training.recipes import ABOUT, FINETUNE, RECIPES, default_recipe
from groupnl_deploy.training.unread import unread_fields


@guarded
def recipes(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The one to print. Left out: which there are.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Print the one that this data set takes by default.")] = None,
    model: Annotated[str | None, typer.Option(help="Of this network, beside --dataset.")] = None,
    settings: RecipeSettings = None,
    json: Json = False,
) -> None:
    """Print a recipe, field by field, as `groupnl train` would follow it. Without a name: which there are.

    Example: groupnl recipes cifar

    Example: groupnl recipes cifar --set lr=0.05 --set nesterov=true

    Example: groupnl recipes --dataset digits --model mobilenetv1_cifar
    """
    if name is None and dataset is None:
        _require_alone(model, settings)
        _show_all(json)
        return
    if name is not None and dataset is not None:
        raise UsageError("Both name a recipe: NAME and --dataset.", "Leave one of them out.")
    if dataset is not None:
        network = None if model is None else model_spec(model).name
        module_of(dataset)
        name = default_recipe(dataset, network)
    else:
        _require_alone(model, None)
    made = recipe_for("", with_settings(RecipeChanges(recipe=name), settings or ()), init=name == FINETUNE)
    if json:
        console.show_json({"schema_version": 1, "name": name, "recipe": to_dict(made)})
        return
    console.show_text(f"{name}: {ABOUT[name or '']}")
    console.show_table((("Field", False), ("Value", False)), list(shown(made).items()))


def shown(recipe: Recipe) -> dict[str, str]:
    """Every field that something reads, with its value as `--set` takes it."""
    unread = unread_fields(recipe)
    names = [field.name for field in fields(recipe) if field.name not in unread]
    return {name: text_of(getattr(recipe, name)) for name in names}


def _show_all(json: bool) -> None:
    if json:
        console.show_json({"schema_version": 1, "recipes": {name: to_dict(made) for name, made in RECIPES.items()}})
        return
    rows = [(name, ABOUT[name], "timm" if needs_timm(recipe) else "–") for name, recipe in RECIPES.items()]
    console.show_table((("Recipe", False), ("For", False), ("Needs", False)), rows)


def _require_alone(model: str | None, settings: list[str] | None) -> None:
    if model is not None:
        raise UsageError("--model says nothing without --dataset.", "Add --dataset, or leave --model out.")
    if settings:
        raise UsageError("--set changes a recipe, and none is named.", "Name it: groupnl recipes cifar --set lr=0.05.")
