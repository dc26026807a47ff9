"""What a user changes of a recipe, as options, campaign keys or `--set name=value`, and the recipe that this makes."""

import typing
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar

from device_agent.strict import StrictError, from_dict
from groupnl_deploy.errors import InvalidSetting, UsageError
from groupnl_deploy.images.datasets import RESIZED
from groupnl_deploy.images.source import base_name
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.recipes import FINETUNE, RECIPES, default_recipe, of_dataset
from groupnl_deploy.training.unread import unread_fields
from groupnl_deploy.words import known_word

NOTHING = "none"
"""What stands for None, where a field of a recipe may be that: None itself leaves the recipe as it is."""
WITH_OPTION = (
    "epochs",
    "batch_size",
    "lr",
    "augmentation",
    "flip",
    "lr_decay_by_depth",
    "freeze",
    "threads",
    "accumulate",
    "precision",
    "compile",
)
"""Fields that have an option of their own; all can be set by `--set`."""

T = TypeVar("T")
_WORDS = {"true": True, "false": False}
_NUMBERS = {2: "two numbers with a comma", 3: "three numbers with commas"}
_KINDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
    NoneType: NOTHING,
}


def _with_recipe_fields(cls: type[T]) -> type[T]:
    """Give a class that is going to be a dataclass every field of `Recipe` but the seed, None where nothing is said."""
    hints = typing.get_type_hints(Recipe)
    names = [field.name for field in fields(Recipe) if field.name != "seed"]
    cls.__annotations__ = cls.__annotations__ | {name: _sayable(hints[name]) for name in names}
    for name in names:
        setattr(cls, name, None)
    return cls


def _may_be_none() -> frozenset[str]:
    """The fields of `Recipe` that can be None, where `NOTHING` is no word of their own."""
    hints = typing.get_type_hints(Recipe)
    return frozenset(name for name, hint in hints.items() if type(None) in typing.get_args(hint))


def _sayable(hint: Any) -> Any:
    """The type of a field of which something may be said. Unknown words are the recipe's to refuse."""
    if typing.get_origin(hint) is Literal:
        return str | None
    if type(None) not in typing.get_args(hint):
        return hint | None
    return hint if str in typing.get_args(hint) else hint | Literal["none"]


@dataclass(frozen=True, kw_only=True)
@_with_recipe_fields
class RecipeChanges:
    """What a user says of a training: all fields of `Recipe` but the seed. None is what was left unsaid, and stays.

    `NOTHING` is None, where a recipe may have that.

    Args:
        recipe: a key of `RECIPES`; left out, "finetune" where a training begins with a checkpoint, else that of the
            data set and the network.
    """

    recipe: str | None = None

    @property
    def said(self) -> dict[str, Any]:
        """The fields of `Recipe` that something is said of."""
        names = [field.name for field in fields(RecipeChanges) if field.name != "recipe"]
        values = {name: getattr(self, name) for name in names}
        emptied = {name for name in _may_be_none() if values.get(name) == NOTHING}
        return {name: None if name in emptied else value for name, value in values.items() if value is not None}


def with_settings(changes: RecipeChanges, settings: Sequence[str]) -> RecipeChanges:
    """Add what `--set` says, such as "mixup=0", "clip_norm=none" or "lr_noise=0.42,0.9".

    Raises `UsageError` for an unknown field, one that is said twice, and a value of another type.
    """
    known = [field.name for field in fields(RecipeChanges) if field.name != "recipe"]
    for setting in settings:
        name, mark, text = setting.partition("=")
        if not mark or not text:
            raise UsageError(f"--set {setting} names no value.", "Write --set NAME=VALUE, as --set lr=0.05.")
        if name == "seed":
            raise UsageError("The seed is no field that --set changes.", f"Write --seed {text}.")
        known_word("field of a recipe", name, known)
        if getattr(changes, name) is not None:
            raise UsageError(f"{name} is said twice.", f"Say it once; --set {setting} is the second.")
        try:
            said = from_dict(RecipeChanges, {name: _value(text)}, "--set")
        except StrictError as error:
            raise UsageError(f"{name} is “{text}”, and must be {_wanted(name)}.", _such_as(name)) from error
        changes = replace(changes, **{name: getattr(said, name)})
    return changes


