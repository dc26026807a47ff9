"""The CSV of TC66C.py for RuiDeng's TC66: names with units in brackets. Its counters of mWh are not begun anew."""

from dataclasses import replace

from power.formats.format import Format
from power.reading.asked import Asked
from power.reading.head import Head, Header
from power.reading.plan import Plan, table_plan


def _plan(head: Head, header: Header | None, asked: Asked) -> Plan | None:
    if header is None or not header.has("Time[S]", "Volt[V]", "Current[A]"):
        return None
    return replace(table_plan(head, header, asked, list(header.columns), title=FORMAT.title), meter=FORMAT.word)


FORMAT = Format("tc66", "a CSV of TC66C.py for RuiDeng's TC66", "https://github.com/TheHWcave/TC66 (TC66C.py)", _plan)
