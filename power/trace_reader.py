"""CSV → recordings, in one pass: the `#` lines, the line of the columns' names, the rows."""

import math
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from power.errors import TraceFormatError
from power.trace import PowerTrace, Samples
from power.trace_facts import RecordedFacts, parse_facts
from power.trace_rows import NEEDED, Columns, RowLayout, layout_of, read_rows
from power.trace_text import Piece, pieces_of


def read_csv(path: Path) -> PowerTrace:
    """Read a recording: one of ours, or any CSV whose columns are named `t_s`, `voltage_v` and `current_a`.

    Raises `TraceFormatError`, naming the line, for anything that is not one.
    """
    try:
        return _read(path)
    except OSError as error:
        raise TraceFormatError(
            f"The recording {path} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise TraceFormatError(
            f"The recording {path} is not a text file.", "Name the CSV that groupnl power record wrote."
        ) from error


def _read(path: Path) -> PowerTrace:
    pieces = pieces_of(path)
    notes, first = _head(pieces)
    facts = parse_facts(path, notes)
    layout = layout_of(path, len(notes) + 1, first.lines[0] if first.lines else "")
    columns = _columns(layout, facts, chain([first.after(1)], pieces))
    return PowerTrace(facts.meter, facts.t0_s, facts.started_at, *columns)


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


def _columns(layout: RowLayout, facts: RecordedFacts, pieces: Iterator[Piece]) -> list[Samples]:
    """Time, volts and amperes of every row, read-only. Raises `TraceFormatError` for the first line that is none."""
    parts: list[Columns] = []
    latest_s = -math.inf
    for piece in pieces:
        # A last line without its newline is what a killed writer leaves: none of a recording of ours. A file from
        # elsewhere may end so by habit, or be cut short too.
        if not piece.lines or (facts.ours and not piece.whole):
            continue
        try:
            parts.append(read_rows(layout, piece, latest_s))
        except TraceFormatError:
            if piece.whole:
                raise
        else:
            latest_s = parts[-1]["t_s"][-1]
    return [_read_only([part[name] for part in parts]) for name in NEEDED]


def _read_only(parts: list[Samples]) -> Samples:
    """The parts as one that nobody else has and nobody can write, so that the trace needs no copy."""
    column = np.concatenate([np.empty(0), *parts])
    column.flags.writeable = False
    return column
