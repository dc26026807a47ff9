"""A file from elsewhere: which format it has, its rows by that format's plan, and the recording that they make."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from power.errors import TraceFormatError
from power.formats import plan_of
from power.reading.asked import Asked
from power.reading.collected import collected
from power.reading.head import Head, bare, header_of, notes_of
from power.reading.measured import Measured, beside_joules, recording
from power.reading.names import QUANTITIES
from power.reading.parts import Begins, refuse_mixed, several
from power.reading.plan import Plan, no_rows
from power.reading.rows import Columns, Rows, backwards_error, endless_error, read_rows
from power.reading.text import Piece
from power.reading.times import NoTime, WallClock
from power.trace import MeterFacts, PowerTrace, Samples
from power.trace_facts import UNKNOWN, bad_line, parse_facts, shown

TIME, HOLE = "t_s", "hole in front"
CLOCK = ("time", "date")  # columns that make the times
FIRST_IS_WRONG = (
    "That is the first row. If it alone is so, remove it. If all are, export the table again with plain numbers, as "
    "many cells as names, and semicolons between them where commas are decimal marks."
)


def begins_again(head: Head) -> Begins:
    """What tells that another recording begins: the line of the names once more."""
    header = header_of(head)
    if header is None:
        return lambda line: False
    names = bare(head.line(header.number))
    return lambda line: bare(line) == names


def read_foreign(head: Head, pieces: Iterator[Piece], asked: Asked) -> PowerTrace:
    """The recording. Raises `TraceFormatError`, naming the line, for what is none."""
    plan = plan_of(head, asked)
    reading = _Reading(plan, asked)
    rows = collected(plan.layout, _rows_of(plan, pieces), reading.columns, ours=False)
    names = [name for name in plan.layout.places if name not in CLOCK]
    columns = {name: rows.column(name, str if name in plan.layout.texts else float) for name in names}
    if "whose" in columns:
        refuse_mixed(plan.layout, columns["whose"])
    measured = Measured(
        name=head.name,
        t_s=rows.column(TIME),
        quantities={name: columns[name] for name in QUANTITIES if name in columns},
        extra={name: columns[name] for name in names if name not in QUANTITIES},
        breaks=rows.column(HOLE, bool).astype(bool),
        facts=_facts(head, plan),
        started_at=reading.clock.started_at if reading.clock is not None else None,
        of_clock=reading.clock is not None,
        remarks=(*([f"Read as {plan.title}."] if plan.title else []), *plan.remarks, *rows.remarks, *reading.remarks),
    )
    if not len(measured) and plan.meter != UNKNOWN:
        raise no_rows(head, plan.first)
    return recording(plan.finish(measured), asked)


def _facts(head: Head, plan: Plan) -> MeterFacts:
    """What the file's `#` lines say of its meter, as ours do, and what its format does."""
    notes, numbers, _ = notes_of(head)
    said = parse_facts(head.name, notes, numbers).meter
    return replace(
        said,
        meter=plan.meter if said.meter == UNKNOWN else said.meter,
        transport="a file" if plan.meter != UNKNOWN and said.transport == UNKNOWN else said.transport,
        field=plan.field if said.field == UNKNOWN else said.field,
    )