@dataclass(frozen=True)
class ChosenRecipe:
    """The recipe of a training, and the name of the one that it was made from."""

    name: str
    recipe: Recipe

    @property
    def changed(self) -> dict[str, Any]:
        """The fields that are not as the name means them, the seed aside."""
        known = replace(RECIPES[self.name], seed=self.recipe.seed)
        values = ((field.name, getattr(self.recipe, field.name)) for field in fields(Recipe))
        return {name: value for name, value in values if value != getattr(known, name)}

    def __str__(self) -> str:
        changes = ", ".join(f"{name} {text_of(value)}" for name, value in self.changed.items())
        return f"{self.name} with {changes}" if changes else self.name


def recipe_for(
    dataset: str, changes: RecipeChanges, seed: int = 0, init: bool = False, network: str | None = None
) -> Recipe:
    """The recipe of a training; see `choose_recipe`."""
    return choose_recipe(dataset, changes, seed, init, network).recipe


def choose_recipe(
    dataset: str, changes: RecipeChanges, seed: int = 0, init: bool = False, network: str | None = None
) -> ChosenRecipe:
    """The recipe of a training, with its name.

    Args:
        dataset: the name of the data set.
        changes: what the user said.
        seed: of everything random.
        init: whether the training begins with a checkpoint.
        network: the registered name of the network; None for one of the user's own.

    Raises `UsageError` for an unknown recipe, `InvalidSetting` for a change that would do nothing and `InvalidRecipe`
    for one that trains nothing.
    """
    word = known_word("recipe", changes.recipe or (FINETUNE if init else default_recipe(dataset, network)), RECIPES)
    base = RECIPES[word]
    if word == FINETUNE:  # what may happen to an image depends on the images: a mirrored digit is no digit
        own = of_dataset(dataset)
        base = replace(base, augmentation=own.augmentation, max_shift_pixels=own.max_shift_pixels)
    made = replace(base, seed=seed, **changes.said)
    made = made.of_epochs(made.epochs)
    _require_use(changes, base, made, init, dataset)
    if changes.recipe == FINETUNE and not init:
        raise InvalidSetting(
            "The {recipe} finetune goes on from a trained network, and none was named.",
            "Name its folder as {init}, or choose another recipe.",
            "recipe",
            "init",
        )
    return ChosenRecipe(word, made)


def _require_use(changes: RecipeChanges, base: Recipe, made: Recipe, init: bool, dataset: str) -> None:
    unread = unread_fields(made)
    if base_name(dataset) not in RESIZED:
        unread |= dict.fromkeys(("test_crop", "test_interpolation"), f"with {dataset}, whose images are shown whole")
    for name, value in changes.said.items():
        if name in unread and value != getattr(base, name):
            called = f"{{{name}}}" if name in WITH_OPTION else name
            raise InvalidSetting(f"{called} would do nothing {unread[name]}.", f"Leave {called} out.", name)
    if "freeze" in changes.said and not init:
        raise InvalidSetting(
            "{freeze} would keep random weights as they are: this training begins with no checkpoint.",
            "Leave {freeze} out, or name a trained network as {init}.",
            "freeze",
            "init",
        )


def text_of(value: Any) -> str:
    """A value of a field as `--set` takes it."""
    if value is None:
        return NOTHING
    if isinstance(value, tuple):
        return ",".join(text_of(part) for part in value)
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _wanted(name: str) -> str:
    """What a field can be, for people."""
    hint = typing.get_type_hints(Recipe)[name]
    return " or ".join(map(_called, typing.get_args(hint) if isinstance(hint, UnionType) else (hint,)))


def _called(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return f"one of {', '.join(typing.get_args(hint))}"
    if typing.get_origin(hint) is tuple:
        return f"{_NUMBERS[len(typing.get_args(hint))]} between them"
    return _KINDS[hint]


def _such_as(name: str) -> str:
    """How to say a value of a field: as the first recipe that has one."""
    values = (getattr(recipe, name) for recipe in RECIPES.values())
    found = next((value for value in values if value is not None), None)
    return f"Write such as --set {name}={text_of(found)}."


def _value(text: str) -> Any:
    """What a text on the command line means: a truth, a number, numbers, else a word."""
    if text in _WORDS:
        return _WORDS[text]
    if "," in text:
        return [_value(part) for part in text.split(",")]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
