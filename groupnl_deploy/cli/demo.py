"""`groupnl demo`: the main job from a campaign file that is part of the package, without hardware or a checkout."""

from pathlib import Path
from typing import Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import resuming
from groupnl_deploy.cli.options import AllowInvalid, Json
from groupnl_deploy.cli.run import carry_out

DEMO_OUT = Path("runs/digits")


@resuming
def demo(
    out: Annotated[
        Path, typer.Option("--out", help="The folder that keeps everything; what is there goes on.")
    ] = DEMO_OUT,
    workers: Annotated[
        int, typer.Option(help="Train and export in this many processes beside each other.", metavar="N", min=1)
    ] = 2,
    allow_invalid: AllowInvalid = False,
    json: Json = False,
) -> None:
    """The whole job on this machine: train, export, push, bench with an emulated meter, report. About three minutes.

    A standard and a GroupNL network learn handwritten digits, and both are benchmarked by PyTorch and ONNX Runtime. The
    campaign file lies in the folder then: change it, and groupnl run does what follows from the change.

    Example: groupnl demo --out mydemo
    """
    from groupnl_deploy.campaign.choice import Choice
    from groupnl_deploy.campaign.demo import write_demo
    from groupnl_deploy.campaign.load import load_campaign

    file, is_ours = write_demo(out)
    if not is_ours:
        console.say(f"{file} is not the demo's own any more, and is used as it is.")
    carry_out(file, load_campaign(file), Choice(workers=workers), allow_invalid=allow_invalid, json=json)
