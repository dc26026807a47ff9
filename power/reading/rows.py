"""Lines of a table → columns, fast where the lines are plain and carefully where they are not.

Plain lines are parsed by numpy's C reader, the others cell by cell. The careful way is the definition: on printable
ASCII without quotes both split at the same commas and call the same function of CPython for a number, so that the fast
way can only accept what the careful one does. What the numbers mean is checked once, behind both.
"""

import csv
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from power.errors import TraceFormatError
from power.reading.dialect import Dialect
from power.reading.text import Piece
from power.trace import Samples
from power.trace_facts import REPAIR, RecordedFacts, bad_line, shown
from power.trace_writer import COLUMNS, SEGMENT

NEEDED = COLUMNS[:3]
WATTS = ("t_s", "power_w")  # of a recording of watts alone
COMMENT_OR_BLANK = "#%;/ "
POWER_TOLERANCE = 1e-6  # relative, and in watts: room for a spreadsheet's rounding, none for another column
REMOVE = "Remove that line (the hole will show), repair it, or record again."
TEXT_WIDTH = 48  # characters of a cell that is kept as text, such as a time of day

PLAIN = Dialect()

Columns = dict[str, NDArray[Any]]
Leave = Callable[[str], bool]


def _leave_none(line: str) -> bool:
    return False


@dataclass(frozen=True)
class RowLayout:
    """Where the wanted columns of a file called `name` stand among how many cells a row has.

    `texts` are the columns that are kept as they are written, all others are numbers; a cell that holds a word of
    `missing` is NaN. `padding` empty cells may follow each row. `leave` says of a line that it is no row and is passed
    over, as a comment or a blank one. Where rows are `ragged`, cells behind the last wanted one may lack. `row` is what
    a line is, for an error, where it is no row of a table. A recording of ours may be of `watts_alone`.
    """

    name: str
    places: dict[str, int]
    width: int
    watts_alone: bool = False
    dialect: Dialect = PLAIN
    texts: frozenset[str] = frozenset()
    leave: Leave = _leave_none
    padding: int = 0
    missing: frozenset[str] = frozenset()
    ragged: bool = False
    row: str = ""

    @property
    def last(self) -> str | None:
        """Which of the wanted columns ends each line, None where another does."""
        return next((name for name, place in self.places.items() if place == self.width - 1 and not self.ragged), None)


@dataclass(frozen=True)
class Rows:
    """Columns of rows by name, and the number of the line that each stands in."""

    columns: Columns
    numbers: "range | list[int]"

    def __len__(self) -> int:
        return len(self.numbers)


def layout_of(name: str, number: int, header: str, facts: RecordedFacts, dialect: Dialect, leave: Leave) -> RowLayout:
    """That of a file of ours, by the line with its columns' names. Raises `TraceFormatError` where one is missing."""
    names = [cell.strip() for cell in _cells(dialect, name, number, header)]
    known = (*COLUMNS, SEGMENT)
    watts_alone = facts.meter.watts_alone
    missing = [wanted for wanted in (WATTS if watts_alone else NEEDED) if wanted not in names]
    repeated = [wanted for wanted in known if names.count(wanted) > 1]
    if not missing and not repeated:
        places = {wanted: names.index(wanted) for wanted in known if wanted in names}
        return RowLayout(name, places, len(names), watts_alone, dialect, leave=leave)
    wrong = f"{', '.join(missing)} missing" if missing else f"{', '.join(repeated)} there more than once"
    raise bad_line(
        name,
        number,
        f"the columns are {', '.join(names)[:200] or 'not named'}, with {wrong}",
        f"Name the columns {', '.join(NEEDED)}: seconds, volts and amperes, separated by commas.",
    )


def read_own_rows(layout: RowLayout, piece: Piece, latest_s: float) -> Rows:
    """The lines of a file of ours that are rows, behind one of the time `latest_s` (-inf for none).

    Raises `TraceFormatError` for the first line that is no row, or that contradicts itself.
    """
    rows, wrong = read_rows(layout, piece)
    columns = rows.columns
    if layout.watts_alone:
        columns |= {"voltage_v": np.ones_like(columns["power_w"]), "current_a": columns["power_w"]}
    _refuse_impossible(layout, rows, latest_s)
    if wrong is not None:
        raise wrong
    return rows


