"""`groupnl models curves`: loss and accuracy of trainings, epoch by epoch, as a picture."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.picture_file import picture_format
from groupnl_deploy.errors import UsageError


@guarded
def curves(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(metavar="CHECKPOINT", help="Checkpoints, or OUT.resume of a training that is not over."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The file: .png, .svg or .pdf; it must not exist yet.")],
) -> None:
    """Draw loss and accuracy of each epoch of a training; several trainings over one another.

    The loss is that of the training images, augmented as they were, and of the test images; the accuracy is that of the
    test images.

    Example: groupnl models curves net --out curves.png

    Example: groupnl models curves standard groupnl --out both.svg

    Example: groupnl models curves net.resume --out so-far.png
    """
    format = picture_format(out)
    from groupnl_deploy.report.training_plot import MOST_TRAININGS, draw_trainings
    from groupnl_deploy.training.read_log import training_curves
    from groupnl_deploy.workspace import write_atomically

    if len(checkpoints) > MOST_TRAININGS:
        raise UsageError(
            f"A picture shows at most {MOST_TRAININGS} trainings, and {len(checkpoints)} are named.",
            "Name those that are to be compared.",
        )
    if twice := [path for path, count in Counter(path.resolve() for path in checkpoints).items() if count > 1]:
        raise UsageError(f"{twice[0]} is named twice.", "Name each training once.")
    names = [path.resolve().name for path in checkpoints]
    found = [
        training_curves(path, name if names.count(name) == 1 else str(path))
        for path, name in zip(checkpoints, names, strict=True)
    ]
    write_atomically(out, draw_trainings(found, format))
    console.show_text(str(out))
