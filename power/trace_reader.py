"""CSV → recordings, fast where a file is as it should be and carefully where it is not.

The file streams by in blocks of lines, each parsed by numpy's C reader. A block with anything irregular in it is read
once more, line by line, to find the first line that is wrong and say what is wrong with it. The careful way is the
definition; the fast one accepts nothing that it would refuse.
"""

import csv
import math
import warnings
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from power.errors import TraceFormatError
from power.trace import PowerTrace, Samples
from power.trace_facts import RecordedFacts, bad_line, finite, parse_facts
from power.trace_writer import COLUMNS

NEEDED = COLUMNS[:3]
POWER_TOLERANCE = 1e-6  # relative, and in watts: room for a spreadsheet's rounding, none for another column
_READ_BYTES = 1 << 20

_BLOCK_ROWS = 1 << 14  # parsed and checked while they are in the processor's cache

Row = tuple[float, ...]
Table = NDArray[np.void]


@dataclass(frozen=True)
class _Layout:
    """A file's shape: its facts, where each of `COLUMNS` stands among how many, and how many lines have rows.

    `open_end` says that one more line stands after them, without its newline, and may be a row. It is what a killed
    writer leaves, so it is none in a recording of ours; a file from elsewhere may end so by habit.
    """

    path: Path
    facts: RecordedFacts
    places: dict[str, int]
    width: int
    head_lines: int
    rows: int
    open_end: bool


def read_csv(path: Path) -> PowerTrace:
    """Read a recording: one of ours, or any CSV whose columns are named `t_s`, `voltage_v` and `current_a`.

    Raises `TraceFormatError`, naming the line, for anything that is not one.
    """
    try:
        layout = _layout(path)
        columns = _columns(layout)
    except OSError as error:
        raise TraceFormatError(
            f"The recording {path} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise TraceFormatError(
            f"The recording {path} is not a text file.", "Name the CSV that groupnl power record wrote."
        ) from error
    for column in columns:
        column.flags.writeable = False  # nobody else has it: the trace needs no copy
    return PowerTrace(layout.facts.meter, layout.facts.t0_s, layout.facts.started_at, *columns)


def _layout(path: Path) -> _Layout:
    newlines, open_end = _count_newlines(path)
    with _opened(path) as file:
        notes, header = _head(file)
    facts = parse_facts(path, notes)
    head_lines = len(notes) + 1
    names = [name.strip() for name in _cells(path, head_lines, header)]
    places = _places(path, head_lines, names)
    return _Layout(
        path=path,
        facts=facts,
        places=places,
        width=len(names),
        head_lines=head_lines,
        rows=max(newlines - head_lines, 0),
        open_end=open_end and newlines >= head_lines and not facts.ours,
    )


def _opened(path: Path) -> TextIO:
    # Lines end at a line feed alone, as they are counted; a carriage return before it is blank to every parser here.
    return path.open(encoding="utf-8-sig", newline="\n")


def _count_newlines(path: Path) -> tuple[int, bool]:
    """How many, and whether anything stands behind the last."""
    newlines, last = 0, b"\n"
    with path.open("rb", buffering=0) as file:
        while block := file.read(_READ_BYTES):
            newlines += block.count(b"\n")
            last = block[-1:]
    return newlines, last != b"\n"


def _head(file: TextIO) -> tuple[list[str], str]:
    """The `#` lines that a file begins with, and the line after them."""
    notes: list[str] = []
    for line in file:
        if not line.startswith("#"):
            return notes, line
        notes.append(line)
    return notes, ""


def _places(path: Path, number: int, names: list[str]) -> dict[str, int]:
    missing = [name for name in NEEDED if name not in names]
    repeated = [name for name in COLUMNS if names.count(name) > 1]
    if not missing and not repeated:
        return {name: names.index(name) for name in COLUMNS if name in names}
    wrong = f"{', '.join(missing)} missing" if missing else f"{', '.join(repeated)} there more than once"
    raise bad_line(
        path,
        number,
        f"the columns are {', '.join(names)[:200] or 'not named'}, with {wrong}",
        f"Name the columns {', '.join(NEEDED)}: seconds, volts and amperes, separated by commas.",
    )


