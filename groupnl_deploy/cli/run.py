"""`groupnl run`: a whole campaign from one file."""

from pathlib import Path
from typing import Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import resuming
from groupnl_deploy.cli.options import Json
from groupnl_deploy.cli.report import require_valid, show_report
from groupnl_deploy.errors import Stopped


@resuming
def run(
    config: Annotated[Path, typer.Argument(help="A campaign file, such as examples/digits.toml.")],
    from_: Annotated[str | None, typer.Option("--from", help="Redo everything from this stage on.")] = None,
    to: Annotated[str, typer.Option("--to", help="Stop after this stage.")] = "report",
    json: Json = False,
) -> None:
    """Train, export, push, bench and report, as the file says. What is up to date is not done again.

    The stages are train, export, push, bench, report.
    Example: groupnl run examples/digits.toml --from bench
    """
    from groupnl_deploy.campaign.config import load_campaign
    from groupnl_deploy.campaign.pipeline import STAGES, run_campaign
    from groupnl_deploy.campaign.words import speaking_of
    from groupnl_deploy.words import command_line, known_word

    campaign = load_campaign(config)
    for stage in (from_, to):
        if stage is not None:
            known_word("stage", stage, STAGES)
    try:
        with speaking_of(config):
            result = run_campaign(campaign, console.TerminalReporter(), from_, to)  # type: ignore[arg-type]
    except KeyboardInterrupt as error:
        if from_ is None:
            raise
        raise Stopped(
            f"Nothing half-written was left. The same command does all from {from_} on once more; without --from it "
            "goes on, and takes what was not redone yet for done."
        ) from error
    if json:
        console.show_json(result)
    elif result.report is not None and to == "report":
        show_report(result.report, "table")
    console.say(f"Everything is kept in {result.out}")
    if result.report is not None:
        require_valid(result.report, f"run {command_line('run', config, '--from', 'bench')}")
