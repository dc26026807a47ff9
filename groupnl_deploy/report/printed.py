"""The paper's tables of deployment and measurement as printed (`printed_tables.toml`), with where each value stands."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class PrintedRow:
    """One row: the paper's word for it, what it is of here, and what is printed by column, in the paper's units.

    `ratio` is None where the row has none, or the network's usual one.
    """

    name: str
    network: str
    convolution: str
    ratio: int | None
    printed: dict[str, str]

    @property
    def values(self) -> dict[str, float]:
        """The same as numbers."""
        return {column: float(text) for column, text in self.printed.items()}


@dataclass(frozen=True)
class PrintedTable:
    """One table; `backend` is None where it is of no backend, `classes` where their number makes no difference.

    `input` is the shape (C, H, W) that all of its rows are of.
    """

    number: int
    title: str
    section: str
    backend: str | None
    columns: tuple[str, ...]
    rows: tuple[PrintedRow, ...]
    input: tuple[int, ...] = ()
    classes: int | None = None

    def standard_of(self, row: PrintedRow) -> PrintedRow | None:
        """The row with the network's own convolutions that this one is held against; None for such a row itself."""
        found = (one for one in self.rows if one.network == row.network and one.convolution == "standard")
        return None if row.convolution == "standard" else next(found, None)


@cache
def printed_tables() -> tuple[PrintedTable, ...]:
    """Tables 10, 11, 12 and 16."""
    data = tomllib.loads((files(__package__) / "printed_tables.toml").read_text(encoding="utf-8"))
    return tuple(_table(int(name.removeprefix("table")), one) for name, one in data.items() if name.startswith("table"))


def _table(number: int, data: dict[str, Any]) -> PrintedTable:
    columns = tuple(data["columns"])
    rows = tuple(
        PrintedRow(
            name=row["row"],
            network=row["network"],
            convolution=row["convolution"],
            ratio=row.get("ratio"),
            printed=dict(zip(columns, row["values"], strict=True)),
        )
        for row in data["rows"]
    )
    return PrintedTable(
        number,
        data["title"],
        data["section"],
        data.get("backend"),
        columns,
        rows,
        tuple(data["input"]),
        data.get("classes"),
    )
