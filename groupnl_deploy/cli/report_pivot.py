"""The picture of a report's pivot."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from groupnl_deploy.cli import console
from groupnl_deploy.cli.picture_file import picture_format
from groupnl_deploy.errors import UsageError

if TYPE_CHECKING:
    from groupnl_deploy.report.build import Report
    from groupnl_deploy.report.pivot import Pivot


def pivot_drawer(pivot: "Pivot | None", picture: Path | None) -> "Callable[[Report], None]":
    """What draws a report's pivot as it is asked for; refuses now what cannot be drawn so."""
    if picture is None:
        return lambda report: None
    if pivot is None:
        raise UsageError(
            f"--plot {picture} draws a pivot, and none is asked for.",
            f"Add one: --pivot ratio,convolution --value accuracy --plot {picture}.",
        )
    drawn_as = picture_format(picture)

    def draw(report: "Report") -> None:
        from groupnl_deploy.report.pivot_plot import draw_pivot
        from groupnl_deploy.report.repeats import groups_of
        from groupnl_deploy.workspace import write_atomically

        write_atomically(picture, draw_pivot(groups_of(report), pivot, drawn_as))
        console.say(f"Drawn: {picture}")

    return draw
