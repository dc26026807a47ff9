"""The CSV of the apps for POWER-Z and WITRN meters: a preamble, times as a spreadsheet keeps text, segments.

The app pauses between two segments, and integrates each by itself; so do we.
"""

import re
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from power.formats.format import Format
from power.reading.asked import Asked
from power.reading.head import Head, Header
from power.reading.measured import Measured
from power.reading.plan import Plan, table_plan

_TIMES = ("RelativeTime(s)", "Time(D.hh:mm:ss.ms)", "Time(hh:mm:ss:ms)")  # the first has most digits
_COLUMNS = {"Voltage(V)": "V", "Current(A)": "A", "Power(W)": "W"}


def _plan(head: Head, header: Header | None, asked: Asked) -> Plan | None:
    if header is None or not any(line.startswith("SUM,") for line in head.lines[:3]):
        return None
    time = next((name for name in _TIMES if header.has(name)), None)
    if time is None or not header.has("Voltage(V)", "Current(A)"):
        return None
    extra = {"segment": "RecordingSegment", "unix_ms": "Timestamp(ms)"}
    columns = header.in_units({time: "s", **_COLUMNS})
    plan = table_plan(head, header, asked, columns, title=FORMAT.title, extra=extra, texts=tuple(extra))
    layout = replace(plan.layout, missing=plan.layout.missing | {""})
    return replace(plan, layout=layout, meter=FORMAT.word, finish=_with_segments)


def _with_segments(measured: Measured) -> Measured:
    segments, since_1970 = (measured.extra.get(name) for name in ("segment", "unix_ms"))
    if segments is not None and len(segments):
        breaks = measured.breaks | np.concatenate(([False], segments[1:] != segments[:-1]))
        measured = replace(measured, breaks=breaks)
    if since_1970 is not None and len(since_1970) and re.fullmatch("[0-9]{12,13}", since_1970[0]):
        started = datetime.fromtimestamp(int(since_1970[0]) / 1000, UTC)
        measured = replace(measured, started_at=started.isoformat())
    return measured


FORMAT = Format(
    "powerz",
    "a CSV of the apps for POWER-Z and WITRN meters",
    "https://github.com/KHWLGH/WITRN-RS (src/csv-codec.js)",
    _plan,
)