def _rows_of(plan: Plan, pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The lines behind the names, made into cells where the format has none."""
    for piece in pieces:
        rest = piece.after(max(0, min(plan.first - piece.number, len(piece.lines))))
        yield rest if plan.rewrite is None else plan.rewrite(rest)


class _Reading:
    """Rows of one file, piece by piece: times in seconds, other quantities in their units, and what came before."""

    def __init__(self, plan: Plan, asked: Asked) -> None:
        self.plan = plan
        quantities = [name for name in QUANTITIES if name in plan.layout.places]
        self.may_lack = plan.layout.texts | beside_joules(quantities, asked)
        self.clock = None if plan.time_form is None else WallClock(plan.time_form)
        self.missing = 0
        self._latest_s, self._hole, self._count, self._has_rows = -math.inf, False, 0, False

    @property
    def remarks(self) -> Iterator[str]:
        if self.missing:
            rows = "1 row has" if self.missing == 1 else f"{self.missing:,} rows have"
            yield f"{rows} no measurement by the file's own word: there is a hole in each place."

    def columns(self, piece: Piece) -> Columns:
        """The columns of the lines that are rows. Raises `TraceFormatError` for the first that is none."""
        rows, wrong = read_rows(self.plan.layout, piece)
        columns = {name: self._in_units(name, values) for name, values in rows.columns.items() if name not in CLOCK}
        columns[TIME] = self._seconds(rows)
        if self.plan.ordered:
            self._refuse_backwards(piece, rows, columns[TIME])
        self._refuse_endless(rows, columns)
        if wrong is not None:
            raise wrong if self._has_rows or len(rows) else TraceFormatError(wrong.message, FIRST_IS_WRONG)
        self._has_rows |= len(rows) > 0
        return self._without_missing(columns)

    def _in_units(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        unit = self.plan.units.get(name)  # type: ignore[call-overload]  # None for other columns
        if unit is None or unit.times == unit.parts:
            return values
        with np.errstate(over="ignore"):  # what is endless then is refused by its line
            in_own: NDArray[Any] = values * unit.times / unit.parts
        return in_own

    def _seconds(self, rows: Rows) -> Samples:
        if self.plan.every_s is not None:
            self._count += len(rows)
            places: Samples = np.arange(self._count - len(rows), self._count, dtype=np.float64)
            return places * self.plan.every_s
        cells = rows.columns["time"]
        if "date" in rows.columns:
            cells = np.char.add(np.char.add(rows.columns["date"], " "), cells)
        if self.clock is None:
            return self._in_units("time", cells)
        try:
            return self.clock.seconds(cells)
        except NoTime as error:
            what = f"{shown(str(cells[error.place]))} is no time ({error})"
            raise bad_line(
                self.plan.layout.name,
                rows.numbers[error.place],
                what,
                "Repair that line, or say how times are written: --time-format iso, hms, mdy, dmy-slash for day/month, "
                "or codes such as %H:%M:%S.",
            ) from error

    def _refuse_backwards(self, piece: Piece, rows: Rows, t_s: Samples) -> None:
        before_s = np.concatenate(([self._latest_s], t_s[:-1])) if len(t_s) else t_s
        wrong = np.flatnonzero(t_s < before_s)
        if len(wrong):
            row = int(wrong[0])
            self._refuse_another(piece, rows.numbers[row])
            raise backwards_error(self.plan.layout.name, rows.numbers[row], before_s[row], t_s[row])
        self._latest_s = float(t_s[-1]) if len(t_s) else self._latest_s

    def _refuse_another(self, piece: Piece, number: int) -> None:
        """Raise `TraceFormatError` where the names stand once more in front of that line."""
        for above in range(number - 1, piece.number - 1, -1):
            line = piece.lines[above - piece.number]
            if self.plan.header and bare(line) == self.plan.header:
                raise several(self.plan.layout.name, above)
            if not self.plan.layout.leave(line):
                return

    def _refuse_endless(self, rows: Rows, columns: Columns) -> None:
        for name in columns.keys() - self.plan.layout.texts:
            endless = np.flatnonzero(np.isinf(columns[name]))
            if len(endless):
                number = rows.numbers[int(endless[0])]
                raise bad_line(self.plan.layout.name, number, f"its {name} in that unit is beyond all numbers")
        if not {"voltage", "current"} <= columns.keys():
            return
        with np.errstate(over="ignore"):
            endless = np.flatnonzero(np.isinf(columns["voltage"] * columns["current"]))
        if len(endless):
            row = int(endless[0])
            values = columns["voltage"][row], columns["current"][row]
            raise endless_error(self.plan.layout.name, rows.numbers[row], *values)

    def _without_missing(self, columns: Columns) -> Columns:
        """Without the rows that lack what the joules are made of, and with a mark where one of them was."""
        lacking = np.zeros(len(columns[TIME]), dtype=bool)
        for name in columns.keys() - self.may_lack:
            lacking |= np.isnan(columns[name])
        hole = np.zeros(len(lacking), dtype=bool)
        if self._hole or lacking.any():
            self.missing += int(np.count_nonzero(lacking))
            hole = np.concatenate(([self._hole], lacking[:-1])) if len(lacking) else hole
            self._hole = bool(lacking[-1]) if len(lacking) else self._hole
            # A hole of several rows ends in front of the first that is none of them.
            hole = hole[~lacking]
            columns = {name: values[~lacking] for name, values in columns.items()}
        return {**columns, HOLE: hole}
