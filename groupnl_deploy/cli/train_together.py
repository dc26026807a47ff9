"""One process among those that train together: only the first one talks, and a failure is told once."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.debug import debugging
from groupnl_deploy.errors import TrainingDiverged
from groupnl_deploy.training.launch import ENDED
from groupnl_deploy.training.peers import OtherRankFailed, PeerLost, ToldByFirst
from groupnl_deploy.training.running import Running

if TYPE_CHECKING:
    from groupnl_deploy.training.ranks import Ranks

_TOLD_BY_OTHERS = (OtherRankFailed, PeerLost, ToldByFirst, TrainingDiverged)


@contextlib.contextmanager
def training_together(running: Running) -> Iterator["Ranks"]:
    """The processes that torchrun has started, or this one alone."""
    from groupnl_deploy.training.ranks import joined, ranks_of

    ranks = ranks_of(running.compute)
    try:
        with _silent() if not ranks.first else contextlib.nullcontext(), joined(ranks):
            yield ranks
    except _TOLD_BY_OTHERS as error:
        started_again = isinstance(error, PeerLost) and ENDED in os.environ
        if ranks.first and not started_again:
            raise
        if isinstance(error, ToldByFirst) and debugging():
            console.show_traceback(error)
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt as error:
        if ranks.first:
            raise
        raise typer.Exit(1) from error


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
        stack.enter_context(contextlib.redirect_stdout(nowhere))
        stack.enter_context(contextlib.redirect_stderr(nowhere))
        yield


def without_option(arguments: Sequence[str], option: str) -> list[str]:
    """A command line without an option that has a value, however it is written."""
    left = list(arguments)
    while option in left:
        at = left.index(option)
        del left[at : at + 2]
    return [argument for argument in left if not argument.startswith(f"{option}=")]