def read_rows(layout: RowLayout, piece: Piece) -> tuple[Rows, TraceFormatError | None]:
    """The rows in front of the first line that is none, and what is wrong with that line."""
    columns = _fast(layout, piece)
    if columns is not None:
        return Rows(columns, range(piece.number, piece.number + len(piece.lines))), None
    return _careful(layout, piece)


def _fast(layout: RowLayout, piece: Piece) -> Columns | None:
    """All rows of a plain piece, or None where only a careful look can tell."""
    width = layout.width + layout.padding
    if not piece.lines or not piece.lines[0] or not piece.lines[-1]:
        return None
    plain = layout.dialect.plain_piece(piece)
    if plain is None or not plain.plain:
        return None
    # One field a column, so that each line must have them all; of those not needed one letter is kept.
    kept = {place: name for name, place in layout.places.items()}
    kinds = {n: f"U{TEXT_WIDTH}" if kept[n] in layout.texts else "f8" for n in kept}
    fields = [(kept[n], kinds[n]) if n in kept else (f"other {n}", "U1") for n in range(width)]
    try:
        with warnings.catch_warnings(action="ignore"):  # of blank lines alone, which the number of rows will tell
            table = np.loadtxt(plain.lines, dtype=np.dtype(fields), delimiter=",", comments=None, ndmin=1)
    except ValueError:
        return None
    numbers = [name for name in layout.places if name not in layout.texts]
    if any(np.any(table[f"other {n}"] != "") for n in range(layout.width, width)):
        return None
    if _may_be_comments(table):
        return None
    if len(table) != len(piece.lines) or not all(np.isfinite(table[name]).all() for name in numbers):
        return None
    # Copies, for a view would keep the whole table in memory.
    return {name: _narrow(table[name]) if name in layout.texts else table[name].copy() for name in layout.places}


def _may_be_comments(table: NDArray[Any]) -> bool:
    """Whether a line may be a comment with as many cells as a row, whose first one is kept as it is written."""
    first = table[table.dtype.names[0]] if table.dtype.names else table
    if first.dtype.kind != "U" or not len(first):
        return False
    letters = np.ascontiguousarray(first.astype("U1")).view(np.uint32)
    return bool(np.isin(letters, [ord(mark) for mark in COMMENT_OR_BLANK]).any())


def _narrow(texts: NDArray[np.str_]) -> NDArray[np.str_]:
    """The same texts, (n,), in no more letters than the longest has."""
    letters = np.ascontiguousarray(texts).view(np.uint32).reshape(len(texts), -1)
    return texts.astype(f"U{max(1, int(np.count_nonzero(letters.any(axis=0))))}")


def _careful(layout: RowLayout, piece: Piece) -> tuple[Rows, TraceFormatError | None]:
    rows: list[list[Any]] = []
    numbers: list[int] = []
    wrong = None
    for number, line in enumerate(piece.lines, piece.number):
        if not line or layout.leave(line):
            continue
        try:
            rows.append(_row(layout, number, line))
        except TraceFormatError as error:
            wrong = error
            break
        numbers.append(number)
    columns = zip(*rows, strict=True) if rows else ([] for _ in layout.places)
    named = {
        name: np.array(column, dtype=f"U{TEXT_WIDTH}" if name in layout.texts else float)
        for name, column in zip(layout.places, columns, strict=True)
    }
    return Rows(named, numbers), wrong


