"""`groupnl report`: run folders as a table, JSON, CSV, Markdown or HTML; no board is needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import AllowInvalid, Json
from groupnl_deploy.cli.report_classes import class_shower
from groupnl_deploy.cli.report_file import deliver, require_place, wanted_extras, wanted_format
from groupnl_deploy.cli.report_pivot import pivot_drawer
from groupnl_deploy.cli.report_profile import profile_shower
from groupnl_deploy.errors import MeasurementInvalid, VerificationFailed
from groupnl_deploy.report.formats import ReportFormat

if TYPE_CHECKING:
    from groupnl_deploy.report.build import Report
    from groupnl_deploy.report.extras import Extras


@guarded
def report(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Runs, sets, campaigns, or folders of them; all under runs/ if left out."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", help="table, json, csv, markdown or html; else what --out ends in, else table."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="A file to make, such as report.html; it must not exist yet.")
    ] = None,
    classes: Annotated[
        bool, typer.Option("--classes", help="Below the table: accuracy class by class, and what was taken for what.")
    ] = False,
    confusion: Annotated[
        Path | None, typer.Option("--confusion", help="Draw what was taken for what: a .png, .pdf or .svg to make.")
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Below the table: what each layer takes, of runs of bench --profile.")
    ] = False,
    details: Annotated[
        bool, typer.Option("--details", help="Below the table: every number that it has no room for.")
    ] = False,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help="Every row beside this one: a run, a model's label, a convolution."),
    ] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="The paper's Tables 10, 11, 12 and 16 beside ours, with GroupNL/standard.")
    ] = False,
    pivot: Annotated[
        str | None,
        typer.Option(metavar="ROWS[,COLUMNS]", help="One number as a table of two columns of the CSV; with --value."),
    ] = None,
    value: Annotated[
        str | None, typer.Option("--value", metavar="NAME", help="The number of --pivot, such as p50_ms.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Draw the pivot, with its spread: a .png, .pdf or .svg to make; needs --pivot."),
    ] = None,
    allow_invalid: AllowInvalid = False,
    json: Json = False,
) -> None:
    """Show runs side by side, in the form of the paper's Tables 11 and 12, in the order they are named.

    What the rows differ in has a column; what they share is said once below. JSON and CSV have all of it. A damaged
    run is named on stderr, the others are shown, and the exit code is 4.

    Numbers of a run that something disturbed are marked, the reason is said, and the exit code is 6. So it is where a
    run was cut short: it is named, with what ended it, until it was benchmarked again under its name.

    The page of --format html is one file with charts of power and latencies. It needs no network.

    Example: groupnl report runs/digits --out report.html

    Example: groupnl report runs/digits --format markdown

    Example: groupnl report runs/before runs/after --format csv

    Example: groupnl report runs/digits --pivot convolution,backend --value p50_ms

    Example: groupnl report runs/ablations --pivot ratio,convolution --value accuracy --plot ratio.png

    Example: groupnl report runs/digits --classes --confusion confusion.png
    """
    wanted = wanted_format(format, json, out)
    require_place(out, wanted)
    show_classes = class_shower(classes, confusion, wanted)
    show_profile = profile_shower(profile, wanted)
    from groupnl_deploy.report.extras import Extras

    extras = wanted_extras(wanted, Extras(baseline, paper, details=details), pivot, value)
    draw = pivot_drawer(extras.pivot, plot)
    from groupnl_deploy.cli.report_places import all_runs, runs_of
    from groupnl_deploy.report.build import build_report

    built = build_report(runs_of(runs) if runs else all_runs(), drawn=wanted == "html")

    def show() -> None:
        show_report(built, wanted, extras)
        show_classes(built)
        show_profile(built)
        draw(built)

    deliver(show, out)
    require_whole(built)
    if not allow_invalid:
        require_valid(built)
        require_complete(built)


def show_report(report: "Report", format: ReportFormat, extras: "Extras | None" = None) -> None:
    """A report on stdout, with what is asked for beside its table."""
    from groupnl_deploy.report.extras import NONE
    from groupnl_deploy.report.extras import shown as shown_of
    from groupnl_deploy.report.grouped_reasons import brief_notes
    from groupnl_deploy.report.render import render
    from groupnl_deploy.report.tables import table_of

    if format != "table":
        show = console.show_json_text if format == "json" else console.show_text
        show(render(report, format, extras or NONE))
        return
    more = shown_of(report, extras or NONE)  # before anything is shown, for a name may name nothing
    if not report.rows and report.incomplete:
        return  # an empty table would only hide what is said of them
    table = table_of(report)
    headings = [(column.heading, column.numeric) for column in table.columns]
    console.show_records(headings, [[column.cell(row) for column in table.columns] for row in table.rows])
    for note in brief_notes(report):
        console.show_prose(note)
    for section in more:
        console.show_text("")
        console.show_prose(section.title)
        if section.headings:
            console.show_records(section.headings, section.rows)
        for note in section.notes:
            console.show_prose(note)


def require_valid(report: "Report", again: str = "bench again") -> None:
    """Raise `MeasurementInvalid` when a row's numbers must not be believed; `again` says how to measure anew."""
    invalid = [row for row in report.rows if not row.valid]
    if not invalid:
        _require_agreement(report, again)
        return
    first = next(check for check in invalid[0].checks if check.verdict == "invalid")
    others = f" {len(invalid)} of {len(report.rows)} runs are invalid." if len(invalid) > 1 else ""
    raise MeasurementInvalid(
        f"{invalid[0].run} is invalid: {first.says}.{others}",
        f"{first.remedy}, then {again}. What was measured is kept, and marked.",
    )


def _require_agreement(report: "Report", again: str) -> None:
    """Raise `MeasurementInvalid` for valid repeats of one thing that are too far apart."""
    from groupnl_deploy.report.repeats import disagreements

    for group, check in disagreements(report):
        raise MeasurementInvalid(
            f"{group.label}: {check.says}.", f"{check.remedy}, then {again}. What was measured is kept, and marked."
        )


def require_whole(report: "Report") -> None:
    """Name the damaged and incomplete runs; raise `VerificationFailed` when there are damaged ones."""
    from groupnl_deploy.report.tables import about_incomplete

    for run in report.damaged:
        console.say(f"{run.run} is damaged and not shown: {run.reason} {run.remedy}")
    for cut_short in report.incomplete:
        console.say(about_incomplete(cut_short))
    if report.damaged:
        count, of = len(report.damaged), len(report.damaged) + len(report.incomplete) + len(report.rows)
        others = "the others are shown" if report.rows else "none could be shown"
        raise VerificationFailed(
            f"{count} of {of} runs {'is' if count == 1 else 'are'} damaged; {others}.",
            "Bench again what is damaged, or leave its folder out.",
        )


def require_complete(report: "Report") -> None:
    """Raise `MeasurementInvalid` when a run was cut short."""
    count, of = len(report.incomplete), len(report.incomplete) + len(report.rows)
    if count:
        raise MeasurementInvalid(
            f"{count} of {of} runs {'is' if count == 1 else 'are'} incomplete, and what there is of "
            f"{'it' if count == 1 else 'them'} is no result.",
            "Bench again with the same --out (or run the same campaign again), or remove the folder.",
        )
