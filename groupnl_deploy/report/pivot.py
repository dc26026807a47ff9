"""One number of all rows as a table of two traits. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from groupnl_deploy.errors import UsageError
from groupnl_deploy.report.flat import csv_cell, flat_names
from groupnl_deploy.report.marks import doubts_of, marks, stamps_of
from groupnl_deploy.report.repeats import Group, group_values
from groupnl_deploy.report.sections import Section
from groupnl_deploy.report.traits import differing, plain
from groupnl_deploy.words import known_word

_MIXED = "A cell with several numbers has rows that differ in {}: their median, and the lowest and highest of them."


@dataclass(frozen=True)
class Pivot:
    """What is asked for: names of CSV columns. `columns` is None for a table of one column."""

    rows: str
    columns: str | None
    value: str


def parse_pivot(text: str, value: str | None) -> Pivot:
    """Of `ROWS[,COLUMNS]` and the number's name. Raises `UsageError`."""
    names = [name.strip() for name in text.split(",")]
    if value is None:
        raise UsageError("--pivot needs the number to show.", f"Add --value p50_ms: --pivot {text} --value p50_ms.")
    if len(names) > 2 or not all(names):
        raise UsageError(
            f"--pivot {text} is not ROWS or ROWS,COLUMNS.", "Name one or two columns, such as network,backend."
        )
    return Pivot(names[0], names[1] if len(names) > 1 else None, value)


def pivot_section(groups: Sequence[Group], asked: Pivot) -> Section:
    """The table. Raises `UsageError` for a name that is no column, or a value that is no number."""
    names = flat_names([group.row for group in groups])
    for name in filter(None, (asked.rows, asked.columns, asked.value)):
        known_word("column", name, names)
    _require_number(groups, asked.value)
    cells = _cells(groups, asked)
    across = tuple(dict.fromkeys(column for _, column in cells))
    down = tuple(dict.fromkeys(row for row, _ in cells))
    corner = asked.rows if asked.columns is None else f"{asked.rows} / {asked.columns}"
    found = [cells[place] for place in cells if len(cells[place]) > 1]
    return Section(
        name="pivot",
        title=f"{asked.value} by {asked.rows}" + (f" and {asked.columns}" if asked.columns else ""),
        headings=((corner, False), *((column, True) for column in across)),
        rows=tuple((row, *(_text(cells.get((row, column), []), asked.value) for column in across)) for row in down),
        notes=tuple(_MIXED.format(_mixture(mixed)) for mixed in found[:1]),
        data={
            "rows": asked.rows,
            "columns": asked.columns,
            "value": asked.value,
            "cells": [
                {
                    "row": row,
                    "column": column,
                    "values": [_value(group, asked.value) for group in cell],
                    **stamps_of(*(group.row for group in cell)),
                }
                for (row, column), cell in cells.items()
            ],
        },
    )


def _require_number(groups: Sequence[Group], name: str) -> None:
    values = [group_values(group).get(name) for group in groups]
    odd = [
        value
        for value in values
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float))
    ]
    if odd:
        raise UsageError(
            f"--value {name} is no number: it is “{plain(odd[0])}”.",
            "Name a column of numbers, such as p50_ms or energy_j.",
        )


def _cells(groups: Sequence[Group], asked: Pivot) -> dict[tuple[str, str], list[Group]]:
    """The groups of each cell, rows and columns in the order in which they first stand."""
    found: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        flat = group_values(group)
        down = _word(flat.get(asked.rows))
        across = asked.value if asked.columns is None else _word(flat.get(asked.columns))
        found.setdefault((down, across), []).append(group)
    return found


def _word(value: object) -> str:
    return plain(value) if isinstance(value, float) else plain(csv_cell(value))


def _value(group: Group, name: str) -> float | None:
    found = group_values(group).get(name)
    return float(found) if isinstance(found, int | float) else None


def _text(cell: Sequence[Group], name: str) -> str:
    found = [(value, group) for group in cell if (value := _value(group, name)) is not None]
    if not found:
        return "–"
    doubts = doubts_of(name)
    marked = "".join(dict.fromkeys("".join(marks(group.row, doubts) for _, group in found)))
    values = [value for value, _ in found]
    ends = f" ({min(values):.4g} to {max(values):.4g})" if len(values) > 1 else ""
    return f"{median(values):.4g}{marked}{ends}"


def _mixture(cell: Sequence[Group]) -> str:
    return ", ".join(trait.heading for trait in differing([group.row for group in cell])) or "nothing but their runs"
