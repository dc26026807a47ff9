"""The formats of recordings from elsewhere: one file a format, one line here. Content alone tells what a file is."""

from power.formats import (
    codecarbon,
    fnirsi,
    joulescope,
    km003c_rs,
    monsoon,
    named_columns,
    nvidia_smi,
    powerz,
    ppk2,
    sigrok,
    tc66,
    tegrastats,
)
from power.formats.format import Format
from power.reading.asked import Asked
from power.reading.head import Head, header_of
from power.reading.plan import Plan

# In this order: what is certain by its own marks first, names with units last.
FORMATS: tuple[Format, ...] = (
    powerz.FORMAT,
    km003c_rs.FORMAT,
    fnirsi.FORMAT,
    tc66.FORMAT,
    ppk2.FORMAT,
    monsoon.FORMAT,
    joulescope.FORMAT,
    sigrok.FORMAT,
    tegrastats.FORMAT,
    nvidia_smi.FORMAT,
    codecarbon.FORMAT,
    named_columns.FORMAT,
)


def plan_of(head: Head, asked: Asked) -> Plan:
    """How a file is read. Raises `TraceFormatError`, saying what the file is as far as it shows, where nobody knows."""
    header = header_of(head)
    for format in FORMATS:
        if asked.columns and not format.takes_columns:
            continue
        plan = format.plan(head, header, asked)
        if plan is not None:
            return plan
    return named_columns.asked_plan(head, header, asked)
