"""`groupnl grow`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.checkpoint_json import checkpoint_json
from groupnl_deploy.cli.evaluate_options import DatasetName
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.growth_text import show_growth
from groupnl_deploy.cli.options import DataFolder, Json, OutFolder
from groupnl_deploy.cli.own_options import ModuleAgain, again, load_named, needing_module
from groupnl_deploy.growth.choices import Residual, Select
from groupnl_deploy.mistaken import require_is
from groupnl_deploy.words import command_line
from groupnl_deploy.workspace import require_absent


@guarded
def grow(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="The folder of the network that grows.")],
    out: OutFolder,
    gamma: Annotated[float, typer.Option(help="More channels, as a share of those there are, such as 0.9.")],
    k_new: Annotated[int, typer.Option("--k-new", help="Candidates for new channels of each layer.")] = 70,
    select: Annotated[
        Select,
        typer.Option(help="By score over all layers, at random, or the best of every layer in equal numbers."),
    ] = "score",
    residual: Annotated[
        Residual,
        typer.Option(help="Keep channels that a sum reads, or add them to all layers before the sum at once."),
    ] = "inner",
    multiple_of: Annotated[
        int, typer.Option("--multiple-of", metavar="4|8", help="Grown layers have a multiple of so many channels.")
    ] = 1,
    compat: Annotated[
        Literal["firefly"] | None,
        typer.Option(help="Do as Firefly's released code where it departs from its paper (docs/growth.md)."),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the images in which candidates are optimised.")] = 1,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="Images at once; as in its training if left out.")
    ] = None,
    dataset: DatasetName = None,
    data: DataFolder = None,
    module: ModuleAgain = None,
    seed: Annotated[int, typer.Option(min=0, help="Of candidates, of the order of images and of --select random.")] = 0,
    json: Json = False,
) -> None:
    """Add the channels to a network that it gains most from: one growth step of GEARnn.

    Each filter may be split in two, and each layer may get new ones. Candidates are optimised on the training images
    and scored in one more pass; the best are added. The wider network is one with widths of its own, and is trained
    on, exported and measured as any other. growth.json in its folder says what became of each layer.

    Example: groupnl grow net --gamma 0.9 --out grown

    Example: groupnl grow net --gamma 0.5 --k-new 16 --select uniform --multiple-of 8 --out grown
    """
    require_is(checkpoint, "checkpoint")
    require_absent(out)
    from groupnl_deploy.growth.step import GrowthSettings
    from groupnl_deploy.training.checkpoint import checkpoint_id
    from groupnl_deploy.training.growing import grow_checkpoint

    settings = GrowthSettings(gamma, k_new, select, residual, multiple_of, compat or "", epochs, seed)
    load_named(module)
    with needing_module("grow", checkpoint, "--gamma", gamma, "--out", out):
        _, record = grow_checkpoint(
            checkpoint, out, settings, console.TerminalReporter(), dataset=dataset, data=data, batch_size=batch_size
        )
    if json:
        from device_agent.strict import to_dict

        console.show_json(checkpoint_json(out, checkpoint_id(out)) | {"growth": to_dict(record)})
        return
    show_growth(record)
    lies = () if data is None else ("--data", data)
    following = command_line(
        "train", "--init", out, *again(module), "--dataset", record.dataset, *lies, "--out", f"{out}-trained"
    )
    console.say(f"{out}: {record.label}. Growth does not keep the function; train it on: {following}")
