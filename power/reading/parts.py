"""Several recordings in one file, as `cat` or a logger that appends makes them: where each begins, and one alone."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from power.errors import TraceFormatError
from power.reading.rows import RowLayout
from power.reading.text import Piece
from power.trace_facts import shown

_OWN = re.compile(r'"?#\s*schema_version:')

Begins = Callable[[str], bool]


def is_own_beginning(line: str) -> bool:
    """Whether a recording of ours begins with that line."""
    return _OWN.match(line) is not None


def part(name: str, pieces: Iterator[Piece], begins: Begins, wanted: int) -> Iterator[Piece]:
    """The lines of the recording number `wanted`, counted from 1; what stands in front of the first is its own.

    Raises `TraceFormatError` where there are not so many.
    """
    seen, given = 0, False
    for piece in pieces:
        first = 0
        for place, line in enumerate(piece.lines):
            if not begins(line):
                continue
            if seen == wanted and place > first:
                given = True
                yield _slice(piece, first, place)
            seen, first = seen + 1, place
            if seen > wanted:
                return
        if max(seen, 1) == wanted and first < len(piece.lines):
            given = True
            yield _slice(piece, first, len(piece.lines))
    if not given:
        raise TraceFormatError(
            f"{name} holds {max(seen, 1)} recording{'s' if seen > 1 else ''}, and part {wanted} was asked for.",
            f"Give --part 1 to --part {max(seen, 1)}.",
        )


def _slice(piece: Piece, first: int, end: int) -> Piece:
    return Piece(piece.number + first, piece.lines[first:end], piece.plain, piece.whole)


def refuse_mixed(layout: RowLayout, whose: NDArray[Any]) -> None:
    """Raise `TraceFormatError` where a column, (rows,), says that the rows are of several things."""
    kinds = np.unique(np.char.strip(whose))
    if len(kinds) < 2:
        return
    separator, place = layout.dialect.separator, layout.places["whose"] + 1
    listed = ", ".join(shown(str(kind)) for kind in kinds[:5]) + (", …" if len(kinds) > 5 else "")
    raise TraceFormatError(
        f"{layout.name} holds rows of {len(kinds)} different things by its column {place}: {listed}.",
        f"Keep those of one: awk -F '{separator}' '${place} ~ /^ *{kinds[0]} *$/ || NR == 1' FILE > one.csv.",
    )


def several(name: str, number: int) -> TraceFormatError:
    """For a recording that begins in the middle of a file."""
    return TraceFormatError(
        f"{name} holds several recordings, one behind the other; another begins in line {number}.",
        "Read each by itself: --part 1, --part 2 and so on. groupnl power import FILE --part 2 --out second.csv writes "
        "one as a file of its own.",
    )
