"""Any table whose columns say what they are: quantity and unit in the name, in any order and among others.

Volts and amperes make the watts; where there are none, watts alone or a counter of joules do.
"""

from collections.abc import Sequence
from dataclasses import replace

from power.errors import TraceFormatError
from power.formats.counter import joules_of_counter
from power.formats.format import Format
from power.reading.asked import EXAMPLE, Asked
from power.reading.head import (
    ROWS_TO_JUDGE_BY,
    Head,
    Header,
    Leaving,
    is_blank,
    is_comment,
    place_of,
    separator_of_rows,
    separators,
)
from power.reading.names import Named, Quantity, quantities, unit_in
from power.reading.plan import Plan, one_a_quantity, table_plan
from power.reading.times import form_of
from power.trace_facts import bad_line, shown

NAMES_SHOWN = 200  # characters
MAKES_POWER: tuple[frozenset[Quantity], ...] = (
    frozenset({"voltage", "current"}),
    frozenset({"power"}),
    frozenset({"current"}),
    frozenset({"energy"}),
)


def _plan(head: Head, header: Header | None, asked: Asked) -> Plan | None:
    if header is None or not _has_times(header.columns, asked):
        return None
    return _of_columns(head, header, asked, one_a_quantity(head, header.columns))


FORMAT = Format(
    "named-columns", "a table with quantity and unit in its columns' names", "docs/measuring-energy.md", _plan
)


def _of_columns(head: Head, header: Header, asked: Asked, columns: Sequence[Named]) -> Plan:
    """With the columns that make the power, and watts beside volts and amperes as a check."""
    kinds = {column.quantity for column in columns}
    if not any(needed <= kinds for needed in MAKES_POWER):
        raise TraceFormatError(
            f"{head.name}: of what makes joules its columns name {', '.join(sorted(kinds))} alone: "
            f"{_listed(header.names)}.",
            "Say which are the volts and amperes, or the watts, by name or by number from 1: --columns t=1,v=2,i=3 "
            "--units s,V,A, or --columns t=1,p=2 --units s,W.",
        )
    counts_joules = "energy" in kinds and not kinds & {"voltage", "current", "power"}
    used = [column for column in columns if column.quantity != "energy" or counts_joules]
    plan = table_plan(head, header, asked, used, title="")
    return replace(plan, finish=joules_of_counter) if counts_joules else plan


def asked_plan(head: Head, header: Header | None, asked: Asked) -> Plan:
    """By the columns that a person names, or numbers from 1. Raises `TraceFormatError` where there are none such."""
    if not asked.columns:
        raise _unknown(head, header)
    table = _table(head, header, asked)
    columns = [_column(head, table, quantity, wanted, asked) for quantity, wanted in asked.columns.items()]
    if {column.quantity for column in columns} == {"time"}:  # then the others are clear by their names
        columns += one_a_quantity(head, [column for column in table.columns if column.quantity != "time"])
    if not _has_times(columns, asked):
        raise TraceFormatError("--columns names no column of times.", f"Add t=NAME or t=NUMBER: {EXAMPLE}.")
    return _of_columns(head, table, asked, columns)


def _has_times(columns: Sequence[Named], asked: Asked) -> bool:
    """Whether there is a column of times, or a person says how far apart the rows are."""
    return asked.every_s is not None or any(column.quantity == "time" for column in columns)


def _table(head: Head, header: Header | None, asked: Asked) -> Header:
    """The table's header, or the line that has all names that were asked for; where all are numbers, perhaps none."""
    if all(wanted.isdecimal() for wanted in asked.columns.values()) and _has_no_names(head):
        return _without_names(head)
    if header is not None and all(_place(header.names, wanted) is not None for wanted in asked.columns.values()):
        return header
    numbered = [(number, line) for number, line in enumerate(head.lines, head.first) if not is_blank(line)]
    for number, line in sorted(numbered, key=lambda one: is_comment(one[1])):
        for separator in separators(line):
            names = tuple(cell.strip().strip('"') for cell in line.lstrip("#% ").split(separator))
            found = Header(number, names, separator, tuple(quantities(names)))
            has_all = all(_place(names, wanted) is not None for wanted in asked.columns.values())
            if len(names) > 1 and has_all and _is_above_rows(head, found):
                return found
    raise _unknown(head, header, asked)


