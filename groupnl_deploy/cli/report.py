"""`groupnl report`: run folders as a table, JSON, CSV or Markdown; no board is needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import Json
from groupnl_deploy.errors import MeasurementInvalid, UsageError

if TYPE_CHECKING:
    from groupnl_deploy.report.build import Report

FORMATS = ("table", "json", "csv", "markdown")


@guarded
def report(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Runs or campaign folders; all under runs/ if left out.")
    ] = None,
    format: Annotated[str, typer.Option("--format", help="table, json, csv or markdown.")] = "table",
    json: Json = False,
) -> None:
    """Show runs side by side, in the form of the paper's Tables 11 and 12.

    Example: groupnl report runs/digits --format markdown
    """
    from groupnl_deploy.report.build import build_report
    from groupnl_deploy.words import known_word

    known_word("format", format, FORMATS)
    show_report(build_report(_expand(runs) if runs else _all_runs()), "json" if json else format)


def show_report(report: "Report", format: str) -> None:
    """A report on stdout, in one of `FORMATS`."""
    from groupnl_deploy.report.tables import columns, notes, render

    if format != "table":
        console.show_text(render(report, format))  # type: ignore[arg-type]
        return
    shown = columns(report)
    headings = [(column.heading, column.numeric) for column in shown]
    console.show_records(headings, [[column.cell(row) for column in shown] for row in report.rows])
    for note in notes(report):
        console.show_prose(note)


def require_valid(report: "Report") -> None:
    """Raise `MeasurementInvalid` when a row's numbers should not be trusted."""
    doubtful = [row for row in report.rows if row.problems]
    if doubtful:
        raise MeasurementInvalid(
            f"{doubtful[0].run}: {doubtful[0].problems[0]}"
            + (f" (and {len(doubtful) - 1} more runs)." if len(doubtful) > 1 else "."),
            "The run is kept and marked; remove the cause and bench again.",
        )


def _expand(folders: list[Path]) -> list[Path]:
    """A campaign's folder stands for its runs; any other folder for itself."""
    return [run for folder in folders for run in (_runs_of(folder / "runs") or [folder])]


def _runs_of(folder: Path) -> list[Path]:
    from groupnl_deploy.workspace import RUN_FILE

    return sorted(path.parent for path in folder.glob(f"*/{RUN_FILE}"))


def _all_runs() -> list[Path]:
    found = _runs_of(Path("runs")) + [run for folder in sorted(Path("runs").glob("*/runs")) for run in _runs_of(folder)]
    if not found:
        raise UsageError("There are no runs under runs/ here.", "Name run folders, or make one with groupnl bench.")
    return found
