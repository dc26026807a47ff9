"""Lines of a CSV file → numbers, fast where the lines are plain and carefully where they are not.

Plain lines are parsed by numpy's C reader, the others by Python's `csv` and `float`. The careful way is the definition:
on printable ASCII without quotes both split at the same commas and call the same function of CPython for a number, so
that the fast way can only accept what the careful one does. What the numbers mean is checked once, behind both.
"""

import csv
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from power.errors import TraceFormatError
from power.trace import Samples
from power.trace_facts import REPAIR, bad_line, finite
from power.trace_text import Piece
from power.trace_writer import COLUMNS

NEEDED = COLUMNS[:3]
POWER_TOLERANCE = 1e-6  # relative, and in watts: room for a spreadsheet's rounding, none for another column

Columns = dict[str, Samples]


@dataclass(frozen=True)
class RowLayout:
    """Where each of `COLUMNS` that a file has stands among how many."""

    path: Path
    places: dict[str, int]
    width: int

    @property
    def last(self) -> str | None:
        """Which of `COLUMNS` ends each line, None where another does."""
        return next((name for name, place in self.places.items() if place == self.width - 1), None)


def layout_of(path: Path, number: int, header: str) -> RowLayout:
    """The layout that the line with the columns' names says. Raises `TraceFormatError` where one is missing."""
    names = [name.strip() for name in _cells(path, number, header)]
    missing = [name for name in NEEDED if name not in names]
    repeated = [name for name in COLUMNS if names.count(name) > 1]
    if not missing and not repeated:
        return RowLayout(path, {name: names.index(name) for name in COLUMNS if name in names}, len(names))
    wrong = f"{', '.join(missing)} missing" if missing else f"{', '.join(repeated)} there more than once"
    raise bad_line(
        path,
        number,
        f"the columns are {', '.join(names)[:200] or 'not named'}, with {wrong}",
        f"Name the columns {', '.join(NEEDED)}: seconds, volts and amperes, separated by commas.",
    )


def read_rows(layout: RowLayout, piece: Piece, latest_s: float) -> Columns:
    """The columns of lines that are rows, behind one of the time `latest_s` (-inf for none).

    Raises `TraceFormatError` for the first line that is no row.
    """
    columns = _fast(layout, piece) if piece.plain else None
    wrong = None
    if columns is None:
        columns, wrong = _careful(layout, piece)
    _refuse_impossible(layout, piece.number, columns, latest_s)
    if wrong is not None:
        raise wrong
    return columns


def _fast(layout: RowLayout, piece: Piece) -> Columns | None:
    """All rows of a plain piece, or None where only a careful look can tell."""
    # One field a column, so that each line must have them all; of those not needed one letter is kept.
    kept = {place: name for name, place in layout.places.items()}
    fields = [(kept[n], "f8") if n in kept else (f"other {n}", "U1") for n in range(layout.width)]
    try:
        with warnings.catch_warnings(action="ignore"):  # of blank lines alone, which the number of rows will tell
            table = np.loadtxt(piece.lines, dtype=np.dtype(fields), delimiter=",", comments=None, ndmin=1)
    except ValueError:
        return None
    if len(table) != len(piece.lines) or not all(np.isfinite(table[name]).all() for name in layout.places):
        return None
    return {name: table[name] for name in layout.places}


def _careful(layout: RowLayout, piece: Piece) -> tuple[Columns, TraceFormatError | None]:
    """The rows in front of the first line that is none, and what is wrong with that line."""
    rows: list[list[float]] = []
    wrong = None
    for number, line in enumerate(piece.lines, piece.number):
        try:
            rows.append(_row(layout, number, line))
        except TraceFormatError as error:
            wrong = error
            break
    table = np.array(rows).reshape(len(rows), len(layout.places))
    return dict(zip(layout.places, table.T, strict=True)), wrong


def _row(layout: RowLayout, number: int, line: str) -> list[float]:
    cells = _cells(layout.path, number, line)
    if len(cells) != layout.width:
        raise bad_line(layout.path, number, f"there are {len(cells)} columns instead of {layout.width}")
    try:
        return [finite(cells[place]) for place in layout.places.values()]
    except ValueError as error:
        remedy = "Remove that line (the hole will show), repair it, or record again."
        raise bad_line(layout.path, number, str(error), remedy) from error


def last_cell(line: str) -> str:
    """What stands behind the last comma of a line."""
    return line.rpartition(",")[2]


def _cells(path: Path, number: int, line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), []) or [""]
    except csv.Error as error:
        raise bad_line(path, number, f"it is no line of a CSV file ({error})", "Save the file as plain CSV.") from error


def _refuse_impossible(layout: RowLayout, first_number: int, columns: Columns, latest_s: float) -> None:
    """Raise `TraceFormatError` for the first row that goes back in time or whose power cannot be."""
    t_s, voltage_v, current_a = (columns[name] for name in NEEDED)
    before_s = np.concatenate(([latest_s], t_s[:-1]))
    with np.errstate(over="ignore", invalid="ignore"):  # what is endless is refused, not computed with
        power_w = voltage_v * current_a
        said_w = columns.get("power_w", power_w)
        other = np.abs(said_w - power_w) > POWER_TOLERANCE * np.maximum(1.0, np.abs(power_w))
    backwards, endless = t_s < before_s, ~np.isfinite(power_w)
    wrong = np.flatnonzero(backwards | endless | other)
    if not len(wrong):
        return
    row = wrong[0]
    what, remedy = f"power_w is {said_w[row]}, but voltage times current is {power_w[row]}", REPAIR
    if endless[row]:
        what = f"{voltage_v[row]} V times {current_a[row]} A is no finite power"
    if backwards[row]:
        what = f"time goes backwards from {before_s[row]} s to {t_s[row]} s"
        remedy = (
            "Split the file there, before that line, and read both parts: a clock was set back, or a second recording "
            "begins. Do not sort the rows, which would mix two recordings into one. Only a file that runs backwards "
            "from its first row to its last is to be turned round."
        )
    raise bad_line(layout.path, first_number + int(row), what, remedy)
