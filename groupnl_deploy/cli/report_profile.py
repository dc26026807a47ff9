"""Where the time of an inference goes, on the terminal."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from groupnl_deploy.cli import console
from groupnl_deploy.errors import UsageError

if TYPE_CHECKING:
    from groupnl_deploy.report.build import Report
    from groupnl_deploy.report.profile_tables import ProfileSection


def profile_shower(asked: bool, form: str) -> "Callable[[Report], None]":
    """What shows the profiles of a report's runs if that is asked for; refuses now what cannot be shown so."""
    if asked and form not in ("table", "json", "html"):
        raise UsageError(
            f"--profile is for tables, and {form} has no profile.",
            "Leave --profile out, or write a page: --out x.html.",
        )

    def show(report: "Report") -> None:
        if asked and form == "table":
            show_profiles(report)
        elif asked and form == "html":  # the page has them anyway
            _profiles(report)

    return show


def show_profiles(report: "Report") -> None:
    """The tables of every run that was profiled. Raises `UsageError` where none was."""
    for section in _profiles(report):
        console.show_text("")
        console.show_prose(section.title)
        for table in section.tables:
            console.show_text("")
            console.show_prose(table.title)
            console.show_table(table.headings, table.rows)
        for note in section.notes:
            console.show_prose(note)


def _profiles(report: "Report") -> "tuple[ProfileSection, ...]":
    from groupnl_deploy.report.profile_tables import profile_sections

    sections = profile_sections(report)
    if not sections:
        raise UsageError("None of these runs was profiled.", "Bench again with --profile.")
    return sections
