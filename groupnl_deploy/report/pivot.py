"""One number of all rows as a table of two traits. Pure."""

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median

from groupnl_deploy.errors import UsageError
from groupnl_deploy.report.flat import csv_cell, flat_names
from groupnl_deploy.report.marks import doubts_of, marks, stamps_of
from groupnl_deploy.report.repeats import Group, group_values
from groupnl_deploy.report.sections import Section
from groupnl_deploy.report.traits import differing, plain
from groupnl_deploy.words import first_few, known_word

_MIXED = "A cell with several numbers has rows that differ in {}: their median, and the lowest and highest of them."


@dataclass(frozen=True)
class Pivot:
    """What is asked for: names of CSV columns. `columns` is None for a table of one column a number.

    `value` has the names of several numbers with commas between.
    """

    rows: str
    columns: str | None
    value: str

    @property
    def values(self) -> tuple[str, ...]:
        """The names of the numbers."""
        return tuple(name.strip() for name in self.value.split(","))


def parse_pivot(text: str, value: str | None) -> Pivot:
    """Of `ROWS[,COLUMNS]` and the number's name. Raises `UsageError`."""
    names = [name.strip() for name in text.split(",")]
    if value is None:
        raise UsageError("--pivot needs the number to show.", f"Add --value p50_ms: --pivot {text} --value p50_ms.")
    if len(names) > 2 or not all(names):
        raise UsageError(
            f"--pivot {text} is not ROWS or ROWS,COLUMNS.", "Name one or two columns, such as network,backend."
        )
    asked = Pivot(names[0], names[1] if len(names) > 1 else None, value)
    if not all(asked.values) or len(set(asked.values)) < len(asked.values):
        raise UsageError(f"--value {value} is not NAME or NAME,NAME.", "Name each number once: p50_ms,energy_j.")
    return asked


def pivot_section(groups: Sequence[Group], asked: Pivot) -> Section:
    """The table. Raises `UsageError` as `pivot_cells` does."""
    cells = pivot_cells(groups, asked)
    places = [(column, name) for column in dict.fromkeys(column for _, column in cells) for name in asked.values]
    down = tuple(dict.fromkeys(row for row, _ in cells))
    corner = asked.rows if asked.columns is None else f"{asked.rows} / {asked.columns}"
    found = [cells[place] for place in cells if len(cells[place]) > 1]
    return Section(
        name="pivot",
        title=f"{', '.join(asked.values)} by {asked.rows}" + (f" and {asked.columns}" if asked.columns else ""),
        headings=((corner, False), *((_heading(asked, *place), True) for place in places)),
        rows=tuple((row, *(_text(cells.get((row, column), []), name) for column, name in places)) for row in down),
        notes=tuple(_MIXED.format(_mixture(mixed)) for mixed in found[:1]),
        data={
            "rows": asked.rows,
            "columns": asked.columns,
            "value": asked.value,
            "cells": [
                _cell(row, name if asked.columns is None else column, cell, name)
                for (row, column), cell in cells.items()
                for name in asked.values
            ],
        },
    )


Cells = dict[tuple[str, str], list[Group]]
"""What stands in each cell, by the words of its row and its column: numbers ascend, others are as they first stand."""


def pivot_cells(groups: Sequence[Group], asked: Pivot) -> Cells:
    """The groups of each cell.

    Raises `UsageError` for a name that is no column, a value that is no number, and a trait that all rows share.
    """
    names = flat_names([group.row for group in groups])
    for name in filter(None, (asked.rows, asked.columns, *asked.values)):
        known_word("column", name, names)
    for name in asked.values:
        _require_number(groups, name)
    cells = _cells(groups, asked)
    _require_several(groups, asked.rows, {row for row, _ in cells})
    if asked.columns is not None:
        _require_several(groups, asked.columns, {column for _, column in cells})
    return cells


def _require_several(groups: Sequence[Group], name: str, words: set[str]) -> None:
    if len(words) > 1 or not groups:
        return
    others = [trait.name for trait in differing([group.row for group in groups])]
    raise UsageError(
        f"{name} is {words.pop()} in every row here, so nothing can be compared by it.",
        f"Name what they differ in: {first_few(others, 6)}."
        if others
        else "Name runs of several networks or settings.",
    )


def _heading(asked: Pivot, column: str, name: str) -> str:
    if asked.columns is None:
        return name
    return column if len(asked.values) == 1 else f"{column}, {name}"


def _cell(row: str, column: str, cell: Sequence[Group], name: str) -> dict[str, object]:
    values = [number_of(group, name) for group in cell]
    return {"row": row, "column": column, "value": name, "values": values, **stamps_of(*(one.row for one in cell))}


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


def _cells(groups: Sequence[Group], asked: Pivot) -> Cells:
    found: Cells = {}
    for group in groups:
        flat = group_values(group)
        down = _word(flat.get(asked.rows))
        across = "" if asked.columns is None else _word(flat.get(asked.columns))
        found.setdefault((down, across), []).append(group)
    down_at, across_at = (_places(dict.fromkeys(words)) for words in zip(*found, strict=True)) if found else ({}, {})
    return dict(sorted(found.items(), key=lambda cell: (down_at[cell[0][0]], across_at[cell[0][1]])))


def _places(words: Iterable[str]) -> dict[str, int]:
    """Where each word stands: by its number where all but “–” are numbers, what has none behind them."""
    several = list(words)
    with suppress(ValueError):
        several.sort(key=lambda word: math.inf if word == plain(None) else float(word))
    return {word: place for place, word in enumerate(several)}


def _word(value: object) -> str:
    return plain(value) if isinstance(value, float) else plain(csv_cell(value))


def number_of(group: Group, name: str) -> float | None:
    """One of its numbers by its name in CSV; None where it has none."""
    found = group_values(group).get(name)
    return float(found) if isinstance(found, int | float) else None


def _text(cell: Sequence[Group], name: str) -> str:
    found = [(value, group) for group in cell if (value := number_of(group, name)) is not None]
    if not found:
        return "–"
    doubts = doubts_of(name)
    marked = "".join(dict.fromkeys("".join(marks(group.row, doubts) for _, group in found)))
    values = [value for value, _ in found]
    ends = f" ({min(values):.4g} to {max(values):.4g})" if len(values) > 1 else ""
    return f"{median(values):.4g}{marked}{ends}"


def _mixture(cell: Sequence[Group]) -> str:
    return ", ".join(trait.heading for trait in differing([group.row for group in cell])) or "nothing but their runs"
