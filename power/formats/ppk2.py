"""The CSV of Nordic's Power Profiler app for the PPK2: milliseconds and microamperes, and no voltage."""

from dataclasses import replace

from power.errors import TraceFormatError
from power.formats.format import Format
from power.reading.asked import Asked
from power.reading.head import Head, Header
from power.reading.plan import Plan, table_plan


def _plan(head: Head, header: Header | None, asked: Asked) -> Plan | None:
    if header is None or not header.has("Timestamp(ms)", "Current(uA)"):
        return None
    if asked.voltage_v is None:
        raise TraceFormatError(
            f"{head.name} is {FORMAT.title}, which holds no voltage.",
            "Say at which voltage the PPK2 supplied or measured: --voltage 5.",
        )
    plan = table_plan(head, header, asked, list(header.columns), title=FORMAT.title)
    return replace(plan, meter=FORMAT.word)


FORMAT = Format(
    "ppk2",
    "a CSV of Nordic's Power Profiler (PPK2)",
    "https://github.com/NordicSemiconductor/pc-nrfconnect-ppk (src/actions/exportChartAction.ts)",
    _plan,
)
