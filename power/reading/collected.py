"""All rows of a file, piece by piece, and what becomes of a last row that may have been cut short."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from power.cut_row import is_cut, is_short_of_all
from power.errors import TraceFormatError
from power.reading.rows import Columns, RowLayout, last_cell
from power.reading.text import Piece

LINES_TO_JUDGE_BY = 1000

Read = Callable[[Piece], Columns]


@dataclass
class Collected:
    """Columns of every row, and what to say of rows that are not among them."""

    parts: list[Columns] = field(default_factory=list)
    remarks: tuple[str, ...] = ()

    def column(self, name: str, like: type = float) -> NDArray[Any]:
        """One column of all rows, (n,), which nobody else has and nobody can write."""
        parts = [part[name] for part in self.parts if name in part]
        joined = np.concatenate([np.empty(0, dtype=like), *parts])
        joined.flags.writeable = False
        return joined


def collected(layout: RowLayout, pieces: Iterator[Piece], read: Read, *, ours: bool) -> Collected:
    """All rows. Raises `TraceFormatError` for the first line that is none.

    A last line without its newline is what a killed writer leaves: none of a recording of `ours`. A file from elsewhere
    may end so by habit, or be cut short too; and where it was cut and then ended, as by an editor, its last row goes.
    """
    done, lines, number = Collected(), list[str](), 0
    for piece in pieces:
        if not piece.lines or (ours and not piece.whole):
            continue
        part = read(piece) if piece.whole else _last_row(layout, piece, read, lines)
        if part is None:
            done.remarks = (
                f"Line {piece.number}, the last, has no end and may be cut short: it was left out. If it is whole, end "
                "it with a newline.",
            )
            continue
        number = piece.number + len(piece.lines) - 1
        done.parts.append(part)
        # The piece before may have been short.
        lines = (lines[-LINES_TO_JUDGE_BY:] + piece.lines)[-2 * LINES_TO_JUDGE_BY :]
    if not ours and not done.remarks:
        _leave_out_short(layout, done, lines, number)
    return done


def _leave_out_short(layout: RowLayout, done: Collected, lines: list[str], number: int) -> None:
    """Take the last row away where its line was cut and then ended."""
    if not lines or layout.leave(lines[-1]) or not _last_is_number(layout):
        return
    *above, last = _last_cells(layout, lines)
    if any(cell.lower() in layout.missing for cell in layout.dialect.cells(lines[-1])):
        return  # which is no row, so that the last one stands above
    if is_short_of_all(last, above):
        done.parts[-1] = {name: column[:-1] for name, column in done.parts[-1].items()}
        done.remarks = (
            f"Line {number}, the last, has fewer digits than all others and was left out: it was cut short.",
        )


def _last_row(layout: RowLayout, piece: Piece, read: Read, above: list[str]) -> Columns | None:
    """The row of a last line without its newline, None where it is none or may be cut short."""
    try:
        row = read(piece)
    except TraceFormatError:
        return None
    line = piece.lines[0]
    if not _last_is_number(layout) or line.endswith(("\r", '"')) or layout.leave(line):
        return row  # a column that nobody needs may be cut anywhere
    *others, last = _last_cells(layout, [*above, line])
    return None if is_cut(last, others) else row


def _last_is_number(layout: RowLayout) -> bool:
    return layout.last is not None and layout.last not in layout.texts and not layout.padding


def _last_cells(layout: RowLayout, lines: list[str]) -> list[str]:
    cells = (last_cell(layout, line) for line in lines if not layout.leave(line))
    return [cell.replace(layout.dialect.decimal, ".") for cell in cells]
