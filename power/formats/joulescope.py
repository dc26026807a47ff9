"""The statistics that Joulescope's UI records: means over the time since the row before, in SI units.

The mean of the power is taken, for the product of two means is none.
"""

from dataclasses import replace

from power.formats.format import Format
from power.reading.asked import Asked
from power.reading.head import Head, Header
from power.reading.measured import Measured
from power.reading.plan import Plan, table_plan

_NAMES = ("time", "current", "voltage", "power", "charge", "energy")


def _plan(head: Head, header: Header | None, asked: Asked) -> Plan | None:
    if header is None or tuple(name.lower() for name in header.names) != _NAMES:
        return None
    columns = header.in_units({"time": "s", "power": "W"})
    plan = table_plan(head, header, asked, columns, title=FORMAT.title)
    return replace(plan, meter=FORMAT.word, finish=Measured.of_means)


FORMAT = Format(
    "joulescope",
    "statistics of Joulescope's UI",
    "https://github.com/jetperch/pyjoulescope_ui (statistics record)",
    _plan,
)
