"""The recipes by name, and what a user changes of them. To add one: its line in `RECIPES`."""

from dataclasses import dataclass, fields, replace
from typing import Any

from groupnl_deploy.errors import InvalidSetting
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.words import known_word

_PHOTOGRAPHS: dict[str, Any] = {"augmentation": "crop_flip_jitter", "decay_vectors": False, "label_smoothing": 0.1}

RECIPES: dict[str, Recipe] = {
    "digits": Recipe(),
    "images": Recipe(epochs=30, lr=0.05, warmup_epochs=2, **_PHOTOGRAPHS),
    "finetune": Recipe(
        epochs=8,
        batch_size=16,
        lr=0.01,
        lr_decay_by_depth=0.8,
        weight_decay=1e-4,
        clip_norm=5.0,
        warmup_epochs=0.25,
        **_PHOTOGRAPHS,
    ),
}
"""digits: few small drawings. images: from random weights on photographs. finetune: from a trained network."""

_OF_DATASETS = {"digits": "digits"}
_FINETUNE, _IMAGES = "finetune", "images"


@dataclass(frozen=True, kw_only=True)
class RecipeChanges:
    """What a user says of a training. None is what was left unsaid, and stays as the recipe has it.

    Args:
        recipe: a key of `RECIPES`; left out, "finetune" where a training begins with a checkpoint, else the data set's.
        epochs: and the others: see `Recipe`.
    """

    recipe: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    augmentation: str | None = None
    flip: bool | None = None
    lr_decay_by_depth: float | None = None
    freeze: str | None = None
    threads: int | None = None


def recipe_for(dataset: str, changes: RecipeChanges, seed: int = 0, init: bool = False) -> Recipe:
    """The recipe of a training.

    Args:
        dataset: the name of the data set.
        changes: what the user said.
        seed: of everything random.
        init: whether the training begins with a checkpoint.

    Raises `UsageError` for an unknown recipe, `InvalidSetting` for a change that would do nothing and `InvalidRecipe`
    for one that trains nothing.
    """
    of_dataset = _OF_DATASETS.get(dataset, _IMAGES)
    word = changes.recipe or (_FINETUNE if init else of_dataset)
    base = RECIPES[known_word("recipe", word, RECIPES)]
    if word == _FINETUNE:  # what may happen to an image depends on the images: a mirrored digit is no digit
        base = replace(base, augmentation=RECIPES[of_dataset].augmentation)
    said = {field.name: getattr(changes, field.name) for field in fields(RecipeChanges) if field.name != "recipe"}
    made = replace(base, seed=seed, **{name: value for name, value in said.items() if value is not None})
    made = replace(made, warmup_epochs=min(made.warmup_epochs, made.epochs / 2))  # short trainings need their rate, too
    _require_use(changes, made, init)
    if changes.recipe == _FINETUNE and not init:
        raise InvalidSetting(
            "The {recipe} finetune goes on from a trained network, and none was named.",
            "Name its folder as {init}, or choose another recipe.",
            "recipe",
            "init",
        )
    return made


def _require_use(changes: RecipeChanges, recipe: Recipe, init: bool) -> None:
    if changes.flip is not None and recipe.augmentation != "crop_flip_jitter":
        raise InvalidSetting(
            f"{{flip}} would do nothing: with {recipe.augmentation} no image is mirrored.",
            "Leave {flip} out.",
            "flip",
        )
    if changes.freeze is not None and not init:
        raise InvalidSetting(
            "{freeze} would keep random weights as they are: this training begins with no checkpoint.",
            "Leave {freeze} out, or name a trained network as {init}.",
            "freeze",
            "init",
        )
