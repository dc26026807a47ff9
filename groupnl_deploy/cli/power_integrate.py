"""`groupnl power integrate`: joules of a window of a recording."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.file_options import FileOptions
from groupnl_deploy.cli.option_groups import with_option_groups
from groupnl_deploy.cli.options import IntegrationMethod, Json, Recording
from groupnl_deploy.errors import UsageError

if TYPE_CHECKING:
    from groupnl_deploy.report.energy_table import Integrated


@dataclass(frozen=True)
class WindowOptions:
    """From when to when, and what to do about waits."""

    from_s: Annotated[float | None, typer.Option("--from", help="Start, in seconds of t_s; else the first row.")] = None
    to_s: Annotated[
        float | None, typer.Option("--to", help="End; else as near to the last row as its error can be told.")
    ] = None
    from_mark: Annotated[
        str | None, typer.Option("--from-mark", metavar="LABEL", help="Start at a mark of `groupnl power mark`.")
    ] = None
    to_mark: Annotated[str | None, typer.Option("--to-mark", metavar="LABEL", help="End at a mark.")] = None
    idle_from_s: Annotated[float | None, typer.Option("--idle-from", help="Start of a window without load.")] = None
    idle_to_s: Annotated[float | None, typer.Option("--idle-to", help="Its end; net of idle is shown then.")] = None
    max_gap_s: Annotated[
        float | None, typer.Option("--max-gap", help="Longest wait between rows, in seconds; else three periods.")
    ] = None
    skip_gaps: Annotated[
        bool,
        typer.Option("--skip-gaps", help="Sum up what lies outside the holes, marked, instead of refusing a window."),
    ] = False

    def edges_s(self, recording: Path) -> tuple[float | None, float | None]:
        """Start and end, as far as they are given."""
        return (
            _instant(recording, "--from", self.from_s, self.from_mark),
            _instant(recording, "--to", self.to_s, self.to_mark),
        )

    def idle_s(self) -> tuple[float, float] | None:
        """The idle window, None without one."""
        if self.idle_from_s is None or self.idle_to_s is None:
            return None
        return self.idle_from_s, self.idle_to_s


@guarded
@with_option_groups
def integrate(
    *,
    recording: Recording,
    window: WindowOptions,
    method: IntegrationMethod = None,
    file: FileOptions,
    json: Json = False,
) -> None:
    """Integrate a window of a recording to joules, with the error that its edges may have.

    A window that is not covered, or that touches a hole, is refused (exit code 6) and never filled; --skip-gaps gives
    the joules outside the holes. Joules of a meter that renewed its values faster than it was asked are marked INVALID,
    and their error is not known.

    Recordings from elsewhere are read as they are where they are clear (`groupnl power formats`). Columns in other
    units than their names say are refused (exit code 2), and rows that look like changes of a value are asked about:
    --method hold lets each value hold until the next row, with nothing after the last.

    Example: groupnl power integrate trace.csv --from 10 --to 50 --idle-from 1 --idle-to 8

    Example: groupnl power integrate load.csv --method hold

    Example: groupnl power integrate trace.csv --from-mark "camera on" --to-mark "camera off"

    Example: groupnl power integrate ppk2.csv --voltage 5 --skip-gaps
    """
    from groupnl_deploy.report import integrate as report
    from groupnl_deploy.words import known_word
    from power.integration import METHODS

    _require_sense(window.idle_from_s, window.idle_to_s, window.max_gap_s)
    rule = None if method is None else known_word("method", method, METHODS)
    edges_s, idle_s, asked = window.edges_s(recording), window.idle_s(), file.asked()
    _show(report.integrate(recording, edges_s, idle_s, rule, window.max_gap_s, asked, window.skip_gaps), json)


def _instant(recording: Path, option: str, seconds: float | None, label: str | None) -> float | None:
    """An edge of the window, which a time or a mark gives."""
    if label is None:
        return seconds
    if seconds is not None:
        raise UsageError(f"Both {option} and {option}-mark are given.", "Give one of the two.")
    from power.marks import one_mark

    return one_mark(recording, label).t_s


def _require_sense(idle_from_s: float | None, idle_to_s: float | None, max_gap_s: float | None) -> None:
    if (idle_from_s is None) != (idle_to_s is None):
        raise UsageError(
            "An idle window needs both --idle-from and --idle-to.", "Give the other one too, or leave both out."
        )
    if max_gap_s is not None and not 0.0 < max_gap_s < float("inf"):
        raise UsageError(f"A longest wait of {max_gap_s} s is impossible.", "Give --max-gap in seconds, above zero.")


def _show(done: "Integrated", json: bool) -> None:
    from groupnl_deploy.report import energy_table

    if json:
        console.show_json(energy_table.document(done))
        return
    console.show_table(*energy_table.table(done))
    if done.net is not None:
        console.show_prose(energy_table.net_of_what(done.net, done.gross))
    console.show_prose(energy_table.provenance(done))
    for note in energy_table.notes(done):
        console.show_prose(note)
