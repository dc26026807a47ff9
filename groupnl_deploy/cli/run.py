"""`groupnl run`: a whole campaign from one file."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import resuming
from groupnl_deploy.cli.options import AllowInvalid, Json
from groupnl_deploy.cli.report import require_valid, show_report
from groupnl_deploy.errors import Stopped
from groupnl_deploy.report.formats import SUFFIXES
from groupnl_deploy.words import command_line

if TYPE_CHECKING:
    from groupnl_deploy.campaign.choice import Choice
    from groupnl_deploy.campaign.config import Campaign
    from groupnl_deploy.campaign.run import CampaignResult, StepAhead


@resuming
def run(
    config: Annotated[Path, typer.Argument(help="A campaign file, such as examples/digits.toml.")],
    from_: Annotated[str | None, typer.Option("--from", help="Redo everything from this stage on.")] = None,
    to: Annotated[str, typer.Option("--to", help="Stop after this stage.")] = "report",
    workers: Annotated[
        int, typer.Option(help="Train and export in this many processes beside each other.", metavar="N")
    ] = 1,
    list_: Annotated[bool, typer.Option("--list", help="Show the steps, and make nothing.")] = False,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="Make this step alone, by its name in --list; may be repeated."),
    ] = None,
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Run the code that the file names as module: networks of your own.")
    ] = False,
    allow_invalid: AllowInvalid = False,
    json: Json = False,
) -> None:
    """Train, export, push, bench and report, as the file says. What is up to date is not done again.

    The stages are train, export, push, bench, report. Several runs may share the folder that keeps everything, also
    from several machines: no step is made twice.

    Example: groupnl run examples/digits.toml --from bench

    Example: groupnl run examples/digits.toml --list
    """
    from groupnl_deploy.campaign.load import load_campaign
    from groupnl_deploy.campaign.words import speaking_of

    campaign = load_campaign(config)
    from groupnl_deploy.campaign.choice import Choice, require_allowed

    choice = Choice(from_, to, tuple(only or ()), workers, allow_code)
    require_allowed(campaign, choice)
    if list_:
        from groupnl_deploy.campaign.run import list_jobs  # PyTorch, which a mistake does not wait for

        with speaking_of(config):
            _show_steps(list_jobs(campaign, choice, console.say), json)
        return
    carry_out(config, campaign, choice, allow_invalid=allow_invalid, json=json)


def carry_out(config: Path, campaign: "Campaign", choice: "Choice", *, allow_invalid: bool, json: bool) -> None:
    """Run the campaign of a file, and show its report. Raises `MeasurementInvalid` unless that is allowed."""
    from groupnl_deploy.campaign.run import run_campaign
    from groupnl_deploy.campaign.words import speaking_of

    with speaking_of(config), _told_how_it_goes_on(choice.again_from):
        result = run_campaign(campaign, console.TerminalReporter(), choice)
    if json:
        console.show_json(_document(result))
    elif result.report is not None and choice.last == "report" and not choice.only:
        show_report(result.report, "table")
    console.say(f"Everything is kept in {result.out}")
    if (page := _page(result)) is not None:
        console.say(f"The report for a browser: {page}")
    if result.report is not None and not allow_invalid:
        require_valid(result.report, f"run {command_line('run', config, '--from', 'bench')}")


def _page(result: "CampaignResult") -> Path | None:
    """The report as HTML, where the campaign has made one."""
    pages = (Path(step.product) / f"report.{SUFFIXES['html']}" for step in result.steps if step.stage == "report")
    return next((page for page in pages if page.is_file()), None)


def _document(result: "CampaignResult") -> dict[str, Any]:
    """All of it for programs; the report as `groupnl report --json` has it."""
    from groupnl_deploy.report.render import document

    report = None if result.report is None else document(result.report)
    return {**to_dict(replace(result, report=None)), "report": report}


@contextlib.contextmanager
def _told_how_it_goes_on(again_from: str | None) -> Iterator[None]:
    """Ctrl-C in the block says so where the same command would not simply go on."""
    try:
        yield
    except KeyboardInterrupt as error:
        if again_from is None:
            raise
        raise Stopped(
            f"Nothing half-written was left. The same command does all from {again_from} on once more; without --from "
            "it goes on, and takes what was not redone yet for done."
        ) from error


def _show_steps(steps: "Sequence[StepAhead]", json: bool) -> None:
    """What would be made, in order."""
    if json:
        console.show_json({"schema_version": 1, "jobs": to_dict(steps)})
        return
    headings = [("Step", True), ("Name", False), ("State", False), ("Product", False)]
    rows = [
        (str(number), step.key, "up to date" if step.up_to_date else "to do", step.product)
        for number, step in enumerate(steps, start=1)
    ]
    console.show_table(headings, rows)
    if todo := [step.key for step in steps if not step.up_to_date]:
        console.say(f"{len(todo)} of {len(steps)} steps are to do. One alone: --only {todo[0]}")
