"""`nvidia-smi --query-gpu=timestamp,power.draw --format=csv`: the watts of one card, with their unit in each cell."""

import re
from dataclasses import replace

import numpy as np

from power.errors import TraceFormatError
from power.formats.format import Format
from power.reading.asked import Asked
from power.reading.head import Head, Header
from power.reading.measured import Measured
from power.reading.names import UNITS, Named, quantities
from power.reading.plan import Plan, table_plan
from power.reading.text import Piece

AT_ONCE, MANY_AT_ONCE = 0.1, 0.25  # of the mean wait; share of the rows
_POWER = tuple(f"power.draw{kind} [W]" for kind in ("", ".average", ".instant"))
_WHICH = ("index", "uuid", "gpu_uuid", "pci.bus_id", "gpu_bus_id", "serial")
_ROW = re.compile(r"\d{4}/\d\d/\d\d [\d:.]+, [\d.]+ W")


def _plan(head: Head, header: Header | None, asked: Asked) -> Plan | None:
    plain = replace(head, lines=tuple(_plain(line) for line in head.lines))
    if header is None and _ROW.fullmatch(head.lines[0] if head.lines else ""):  # --format=csv,noheader
        names = ("timestamp", _POWER[0])
        header = Header(head.first - 1, names, ",", tuple(quantities(names)))
    power = None if header is None else next((name for name in _POWER if header.has(name)), None)
    if header is None or power is None or not header.has("timestamp"):
        return None
    columns = [column for column in quantities(header.names) if column.name == "timestamp"]
    columns += [Named(place, power, "power", UNITS["W"]) for place in (header.place(power),) if place is not None]
    which = next((name for name in _WHICH if header.has(name)), "")
    plan = table_plan(plain, header, asked, columns, title=FORMAT.title, extra={"whose": which} if which else {})
    return replace(plan, meter=FORMAT.word, rewrite=_without_units, finish=_of_one_card)


def _of_one_card(measured: Measured) -> Measured:
    """Raises `TraceFormatError` where several cards take turns, each row at nearly the time of the one before."""
    waits_s = np.diff(measured.t_s)
    if len(waits_s) and np.mean(waits_s < AT_ONCE * np.mean(waits_s)) > MANY_AT_ONCE:
        raise TraceFormatError(
            f"{measured.name} is {FORMAT.title}, and most of its rows come at once with another: they are of several "
            "cards.",
            "Log one card: nvidia-smi --id=0 …, or keep the rows of one, of two cards: awk 'NR == 1 || NR % 2 == 0' "
            "FILE > one.csv.",
        )
    return measured


def _without_units(piece: Piece) -> Piece:
    return replace(piece, lines=[_plain(line) for line in piece.lines])


def _plain(line: str) -> str:
    return line.replace(" W,", ",").removesuffix(" W")


FORMAT = Format(
    "nvidia-smi",
    "a table of nvidia-smi",
    "https://docs.nvidia.com/deploy/nvidia-smi (--query-gpu=timestamp,power.draw)",
    _plan,
)
