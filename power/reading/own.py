"""A recording of ours: its `#` lines, its columns' names, its rows; also as a spreadsheet saves it again."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from power.errors import TraceFormatError
from power.reading.asked import Asked
from power.reading.collected import collected
from power.reading.dialect import Ambiguous, Dialect, number_marks
from power.reading.head import Head, header_of, is_blank, is_comment, notes_of
from power.reading.parts import is_own_beginning, several
from power.reading.rows import Columns, RowLayout, layout_of, read_own_rows
from power.reading.text import Piece
from power.trace import PowerTrace
from power.trace_facts import RecordedFacts, parse_facts
from power.trace_writer import SEGMENT

ROWS_FOR_MARKS = 50


def is_own(head: Head) -> bool:
    """Whether a file begins as ours do, with a version in its `#` lines."""
    for line in head.lines:
        if not is_blank(line) and not is_comment(line):
            return False
        if is_own_beginning(line):
            return True
    return False


def read_own(head: Head, pieces: Iterator[Piece], asked: Asked) -> PowerTrace:
    """The recording. Raises `TraceFormatError`, naming the line, where it contradicts itself or another begins."""
    _refuse_contradiction(head.name, asked)
    notes, numbers, header = notes_of(head)
    facts = parse_facts(head.name, notes, numbers)
    layout = _layout(head, header, facts)
    latest_s = -math.inf

    def read(piece: Piece) -> Columns:
        nonlocal latest_s
        try:
            rows = read_own_rows(layout, piece, latest_s)
        except TraceFormatError:
            _refuse_another(head.name, piece)  # which explains most that is wrong with a row
            raise
        if not isinstance(rows.numbers, range):  # then lines that are no rows were passed over
            _refuse_another(head.name, piece)
        latest_s = float(rows.columns["t_s"][-1]) if len(rows) else latest_s
        return rows.columns

    rows = collected(layout, _behind(pieces, header), read, ours=True)
    segments = rows.column(SEGMENT)
    breaks = tuple(int(row) + 1 for row in np.flatnonzero(np.diff(segments)))
    t_s, voltage_v, current_a = (rows.column(name) for name in ("t_s", "voltage_v", "current_a"))
    meter = replace(facts.meter, sign=asked.sign * facts.meter.sign)
    current_a = current_a if asked.sign == 1 else asked.sign * current_a
    return PowerTrace(meter, facts.t0_s, facts.started_at, t_s, voltage_v, current_a, breaks=breaks)


def _refuse_contradiction(name: str, asked: Asked) -> None:
    """Raise `TraceFormatError` where a person says what a recording of ours says itself."""
    if asked.describes:
        raise TraceFormatError(
            f"{name} is a recording of groupnl, which says itself what its columns are and when each row was measured.",
            "Leave out --units, --time-format, --voltage, --decimal and --every, which are for other programs' files.",
        )


def _layout(head: Head, header: int, facts: RecordedFacts) -> RowLayout:
    lines = head.lines[header - head.first :]
    found = header_of(Head(head.name, lines[:1], header))
    dialect = Dialect(found.separator if found is not None else ",")
    names = lines[0] if lines else ""
    layout = layout_of(head.name, header, names, facts, dialect, _leave)
    if dialect.separator == ",":
        return layout
    rows = [line for line in lines[1:ROWS_FOR_MARKS] if not is_blank(line) and not is_comment(line, dialect.separator)]
    try:
        decimal, thousands = number_marks(cell for row in rows for cell in dialect.cells(row))
    except Ambiguous as error:
        raise TraceFormatError(f"{head.name}: {error}.", "Save it anew with decimal points.") from error
    return replace(layout, dialect=replace(dialect, decimal=decimal, thousands=thousands))


def _leave(line: str) -> bool:
    return is_blank(line) or is_comment(line)


def _behind(pieces: Iterator[Piece], header: int) -> Iterator[Piece]:
    for piece in pieces:
        yield piece.after(max(0, min(header + 1 - piece.number, len(piece.lines))))


def _refuse_another(name: str, piece: Piece) -> None:
    """Raise `TraceFormatError` where another recording begins among the lines."""
    for number, line in enumerate(piece.lines, piece.number):
        if is_own_beginning(line):
            raise several(name, number)
