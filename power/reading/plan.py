"""How the rows of a file become measurements: where its columns stand, what they mean, and what is done with them."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

from power.errors import TraceFormatError
from power.reading.asked import EXAMPLE, Asked
from power.reading.dialect import Ambiguous, Dialect, number_marks
from power.reading.head import ROWS_TO_JUDGE_BY, Head, Header, Leaving, bare
from power.reading.measured import Measured
from power.reading.names import OWN_UNITS, QUANTITIES, UNITS, Named, Quantity, Unit
from power.reading.rows import RowLayout
from power.reading.text import Piece
from power.reading.times import TimeForm, form_of
from power.time_units import RECENT_S
from power.trace_facts import UNKNOWN, bad_line, shown

Finish = Callable[[Measured], Measured]
Rewrite = Callable[[Piece], Piece]


MISSING = frozenset({"nan", "n/a", "[n/a]", "null", "none", "--"})  # a program's own words for no measurement


def _as_it_is(measured: Measured) -> Measured:
    return measured


@dataclass(frozen=True)
class Plan:
    """How one file is read.

    `layout` and `first` say where its rows are, `units` and `time_form` what their cells mean: `time_form` None stands
    for numbers. `rewrite` makes cells of lines that have none; `finish` is what the format knows beyond its columns.
    `title` is what the file is, for people, and `meter` what measured, as far as the format tells; `ordered` is False
    where times may fall back by the program's own fault, which `finish` mends. `every_s` is how far apart the rows are
    where a person says so; then no time is read.
    """

    title: str
    layout: RowLayout
    first: int
    units: Mapping[Quantity, Unit]
    time_form: TimeForm | None = None
    meter: str = UNKNOWN
    field: str = UNKNOWN
    finish: Finish = _as_it_is
    rewrite: Rewrite | None = None
    ordered: bool = True
    every_s: float | None = None
    header: str = ""


def table_plan(
    head: Head,
    header: Header,
    asked: Asked,
    columns: Sequence[Named],
    *,
    title: str,
    extra: Mapping[str, str] | None = None,
    texts: Sequence[str] = (),
) -> Plan:
    """The plan of a table with a header. `columns` are those that make joules, one a quantity.

    `extra` are further columns, by the name that `finish` knows them by and their name in the file; `texts` are those
    of them that are no numbers. Raises `TraceFormatError` where a unit or a mark is not certain.
    """
    leave = Leaving(bare(head.line(header.number)) if header.number >= head.first else "", header.separator)
    if asked.every_s is not None:
        columns = [column for column in columns if column.quantity != "time"]
    places = {column.quantity: column.place for column in columns}
    others = {name: place for name, wanted in (extra or {}).items() if (place := header.place(wanted)) is not None}
    dialect = _dialect(head, header, asked, columns, leave)
    first = next(head.rows(header.number + 1, leave), None)
    time_form = _time_form(head, header, asked, places.get("time"), dialect, leave)
    width, padding = _widths(header, first, dialect, max([*places.values(), *others.values()], default=0))
    layout = RowLayout(
        name=head.name,
        places=dict(chain(places.items(), others.items())),
        width=width,
        padding=padding,
        dialect=dialect,
        missing=MISSING,
        texts=frozenset([*texts, *(["time"] if time_form is not None else [])]),
        leave=leave,
    )
    units = {column.quantity: _unit(head, column, asked, time_form, first, dialect) for column in columns}
    field = ", ".join(column.name for column in columns)
    return Plan(
        title, layout, header.number + 1, units, time_form, field=field, header=leave.header, every_s=asked.every_s
    )


def _dialect(head: Head, header: Header, asked: Asked, columns: Sequence[Named], leave: Leaving) -> Dialect:
    dialect = Dialect(header.separator)
    if asked.decimal is not None:
        return replace(dialect, decimal=asked.decimal, thousands="." if asked.decimal == "," else ",")
    cells = []
    for line in _first_rows(head, header, leave):
        found = _cells(dialect, line)
        places = (column.place for column in columns)
        cells += [found[place] for place in places if place < len(found) and form_of(found[place]) is None]
    # 5.070 mA may be five thousand of them; no board has as many volts, and nobody writes points between commas.
    units = [asked.units.get(column.quantity) or column.unit for column in columns]
    has_parts = any(unit is not None and unit.parts > 1 for unit in units)
    try:
        decimal, thousands = number_marks(cells, doubts_points=has_parts and header.separator != ",")
    except Ambiguous as error:
        raise TraceFormatError(f"{head.name}: {error}.", "Say which: --decimal comma or --decimal point.") from error
    return replace(dialect, decimal=decimal, thousands=thousands)


def _first_rows(head: Head, header: Header, leave: Leaving) -> list[str]:
    return list(islice(head.rows(header.number + 1, leave), ROWS_TO_JUDGE_BY))


def _cells(dialect: Dialect, line: str) -> list[str]:
    try:
        return dialect.cells(line)
    except csv.Error:
        return []


def _widths(header: Header, first: str | None, dialect: Dialect, last: int) -> tuple[int, int]:
    """How many cells a row has, and how many empty ones follow them, by the first row: as many as there are names, or
    fewer where the wanted ones are among them."""
    cells = [] if first is None else _cells(dialect, first)
    named = len(header.names)
    if len(cells) >= named and not any(cells[named:]):
        return named, len(cells) - named
    return (len(cells) if named > len(cells) > last else named), 0


def _time_form(
    head: Head, header: Header, asked: Asked, place: int | None, dialect: Dialect, leave: Leaving
) -> TimeForm | None:
    """How times are written, None for numbers."""
    if asked.time_form is not None or place is None:
        return asked.time_form
    for line in _first_rows(head, header, leave)[:1]:
        cells = _cells(dialect, line)
        if place < len(cells):
            return form_of(cells[place])
    return None


def _unit(
    head: Head, column: Named, asked: Asked, time_form: TimeForm | None, first: str | None, dialect: Dialect
) -> Unit:
    unit = asked.units.get(column.quantity) or column.unit
    if unit is not None:
        return unit
    if column.quantity == "time":
        if time_form is not None:
            return OWN_UNITS["time"]
        since_1970 = _since_1970(column, first, dialect)
        if since_1970 is not None:
            return since_1970
    letters = {"time": "s or ms", "voltage": "V or mV", "current": "A or mA", "power": "W or mW", "energy": "J or Wh"}
    raise TraceFormatError(
        f"{head.name}: the column {shown(column.name)} does not say its unit.",
        f"Say it: --units with {letters[column.quantity]}, such as --units s,V,A; or name the column with its unit.",
    )


def _since_1970(column: Named, first: str | None, dialect: Dialect) -> Unit | None:
    """The unit of a clock that counts from 1970, None for another."""
    cells = [] if first is None else _cells(dialect, first)
    try:
        value = dialect.number(cells[column.place])
    except (ValueError, IndexError):
        return None
    low, high = RECENT_S
    return next((UNITS[unit] for unit in ("s", "ms", "us", "ns") if low <= value / UNITS[unit].parts <= high), None)


def one_a_quantity(head: Head, columns: Sequence[Named]) -> list[Named]:
    """One column a quantity. Raises `TraceFormatError` where there are several and nothing tells which counts."""
    chosen = []
    for quantity in QUANTITIES:
        found = [column for column in columns if column.quantity == quantity]
        if len(found) > 1 and quantity == "time":
            found = _best_time(found)
        if len(found) > 1:
            names = ", ".join(column.name for column in found)
            raise TraceFormatError(
                f"{head.name} has {len(found)} columns of {quantity}, and nothing tells which counts: {names}.",
                f"Name one of each quantity, by its name or its number: {EXAMPLE}.",
            )
        chosen += found
    return chosen


def _best_time(found: Sequence[Named]) -> list[Named]:
    """Of several times those with a unit, which are no wall clock; of these the first named."""
    with_unit = [column for column in found if column.unit is not None]
    alike = len({column.name for column in found}) < len(found)
    return list(found) if alike else with_unit[:1] or list(found)


def no_rows(head: Head, first: int) -> TraceFormatError:
    """For a file that ends behind its names."""
    return bad_line(
        head.name, max(first - 1, 1), "no row follows the columns' names", "Record again, or copy it whole."
    )
