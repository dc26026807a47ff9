"""The form that a report is asked for in, and the file that it is written to."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from groupnl_deploy.cli import console
from groupnl_deploy.errors import UsageError
from groupnl_deploy.report.formats import REPORT_FORMATS, SUFFIXES, ReportFormat

if TYPE_CHECKING:
    from groupnl_deploy.report.build import Report

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


def deliver(
    report: "Report", format: ReportFormat, out: Path | None, show: "Callable[[Report, ReportFormat], None]"
) -> None:
    """Show a report, or write it: whole or not at all."""
    if out is None:
        show(report, format)
        return
    from groupnl_deploy.workspace import write_atomically

    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        show(report, format)
    write_atomically(out, text.getvalue().encode("utf-8"))
    console.say(f"Written to {out}")