def _is_above_rows(head: Head, header: Header) -> bool:
    """Whether the next line has as many cells, as that below a preamble's has not."""
    below = next(head.rows(header.number + 1, Leaving("", header.separator)), None)
    return below is None or below.count(header.separator) >= len(header.names) - 1


def _place(names: Sequence[str], wanted: str) -> int | None:
    """Of the column that is called so, or has that number, counted from 1."""
    place = place_of(names, wanted)
    if place is None and wanted.isdecimal() and 0 < int(wanted) <= len(names):
        return int(wanted) - 1
    return place


def _column(head: Head, table: Header, quantity: Quantity, wanted: str, asked: Asked) -> Named:
    place = _place(table.names, wanted)
    if place is None:
        raise _unknown(head, table, asked)
    name = table.names[place] if place < len(table.names) else wanted
    known = next((column for column in table.columns if column.place == place), None)
    unit = known.unit if known is not None and known.quantity == quantity else None
    return Named(place, name, quantity, unit or unit_in(name, quantity))


def _has_no_names(head: Head) -> bool:
    """Whether the first line that is no comment has a number or a time in each cell."""
    for line in head.lines:
        if is_blank(line) or is_comment(line):
            continue
        cells = line.replace(";", " ").replace("\t", " ").replace(",", " ").replace('"', " ").split()
        return bool(cells) and all(_is_number(cell) for cell in cells)
    return False


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return form_of(cell) is not None
    return True


def _without_names(head: Head) -> Header:
    """A header in front of the first line, whose names are numbers."""
    leave = Leaving("", ",")
    rows = [line for line in head.lines if not leave(line)][:ROWS_TO_JUDGE_BY]
    separator = separator_of_rows(rows)
    count = len(rows[0].split(None if separator == " " else separator))
    first = next(number for number, line in enumerate(head.lines, head.first) if not leave(line))
    return Header(first - 1, tuple(str(n) for n in range(1, count + 1)), separator, ())


def _unknown(head: Head, header: Header | None, asked: Asked | None = None) -> TraceFormatError:
    """What the file looks like, and how to say what it is."""
    lines = [(number, line) for number, line in enumerate(head.lines, head.first) if not is_blank(line)]
    if not lines or not any(line.strip("\0 ") for _, line in lines):
        return bad_line(head.name, 1, "the file is empty", "Record again, or copy the file anew.")
    if asked is not None and asked.columns:
        names = header.names if header is not None else tuple(_likely_names(head))
        lacking = [wanted for wanted in asked.columns.values() if _place(names, wanted) is None]
        return TraceFormatError(
            f"{head.name} has no column {', '.join(lacking or asked.columns.values())}; it has {_listed(names)}.",
            "Give names as they stand there, or numbers counted from 1.",
        )
    if _has_no_names(head):
        number, line = next((n, text) for n, text in lines if not is_comment(text))
        return bad_line(
            head.name,
            number,
            f"no line names the columns; the first row is {shown(line)}",
            "Say what they are, if they are seconds, volts and amperes: --columns t=1,v=2,i=3 --units s,V,A.",
        )
    likely = tuple(_likely_names(head))
    kinds = {column.quantity for column in quantities(likely)}
    if any(needed <= kinds for needed in MAKES_POWER):
        return bad_line(
            head.name,
            lines[0][0],
            f"none of its columns is one of times by its name: {_listed(likely)}",
            "Say which is, with its unit: --columns t=NAME --units s; or, where rows are even, the seconds between two "
            "of them: --every SECONDS.",
        )
    return bad_line(
        head.name,
        lines[0][0],
        f"its columns are not known: {_listed(likely)}; none is of seconds, volts and amperes, or of watts, by "
        "its name",
        "Say which are, by name or by number from 1: --columns t=1,v=2,i=3 --units s,V,A, or --columns t=1,p=2 "
        "--units s,W.",
    )


def _likely_names(head: Head) -> list[str]:
    """The cells of the first line that has several."""
    for line in head.lines:
        for separator in ("\t", ";", ",", "|"):
            cells = [cell.strip().strip('"') for cell in line.split(separator)]
            if len([cell for cell in cells if cell]) > 1:
                return cells
    return head.lines[0].split()[:10]


def _listed(names: Sequence[str]) -> str:
    text = ", ".join(name for name in names if name)
    return ascii(text[:NAMES_SHOWN])[1:-1] + ("…" if len(text) > NAMES_SHOWN else "")
