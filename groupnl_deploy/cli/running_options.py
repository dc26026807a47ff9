"""The options of `Running`: one for each field."""

from typing import Annotated

import typer

from groupnl_deploy.training.running import COMPUTES, USUAL_SECONDS, Running

RunningOptions = Annotated[
    Running,
    {
        "compute": typer.Option(help=f"What computes: {', '.join(COMPUTES)}. auto is a GPU where there is one."),
        "save_seconds": typer.Option(
            help=f"Save the state in the middle of an epoch, too, where so many seconds have passed "
            f"({USUAL_SECONDS:.0f} if left out)."
        ),
        "save_steps": typer.Option(help="And after so many steps."),
        "resume": typer.Option(
            "--resume", help="Refuse to begin anew: go on from the saved state of this very training, or fail."
        ),
        "best": typer.Option(
            "--best/--no-best",
            help="Keep the weights that were best on the test images as well, as OUT.best, unless they are the last.",
        ),
        "data_parallel": typer.Option(
            "--data-parallel", help="One process computes on all GPUs of this machine (torch.nn.DataParallel)."
        ),
        "tensorboard": typer.Option(metavar="DIR", help="Curves for TensorBoard too, in DIR/OUT; needs its package."),
    },
]
"""A parameter of a command that `with_option_groups` spreads."""
