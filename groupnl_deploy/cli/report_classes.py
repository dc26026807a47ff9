"""How right models are class by class, on the terminal and as a picture."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from groupnl_deploy.cli import console
from groupnl_deploy.cli.confusion_text import show_confusion
from groupnl_deploy.cli.picture_file import picture_format
from groupnl_deploy.errors import UsageError

if TYPE_CHECKING:
    from groupnl_deploy.report.build import Report
    from groupnl_deploy.report.classes import ClassSection


def class_shower(classes: bool, picture: Path | None, format: str) -> "Callable[[Report], None]":
    """What shows a report's classes as it is asked for; refuses now what cannot be shown so."""
    if classes and format != "table":
        raise UsageError(
            f"--classes is for tables: {format} {'leaves the classes out' if format == 'csv' else 'has them always'}.",
            "Leave --classes out, or ask for --format table or json.",
        )
    drawn_as = None if picture is None else picture_format(picture)

    def show(report: "Report") -> None:
        if not classes and picture is None:
            return
        sections = _sections(report)
        if classes:
            _show(sections)
        if picture is not None and drawn_as is not None:
            _draw(sections, picture, drawn_as)

    return show


def _show(sections: "Sequence[ClassSection]") -> None:
    """The tables of every model, names shortened into the terminal's width."""
    from groupnl_deploy.report.classes import READ_IT

    for section in sections:
        console.show_text("")
        console.show_prose(section.title)
        show_confusion(section.confusion)
    console.show_prose(READ_IT)


def _sections(report: "Report") -> "tuple[ClassSection, ...]":
    from groupnl_deploy.report.classes import class_sections

    sections = class_sections(report)
    if not sections:
        raise UsageError(
            "None of these runs has a trained network's answers to labelled images, so no classes can be counted.",
            "Bench a network on this machine's copy of the data set that it was trained on.",
        )
    return sections


def _draw(sections: "Sequence[ClassSection]", out: Path, format: str) -> None:
    from groupnl_deploy.report.confusion_plot import draw_confusion
    from groupnl_deploy.workspace import write_atomically

    write_atomically(out, draw_confusion(sections, format))
    console.say(f"Drawn in {out}")
