"""The log of NVIDIA's tegrastats on a Jetson: a line a sample, rails in milliwatts, one of them the whole module.

`VDD_IN 3042mW/3900mW` is the power now and the mean since tegrastats began. The rail of the whole module is `VDD_IN`,
or `POM_5V_IN` of a Nano; modules without one are asked about, for their rails may be parts of one another.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from power.errors import TraceFormatError
from power.formats.even_rows import even_within_stamps
from power.formats.format import Format
from power.reading.asked import Asked
from power.reading.dialect import Dialect
from power.reading.head import Head, Header, Leaving
from power.reading.measured import Measured
from power.reading.names import UNITS, Quantity, Unit
from power.reading.plan import Plan
from power.reading.rows import RowLayout
from power.reading.text import Piece
from power.reading.times import form_of

WHOLE_MODULE = ("VDD_IN", "POM_5V_IN")
_LINE = re.compile(r"(?:(?P<stamp>\S.{0,38}\S)\s+)?RAM \d+/\d+MB ")
_MEMORY = re.compile(r"\bRAM \d+/\d+MB ")
_RAIL = re.compile(r"\s([A-Z][A-Z0-9_]*) (\d+)(?:mW)?/\d+(?:mW)?(?=\s|$)")


def _plan(head: Head, header: Header | None, asked: Asked) -> Plan | None:
    number, match = next(
        ((n, m) for n, line in enumerate(head.lines, head.first) if (m := _LINE.match(line))), (0, None)
    )
    if match is None:
        return None
    form = None if match["stamp"] is None else asked.time_form or form_of(match["stamp"])
    if form is None and asked.every_s is None:
        what = "without times" if match["stamp"] is None else f"with times that are not known: {match['stamp']}"
        raise TraceFormatError(
            f"{head.name} is {FORMAT.title} {what}.",
            "Say the seconds between two lines, which tegrastats has from its --interval: --every 1. Or log with "
            "times: tegrastats | ts '%m-%d-%Y %H:%M:%S' (ts is of the package moreutils).",
        )
    rail = _rail(head, dict(_RAIL.findall(head.line(number))), asked)
    wanted = re.compile(rf"\s{re.escape(rail)} (\d+)(?:mW)?/")

    def cells(piece: Piece) -> Piece:
        return replace(piece, lines=[_cells(line, wanted) for line in piece.lines], plain=True)

    layout = RowLayout(head.name, {"time": 0, "power": 1}, 2, dialect=Dialect(), texts=frozenset({"time"}),
                       leave=Leaving("", ","), row=f"line of tegrastats with {rail}")  # fmt: skip
    units: dict[Quantity, Unit] = {"time": UNITS["s"], "power": UNITS["mW"]}
    return Plan(FORMAT.title, layout, head.first, units, form, FORMAT.word, rail, _even, cells, every_s=asked.every_s)


def _cells(line: str, rail: re.Pattern[str]) -> str:
    """Time and milliwatts of a line; another line as it is, which is refused by its number."""
    match, watts = _LINE.match(line), rail.findall(line)
    # Where a line was cut, the next may stand behind it in the same one.
    is_whole = match is not None and len(watts) == 1 and len(_MEMORY.findall(line)) == 1
    return f"{match['stamp']},{watts[0]}" if match is not None and is_whole else line.replace(",", " ")


def _rail(head: Head, rails: Mapping[str, str], asked: Asked) -> str:
    wanted = asked.columns.get("power")
    rail = wanted or next((name for name in WHOLE_MODULE if name in rails), None)
    if rail is not None and rail in rails:
        return rail
    raise TraceFormatError(
        f"{head.name} is {FORMAT.title}, and none of its rails is the whole module: {', '.join(rails) or 'none'}.",
        "Name the rail whose joules you want: --columns p=NAME.",
    )


def _even(measured: Measured) -> Measured:
    """Whole seconds give several lines one time where tegrastats was asked more often."""
    return even_within_stamps(measured) if np.any(np.diff(measured.t_s) == 0.0) else measured


FORMAT = Format(
    "tegrastats",
    "a log of NVIDIA's tegrastats",
    "https://docs.nvidia.com/jetson/archives/r36.4/DeveloperGuide (tegrastats Utility)",
    _plan,
    takes_columns=True,
)
