"""The form that a report is asked for in, and the file that it is written to."""

import contextlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from groupnl_deploy.cli import console
from groupnl_deploy.errors import UsageError
from groupnl_deploy.report.formats import REPORT_FORMATS, SUFFIXES, ReportFormat

if TYPE_CHECKING:
    from groupnl_deploy.report.extras import Extras

_OF_SUFFIX: dict[str, ReportFormat] = {f".{suffix}": format for format, suffix in SUFFIXES.items()}


def wanted_format(format: str | None, json: bool, out: Path | None) -> ReportFormat:
    """The format that is asked for in any way: by name, by --json, or by the ending of a file."""
    from groupnl_deploy.words import known_word

    said = None if format is None else known_word("format", format, REPORT_FORMATS)
    if json and said not in (None, "json"):
        raise UsageError(
            f"--json and --format {format} ask for two formats at once.", f"Leave one of them out: --format {format}."
        )
    ending = None if out is None else _OF_SUFFIX.get(out.suffix.lower())
    if out is not None and ending is None and out.suffix and not json and said is None:
        known = ", ".join(_OF_SUFFIX)
        raise UsageError(f"{out} ends as no report does; known are {known}.", f"Name the file {out.stem}.html.")
    wanted = "json" if json else said or ending or "table"
    if ending not in (None, wanted) and not (out and out.suffix == ".txt"):
        raise UsageError(
            f"{out} ends as a file of {ending} does, and the format is {wanted}.",
            f"Name the file {out.stem if out else ''}.{SUFFIXES[wanted]}, or ask for --format {ending}.",
        )
    return wanted


def require_place(out: Path | None, format: ReportFormat) -> None:
    """Refuse now a file that is there already, and a page on a terminal."""
    from groupnl_deploy.workspace import require_absent

    if out is not None:
        require_absent(out)
    elif format == "html" and console.is_terminal():
        raise UsageError("A page of HTML is no text for a terminal.", "Give it a file: --out report.html.")


def wanted_extras(format: ReportFormat, asked: "Extras", pivot: str | None, value: str | None) -> "Extras":
    """What is asked for beside the table; refuses now what cannot be shown so."""
    from groupnl_deploy.report.pivot import parse_pivot

    if value is not None and pivot is None:
        raise UsageError(f"--value {value} is for --pivot.", f"Add the rows: --pivot network --value {value}.")
    if asked.paper and format == "csv":
        raise UsageError("The paper's tables are no lines of runs, as a CSV has.", "Ask for --format json or markdown.")
    return asked if pivot is None else replace(asked, pivot=parse_pivot(pivot, value))


def deliver(show: Callable[[], None], out: Path | None) -> None:
    """Let a report be shown, or write what it shows: whole or not at all."""
    if out is None:
        show()
        return
    from groupnl_deploy.workspace import write_atomically

    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        show()
    write_atomically(out, text.getvalue().encode("utf-8"))
    console.say(f"Written to {out}")
