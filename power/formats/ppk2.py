"""The CSV of Nordic's Power Profiler app for the PPK2: milliseconds and microamperes, and no voltage."""

from dataclasses import replace

from power.errors import TraceFormatError
from power.formats.format import Format
from power.reading.asked import Asked
from power.reading.head import Head, Header
from power.reading.names import quantities
from power.reading.plan import Plan, table_plan

_TIME, _CURRENT, _PINS = "Timestamp(ms)", "Current(uA)", frozenset({"D0-D7", "D0"})


def _plan(head: Head, header: Header | None, asked: Asked) -> Plan | None:
    header = _header(head) if header is None else header
    if header is None or not header.has(_CURRENT) or not (header.has(_TIME) or set(header.names[1:2]) <= _PINS):
        return None
    if not header.has(_TIME) and asked.every_s is None:
        raise TraceFormatError(
            f"{head.name} is {FORMAT.title} that was exported without its times.",
            "Export it with “Timestamp”, or say the seconds between two samples: --every 0.00001 at 100,000 a second.",
        )
    if asked.voltage_v is None:
        raise TraceFormatError(
            f"{head.name} is {FORMAT.title}, which holds no voltage.",
            "Say at which voltage the PPK2 supplied or measured: --voltage 5.",
        )
    plan = table_plan(head, header, asked, list(header.columns), title=FORMAT.title)
    return replace(plan, meter=FORMAT.word)


def _header(head: Head) -> Header | None:
    """Of a file without times, whose only column that makes joules is the current."""
    names = tuple(head.lines[0].split(",")) if head.lines else ()
    return Header(head.first, names, ",", tuple(quantities(names))) if names[:1] == (_CURRENT,) else None


FORMAT = Format(
    "ppk2",
    "a CSV of Nordic's Power Profiler (PPK2)",
    "https://github.com/NordicSemiconductor/pc-nrfconnect-ppk (src/actions/exportChartAction.ts)",
    _plan,
)