def _columns(layout: _Layout) -> list[Samples]:
    """Time, volts and amperes of every row. Raises `TraceFormatError` for the first line that is no row."""
    columns = [np.empty(layout.rows) for _ in NEEDED]
    latest_s = -math.inf
    with _opened(layout.path) as file:
        for _ in islice(file, layout.head_lines):
            pass
        for first in range(0, layout.rows, _BLOCK_ROWS):
            lines = list(islice(file, min(_BLOCK_ROWS, layout.rows - first)))
            block = _fast_block(layout, lines, latest_s)
            if block is None:
                block = _careful_block(layout, lines, layout.head_lines + first + 1, latest_s)
            for column, values in zip(columns, block, strict=True):
                column[first : first + len(lines)] = values
            latest_s = columns[0][first + len(lines) - 1]
        return _with_open_row(layout, file.readline(), columns, latest_s) if layout.open_end else columns


def _fast_block(layout: _Layout, lines: list[str], latest_s: float) -> list[Samples] | None:
    """Time, volts and amperes of these lines, or None where only a careful look can tell."""
    # One field a column, so that each line must have them all; of those not needed one letter is kept.
    kept = {place: name for name, place in layout.places.items()}
    fields = [(kept[n], "f8") if n in kept else (f"other {n}", "U1") for n in range(layout.width)]
    try:
        with warnings.catch_warnings(action="ignore"):  # of blank lines alone, which the number of rows will tell
            block = np.loadtxt(lines, dtype=np.dtype(fields), delimiter=",", comments=None, quotechar='"', ndmin=1)
    except ValueError:
        return None
    if len(block) != len(lines) or not _is_sound(layout, block, latest_s):
        return None
    return [block[name] for name in NEEDED]


def _is_sound(layout: _Layout, block: Table, latest_s: float) -> bool:
    t_s, voltage_v, current_a = (block[name] for name in NEEDED)
    return (
        all(bool(np.isfinite(block[name]).all()) for name in layout.places)
        and bool(t_s[0] >= latest_s)
        and bool((np.diff(t_s) >= 0.0).all())
        and ("power_w" not in layout.places or _agree(block["power_w"], voltage_v * current_a))
    )


def _agree(power_w: Samples, expected_w: Samples) -> bool:
    return bool((np.abs(power_w - expected_w) <= POWER_TOLERANCE * np.maximum(1.0, np.abs(expected_w))).all())


def _careful_block(layout: _Layout, lines: list[str], first_number: int, latest_s: float) -> list[Samples]:
    """The same of lines that are numbered from `first_number`; raises `TraceFormatError` for the first wrong one."""
    rows = []
    for number, line in enumerate(lines, first_number):
        rows.append(_row(layout, number, line, latest_s))
        latest_s = rows[-1][0]
    return list(np.array(rows).T[: len(NEEDED)])


def _with_open_row(layout: _Layout, line: str, columns: list[Samples], latest_s: float) -> list[Samples]:
    """The columns with the row of a last line that lacks its newline, if nothing of it is wrong."""
    try:
        row = _row(layout, layout.head_lines + layout.rows + 1, line, latest_s)
    except TraceFormatError:
        return columns
    return [np.append(column, value) for column, value in zip(columns, row[: len(NEEDED)], strict=True)]


def _cells(path: Path, number: int, line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), []) or [""]
    except csv.Error as error:
        raise bad_line(path, number, f"it is no line of a CSV file ({error})", "Save the file as plain CSV.") from error


def _row(layout: _Layout, number: int, line: str, latest_s: float) -> Row:
    cells = _cells(layout.path, number, line)
    if len(cells) != layout.width:
        raise bad_line(layout.path, number, f"there are {len(cells)} columns instead of {layout.width}")
    try:
        row = tuple(finite(cells[place]) for place in layout.places.values())
    except ValueError as error:
        remedy = "Remove that line (the hole will show), repair it, or record again."
        raise bad_line(layout.path, number, str(error), remedy) from error
    if row[0] < latest_s:
        raise bad_line(
            layout.path,
            number,
            f"time goes backwards from {latest_s} s to {row[0]} s",
            "Put the rows in the order of their time; if a clock was set back, split the file there.",
        )
    _refuse_other_power(layout, number, row)
    return row


def _refuse_other_power(layout: _Layout, number: int, row: Row) -> None:
    expected_w = row[1] * row[2]
    if "power_w" in layout.places and not math.isclose(
        row[3], expected_w, rel_tol=POWER_TOLERANCE, abs_tol=POWER_TOLERANCE
    ):
        raise bad_line(layout.path, number, f"power_w is {row[3]}, but voltage times current is {expected_w}")
