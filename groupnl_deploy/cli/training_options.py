"""The options of `RecipeChanges`: one for each field."""

from typing import Annotated

import typer

from groupnl_deploy.training.recipe import AUGMENTATIONS
from groupnl_deploy.training.recipes import RECIPES, RecipeChanges

TrainingOptions = Annotated[
    RecipeChanges,
    {
        "recipe": typer.Option(
            help=f"{', '.join(RECIPES)}. Left out: finetune with --init, else digits for the digits and images for "
            "others. The options below change single numbers of it."
        ),
        "epochs": typer.Option(help="Passes over the training images."),
        "batch_size": typer.Option(help="Images a step."),
        "lr": typer.Option(help="The learning rate after the warm-up."),
        "augmentation": typer.Option(
            "--augmentation", "--augment", help=f"What happens to training images: {', '.join(AUGMENTATIONS)}."
        ),
        "flip": typer.Option("--flip/--no-flip", help="Whether crop_flip_jitter mirrors; not for text or digits."),
        "lr_decay_by_depth": typer.Option(help="The learning rate of each stage, over that of the stage behind it."),
        "freeze": typer.Option(
            metavar="STAGE", help="Learn nothing up to this stage (or module, as groupnl models show prints them)."
        ),
        "threads": typer.Option(
            help="Threads of PyTorch, which the last bits depend on. 0 is every core; then they depend on the machine."
        ),
    },
]
"""A parameter of a command that `with_option_groups` spreads."""
