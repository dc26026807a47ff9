"""`nvidia-smi --query-gpu=timestamp,power.draw --format=csv`: the watts of one card, with their unit in each cell."""

from dataclasses import replace

from power.formats.format import Format
from power.reading.asked import Asked
from power.reading.head import Head, Header
from power.reading.plan import Plan, table_plan
from power.reading.text import Piece


def _plan(head: Head, header: Header | None, asked: Asked) -> Plan | None:
    if header is None or not header.has("timestamp", "power.draw [W]"):
        return None
    plain = replace(head, lines=tuple(_plain(line) for line in head.lines))
    columns = [column for column in header.columns if column.name in ("timestamp", "power.draw [W]")]
    plan = table_plan(plain, header, asked, columns, title=FORMAT.title)
    return replace(plan, meter=FORMAT.word, rewrite=_without_units)


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
