"""How the rows of a file become measurements: where its columns stand, what they mean, and what is done with them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

from power.errors import TraceFormatError
from power.reading.asked import EXAMPLE, Asked
from power.reading.dialect import Ambiguous, Dialect, number_marks
from power.reading.head import ROWS_TO_JUDGE_BY, Head, Header, Leaving, bare
from power.reading.measured import Measured
from power.reading.names import OWN_UNITS, QUANTITIES, UNITS, Named, Quantity, Unit
from power.reading.rows import PLAIN, RowLayout
from power.reading.text import Piece
from power.reading.times import TimeForm, form_of, form_of_all
from power.time_units import RECENT_S
from power.trace_facts import UNKNOWN, bad_line, shown

Finish = Callable[[Measured], Measured]
Rewrite = Callable[[Piece], Piece]


# A program's own words for no measurement.
MISSING = frozenset({"nan", "n/a", "[n/a]", "[not supported]", "[unknown error]", "null", "none", "--"})
DATES = ("date", "datum")
WHOSE = ("channel", "ch", "device", "sensor", "rail", "gpu_id", "uuid", "gpu_uuid", "entity_id", "pci.bus_id",
         "node", "host", "core")  # fmt: skip
TEXTS = frozenset({"date", "whose"})
SMALL_UNITS: dict[Quantity, str] = {"time": "ms", "voltage": "mV", "current": "mA", "power": "mW", "energy": "Wh"}


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
    remarks: tuple[str, ...] = ()


def table_plan(
    head: Head,
    header: Header,
    asked: Asked,
    columns: Sequence[Named],
    *,
    title: str,
    extra: Mapping[str, str] | None = None,
    texts: Sequence[str] = (),
    ragged: bool = False,
) -> Plan:
    """The plan of a table with a header. `columns` are those that make joules, one a quantity.

    `extra` are further columns, by the name that `finish` knows them by and their name in the file; `texts` are those
    of them that are no numbers; rows may be `ragged` behind them all. Raises `TraceFormatError` where a unit or a mark
    is not certain.
    """
    leave = Leaving(bare(head.line(header.number)) if header.number >= head.first else "", header.separator)
    if asked.every_s is not None:
        columns = [column for column in columns if column.quantity != "time"]
    places = {column.quantity: column.place for column in columns}
    if "time" not in places and asked.every_s is None:
        raise TraceFormatError(
            f"{head.name}: none of its columns is known to hold times.",
            "Name it (--columns t=NAME,v=NAME,i=NAME), or say how far apart the rows are: --every 0.1.",
        )
    others = {name: place for name, wanted in (extra or {}).items() if (place := header.place(wanted)) is not None}
    others |= _whose(header, others)
    dialect = _dialect(head, header, asked, columns, leave)
    rows = [dialect.cells_if_whole(line) for line in _first_rows(head, header, leave)]
    time_form = _time_form(head, asked, rows, places.get("time"))
    if "time" in places and time_form is not None and asked.time_form is None:
        time_form, others = _with_dates(head, header, rows, places["time"], time_form, others)
    width, padding = _widths(header, rows)
    layout = RowLayout(
        name=head.name,
        places=dict(chain(places.items(), others.items())),
        width=width,
        padding=padding,
        dialect=dialect,
        missing=MISSING,
        texts=frozenset([*texts, *TEXTS.intersection(others), *(["time"] if time_form is not None else [])]),
        leave=leave,
        ragged=ragged,
    )
    units = _units(head, columns, asked, time_form, rows[0] if rows else [], dialect)
    field = ", ".join(column.name for column in columns)
    remarks = (*_about_dialect(dialect), *_contradictions(columns, units))
    plan = Plan(title, layout, header.number + 1, units, time_form, field=field, header=leave.header, remarks=remarks)
    return replace(plan, every_s=asked.every_s)


def _whose(header: Header, others: Mapping[str, int]) -> dict[str, int]:
    """The column that says which of several things a row is of, if there is one."""
    found = [place for name in WHOSE if (place := header.place(name)) is not None]
    return {"whose": found[0]} if found and "whose" not in others else {}


def _dialect(head: Head, header: Header, asked: Asked, columns: Sequence[Named], leave: Leaving) -> Dialect:
    dialect = Dialect(header.separator)
    if asked.decimal is not None:
        return replace(dialect, decimal=asked.decimal, thousands="." if asked.decimal == "," else ",")
    rows = _first_rows(head, header, leave)
    table = [dialect.cells_if_whole(line) for line in rows]
    places = [column.place for column in columns]
    cells = [row[place] for row in table for place in places if place < len(row) and form_of(row[place]) is None]
    others = chain.from_iterable(table) if any(mark in cell for mark in ",." for cell in cells) else ()
    # 5.070 mA may be five thousand of them; no board has as many volts, and nobody writes points between bare commas.
    units = [asked.units.get(column.quantity) or column.unit for column in columns]
    has_parts = any(unit is not None and unit.parts > 1 for unit in units)
    may_group = header.separator != "," or any('"' in line for line in rows)
    try:
        decimal, thousands = number_marks(cells, others, doubts_points=has_parts and may_group)
    except Ambiguous as error:
        raise TraceFormatError(f"{head.name}: {error}.", "Say which: --decimal comma or --decimal point.") from error
    return replace(dialect, decimal=decimal, thousands=thousands)


def _first_rows(head: Head, header: Header, leave: Leaving) -> list[str]:
    return list(islice(head.rows(header.number + 1, leave), ROWS_TO_JUDGE_BY))


def _widths(header: Header, rows: Sequence[Sequence[str]]) -> tuple[int, int]:
    """How many cells a row has, and how many empty ones follow them, by the first row."""
    named, cells = len(header.names), rows[0] if rows else ()
    return named, max(0, len(cells) - named) if not any(cells[named:]) else 0


def _time_form(head: Head, asked: Asked, rows: Sequence[Sequence[str]], place: int | None) -> TimeForm | None:
    """How times are written, None for numbers."""
    if asked.time_form is not None or place is None:
        return asked.time_form
    return _form(head, [cells[place] for cells in rows if place < len(cells)])


def _form(head: Head, cells: Sequence[str]) -> TimeForm | None:
    try:
        return form_of_all([cell for cell in cells if cell.lower() not in MISSING])
    except ValueError as error:
        raise TraceFormatError(
            f"{head.name}: {error}.", "Say which: --time-format dmy-slash where the day is first, or --time-format mdy."
        ) from error


def _with_dates(
    head: Head, header: Header, rows: Sequence[Sequence[str]], place: int, form: TimeForm, others: dict[str, int]
) -> tuple[TimeForm, dict[str, int]]:
    """With the dates that stand in a column beside times of day."""
    date = next((found for name in DATES if (found := header.place(name)) is not None), None)
    if form.dated or date is None or date == place:
        return form, others
    dated = _form(head, [f"{cells[date]} {cells[place]}" for cells in rows if max(date, place) < len(cells)])
    if dated is None:
        raise TraceFormatError(
            f"{head.name}: its column {shown(header.names[date])} holds no dates that are known, such as "
            f"{shown(rows[0][date])}.",
            "Say --time-format hms to count the times of day alone: then a wait of more than a day is not seen.",
        )
    return dated, {**others, "date": date}


def _units(
    head: Head, columns: Sequence[Named], asked: Asked, time_form: TimeForm | None, first: Sequence[str],
    dialect: Dialect,
) -> dict[Quantity, Unit]:  # fmt: skip
    """Each column's unit. Raises `TraceFormatError` for those that nothing tells."""
    units = {column: _unit(head, column, asked, time_form, first, dialect) for column in columns}
    lacking = [column for column, unit in units.items() if unit is None]
    if lacking:
        one = len(lacking) == 1
        own = ",".join(OWN_UNITS[column.quantity].symbol for column in lacking)
        small = ",".join(SMALL_UNITS[column.quantity] for column in lacking)
        raise TraceFormatError(
            f"{head.name}: the column{'' if one else 's'} {', '.join(shown(column.name) for column in lacking)} "
            f"{'does' if one else 'do'} not say {'its unit' if one else 'their units'}.",
            f"Say {'it' if one else 'them'}: --units {own}, or --units {small}, or what else they are; or name the "
            "column with its unit.",
        )
    return {column.quantity: unit for column, unit in units.items() if unit is not None}


