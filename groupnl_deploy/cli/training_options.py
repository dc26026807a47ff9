"""The options of `RecipeChanges`: one for each field that many change, and `--set` for all of them."""

from dataclasses import fields
from typing import Annotated, Any

import typer

from groupnl_deploy.training.recipe import AUGMENTATIONS, PRECISIONS
from groupnl_deploy.training.recipe_changes import RecipeChanges

_OWN: dict[str, Any] = {
    "recipe": typer.Option(
        help="A name from `groupnl recipes`. Left out: finetune with --init, else that of the data set and the "
        "network. The options below change single numbers of it."
    ),
    "epochs": typer.Option(help="Passes over the training images."),
    "batch_size": typer.Option(help="Images a step."),
    "lr": typer.Option(help="The learning rate after the warm-up."),
    "augmentation": typer.Option(
        "--augmentation", "--augment", help=f"What happens to training images: {', '.join(AUGMENTATIONS)}."
    ),
    "flip": typer.Option("--flip/--no-flip", help="Whether images are mirrored; not for text or digits."),
    "lr_decay_by_depth": typer.Option(help="The learning rate of each stage, over that of the stage behind it."),
    "freeze": typer.Option(
        metavar="STAGE", help="Learn nothing up to this stage (or module, as groupnl models show prints them)."
    ),
    "threads": typer.Option(
        help="Threads of PyTorch, which the last bits depend on. 0 is every core; then they depend on the machine."
    ),
    "accumulate": typer.Option(help="Compute each batch in so many parts, one after the other: less memory."),
    "precision": typer.Option(help=f"{', '.join(PRECISIONS)}: of convolutions and matrix products."),
    "compile": typer.Option("--compile/--no-compile", help="Compile the network by torch.compile."),
}
TrainingOptions = Annotated[RecipeChanges, {field.name: _OWN.get(field.name) for field in fields(RecipeChanges)}]
"""A parameter of a command that `with_option_groups` spreads."""

RecipeSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change any field of the recipe, as --set mixup=0 --set clip_norm=none; may be given several times. "
        "`groupnl recipes NAME` shows them.",
    ),
]
"""A parameter of a command, for `with_settings`."""
