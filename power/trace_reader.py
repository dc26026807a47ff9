"""CSV → recordings, in one pass: the `#` lines, the line of the columns' names, the rows."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from power.cut_row import is_cut, is_short_of_all
from power.errors import TraceFormatError
from power.interleaved import refuse_interleaved
from power.plausible import in_words, refuse_implausible
from power.shared_times import refuse_shared_times
from power.trace import PowerTrace, Samples
from power.trace_facts import RecordedFacts, parse_facts
from power.trace_rows import NEEDED, Columns, RowLayout, last_cell, layout_of, read_rows
from power.trace_text import Piece, pieces_of

LINES_TO_JUDGE_BY = 1000


def read_csv(path: Path, *, allow_implausible: bool = False) -> PowerTrace:
    """Read a recording: one of ours, or any CSV whose columns are named `t_s`, `voltage_v` and `current_a`.

    Of a CSV from elsewhere the names of the columns may be wrong: what no board takes and no clock counts is refused as
    `ImplausibleTrace`, unless it is allowed, and rows that have one time and differ are refused in any case.
    Raises `TraceFormatError`, naming the line, for anything that is not a recording.
    """
    try:
        return _read(path, allow_implausible)
    except OSError as error:
        raise TraceFormatError(
            f"The recording {path} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise TraceFormatError(
            f"The recording {path} is not a text file.", "Name the CSV that groupnl power record wrote."
        ) from error


def _read(path: Path, allow_implausible: bool) -> PowerTrace:
    pieces = pieces_of(path)
    notes, first = _head(pieces)
    facts = parse_facts(path, notes)
    layout = layout_of(path, len(notes) + 1, first.lines[0] if first.lines else "")
    rows = _rows(layout, facts, chain([first.after(1)], pieces))
    if facts.ours:
        return PowerTrace(facts.meter, facts.t0_s, facts.started_at, *rows.columns)
    if not allow_implausible:
        refuse_implausible(str(path), *rows.columns)
        refuse_interleaved(str(path), *rows.columns)
    refuse_shared_times(str(path), *rows.columns)
    remarks = (*rows.remarks, *in_words(*rows.columns))
    return PowerTrace(facts.meter, facts.t0_s, facts.started_at, *rows.columns, remarks)


def _head(pieces: Iterator[Piece]) -> tuple[list[str], Piece]:
    """The `#` lines that a file begins with, and what follows them in the piece where they end."""
    notes: list[str] = []
    for piece in pieces:
        begun = len(notes)
        for line in piece.lines:
            if not line.startswith("#"):
                return notes, piece.after(len(notes) - begun)
            notes.append(line)
    return notes, Piece(len(notes) + 1, [], plain=True)


@dataclass(frozen=True)
class _Rows:
    """Time, volts and amperes of every row, read-only, and what to say of rows that are not among them."""

    columns: tuple[Samples, Samples, Samples]
    remarks: tuple[str, ...]


@dataclass
class _Collected:
    """What was read so far, and the lines of the piece before: the last line is judged by them."""

    parts: list[Columns] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    remarks: tuple[str, ...] = ()

    def rows(self) -> _Rows:
        time, voltage, current = (_read_only([part[name] for part in self.parts]) for name in NEEDED)
        return _Rows((time, voltage, current), self.remarks)


def _rows(layout: RowLayout, facts: RecordedFacts, pieces: Iterator[Piece]) -> _Rows:
    """All rows. Raises `TraceFormatError` for the first line that is none."""
    done = _Collected()
    latest_s, number = -math.inf, 0
    for piece in pieces:
        # A last line without its newline is what a killed writer leaves: none of a recording of ours. A file from
        # elsewhere may end so by habit, or be cut short too.
        if not piece.lines or (facts.ours and not piece.whole):
            continue
        part = read_rows(layout, piece, latest_s) if piece.whole else _last_row(layout, piece, latest_s, done.lines)
        if part is None:
            done.remarks = (
                f"Line {piece.number}, the last, has no end and may be cut short: it was left out. If it is whole, end "
                "it with a newline.",
            )
            continue
        number = piece.number + len(piece.lines) - 1
        done.parts.append(part)
        latest_s = part["t_s"][-1]
        # The piece before may have been short.
        done.lines = (done.lines[-LINES_TO_JUDGE_BY:] + piece.lines)[-2 * LINES_TO_JUDGE_BY :]
    if not facts.ours and done.lines and not done.remarks:
        _leave_out_short(layout, done, number)
    return done.rows()


def _leave_out_short(layout: RowLayout, done: _Collected, number: int) -> None:
    """Take the last row away where its line was cut and then ended, as by an editor."""
    *above, line = done.lines
    if layout.last in NEEDED and is_short_of_all(last_cell(line), [last_cell(other) for other in above]):
        done.parts[-1] = {name: column[:-1] for name, column in done.parts[-1].items()}
        done.remarks = (
            f"Line {number}, the last, has fewer digits than all others and was left out: it was cut short.",
        )


def _last_row(layout: RowLayout, piece: Piece, latest_s: float, above: list[str]) -> Columns | None:
    """The row of a last line without its newline, None where it is none or may be cut short."""
    try:
        row = read_rows(layout, piece, latest_s)
    except TraceFormatError:
        return None
    last = layout.last
    line = piece.lines[0]
    # Watts have been compared with volts and amperes, and a column that nobody needs may be cut anywhere.
    if last not in NEEDED or line.endswith(("\r", '"')):
        return row
    return None if is_cut(last_cell(line), [last_cell(other) for other in above]) else row


def _read_only(parts: list[Samples]) -> Samples:
    """The parts as one that nobody else has and nobody can write, so that the trace needs no copy."""
    column = np.concatenate([np.empty(0), *parts])
    column.flags.writeable = False
    return column