def _row(layout: RowLayout, number: int, line: str) -> list[Any]:
    cells = _cells(layout.dialect, layout.name, number, line)
    least = max(layout.places.values(), default=0) + 1 if layout.ragged else layout.width
    if len(cells) < least or any(cells[layout.width :]):
        if layout.row:
            raise bad_line(layout.name, number, f"it is no {layout.row}, or was cut: {shown(line)}", REMOVE)
        one = "there is 1 column" if len(cells) == 1 else f"there are {len(cells)} columns"
        raise bad_line(layout.name, number, f"{one} instead of {layout.width}")
    try:
        return [_cell(layout, name, cells[place]) for name, place in layout.places.items()]
    except ValueError as error:
        raise bad_line(layout.name, number, str(error), REMOVE) from error


def _cell(layout: RowLayout, name: str, text: str) -> str | float:
    if name in layout.texts:
        return text
    return math.nan if text.lower() in layout.missing else finite_number(layout.dialect, text)


def finite_number(dialect: Dialect, text: str) -> float:
    """A cell's number, neither infinite nor NaN; raises `ValueError` with the reason."""
    try:
        value = dialect.number(text)
    except ValueError as error:
        if text.strip(" +-").lower() in ("nan", "inf", "infinity"):
            raise ValueError(f"{shown(text)} is not a finite number") from error
        raise ValueError(f"{shown(text)} is not a number") from error
    if not math.isfinite(value):
        raise ValueError(f"{shown(text)} is not a finite number")
    return value


def last_cell(layout: RowLayout, line: str) -> str:
    """What stands behind the last separator of a line."""
    separator = None if layout.dialect.separator == " " else layout.dialect.separator
    return (line.rsplit(separator, 1) or [""])[-1]


def _cells(dialect: Dialect, name: str, number: int, line: str) -> list[str]:
    try:
        return dialect.cells(line) or [""]
    except csv.Error as error:
        raise bad_line(
            name, number, f"a quotation mark in it is never closed, or closed too soon ({error})", REPAIR
        ) from error


def _refuse_impossible(layout: RowLayout, rows: Rows, latest_s: float) -> None:
    """Raise `TraceFormatError` for the first row that goes back in time or whose power cannot be."""
    t_s, voltage_v, current_a = (rows.columns[name] for name in NEEDED)
    with np.errstate(over="ignore", invalid="ignore"):  # what is endless is refused, not computed with
        power_w = voltage_v * current_a
        said_w = rows.columns.get("power_w", power_w)
        other = np.abs(said_w - power_w) > POWER_TOLERANCE * np.maximum(1.0, np.abs(power_w))
    backwards, endless = t_s < _before(t_s, latest_s), ~np.isfinite(power_w)
    wrong = np.flatnonzero(backwards | endless | other)
    if not len(wrong):
        return
    row = int(wrong[0])
    number = rows.numbers[row]
    if backwards[row]:
        raise backwards_error(layout.name, number, _before(t_s, latest_s)[row], t_s[row])
    if endless[row]:
        raise endless_error(layout.name, number, voltage_v[row], current_a[row])
    raise bad_line(
        layout.name, number, f"power_w is {said_w[row]}, but voltage times current is {power_w[row]}", REPAIR
    )


def _before(t_s: Samples, latest_s: float) -> Samples:
    return np.concatenate(([latest_s], t_s[:-1]))


def backwards_error(name: str, number: int, before_s: float, t_s: float) -> TraceFormatError:
    """For a row whose time is earlier than that of the row before."""
    hour = " (an hour, as at the end of summer time)" if 3500 < before_s - t_s <= 3600 else ""
    return bad_line(
        name,
        number,
        f"time goes backwards from {before_s} s to {t_s} s{hour}",
        "Split the file there, before that line, and read both parts: a clock was set back, or a second recording "
        "begins. Do not sort the rows, which would mix two recordings into one. Where rows were measured evenly and "
        "stamped unevenly, say the seconds between two of them: groupnl power import --every 0.01. Only a file that "
        "runs backwards from its first row to its last is to be turned round.",
    )


def endless_error(name: str, number: int, voltage_v: float, current_a: float) -> TraceFormatError:
    """For a row whose power is beyond all numbers."""
    return bad_line(name, number, f"{voltage_v} V times {current_a} A is no finite power")