def _about_dialect(dialect: Dialect) -> Iterator[str]:
    """How the table is written, where it is otherwise than ours."""
    if dialect != PLAIN:
        yield f"It is written with {dialect}."


def _contradictions(columns: Sequence[Named], units: Mapping[Quantity, Unit]) -> Iterator[str]:
    """What to say of a unit that a person gave and that the column's name contradicts."""
    for column in columns:
        taken = units[column.quantity]
        if column.unit is not None and column.unit != taken:
            yield (
                f"The column {shown(column.name)} was taken in {taken.symbol}, as --units says, though its name says "
                f"{column.unit.symbol}."
            )


def _unit(
    head: Head, column: Named, asked: Asked, time_form: TimeForm | None, first: Sequence[str], dialect: Dialect
) -> Unit | None:
    unit = asked.units.get(column.quantity) or column.unit
    if column.quantity != "time":
        return unit
    if time_form is not None:
        return OWN_UNITS["time"]
    cell = first[column.place] if column.place < len(first) else ""
    if ":" in cell:
        raise TraceFormatError(
            f"{head.name}: {shown(cell)} in the column {shown(column.name)} is no time that is known.",
            "Say how times are written, in codes: --time-format “%I:%M:%S %p”, “%d.%m.%y %H:%M:%S” or whatever fits.",
        )
    if unit == UNITS["ms"] and "time" not in asked.units and _since_1970(cell, dialect) == OWN_UNITS["time"]:
        raise TraceFormatError(
            f"{head.name}: the column {shown(column.name)} holds {cell}, which is no time in milliseconds of today and "
            "one in seconds since 1970.",
            "Say which it is: --units s; or --units ms, if they are of a board that has been on for weeks.",
        )
    return unit or _since_1970(cell, dialect)


def _since_1970(cell: str, dialect: Dialect) -> Unit | None:
    """The unit of a clock that counts from 1970, None for another."""
    try:
        value = dialect.number(cell)
    except ValueError:
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
