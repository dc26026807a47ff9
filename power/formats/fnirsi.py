"""The log of fnirsi_logger.py, an open program for FNIRSI's USB meters: packets of four rows, 10 ms apart.

Its stamps are the host's, a packet's at a time, and may fall back; the rows are even, and so are the joules that it
counts itself (`energy_Ws`).
"""

from dataclasses import replace

import numpy as np

from power.errors import TraceFormatError
from power.formats.even_rows import spread
from power.formats.format import Format
from power.reading.asked import Asked
from power.reading.head import Head, Header
from power.reading.measured import Measured
from power.reading.plan import Plan, table_plan

ROW_S = 0.010
LARGEST_A = 1000.0
HOLE_S = 0.2  # USB is seldom as late; packets of 40 ms
_COLUMNS = {"timestamp": "s", "voltage_V": "V", "current_A": "A"}
_EXTRA = {"in_packet": "sample_in_packet", "counted_j": "energy_Ws"}


def _plan(head: Head, header: Header | None, asked: Asked) -> Plan | None:
    if header is None or not header.has(*_COLUMNS, *_EXTRA.values()):
        return None
    plan = table_plan(head, header, asked, header.in_units(_COLUMNS), title=FORMAT.title, extra=_EXTRA)
    return replace(plan, meter=FORMAT.word, finish=_even, ordered=False)


def _even(measured: Measured) -> Measured:
    """Raises `TraceFormatError` where the logger was started again within the file."""
    if not len(measured):
        return measured
    again = np.flatnonzero(np.diff(measured.extra["counted_j"]) < 0.0)
    if len(again):
        raise TraceFormatError(
            f"{measured.name} holds several runs of the logger, for its count of joules begins again behind row "
            f"{again[0] + 1}.",
            "Cut the file into one for each run, or read one of them: --part 1, --part 2 and so on.",
        )
    if np.max(np.abs(measured.quantities["current"])) > LARGEST_A:
        raise TraceFormatError(
            f"{measured.name}: currents of thousands of amperes are negative ones, which the logger writes so.",
            "Turn the meter round, for the logger knows one direction alone, and record again.",
        )
    first = np.flatnonzero(np.diff(measured.extra["in_packet"], prepend=np.inf) <= 0.0)
    counts = np.diff(first, append=len(measured))
    steps_s = np.append(np.diff(measured.t_s[first]), 0.0)
    even_s = counts * ROW_S
    return spread(measured, first, np.where(steps_s > even_s + HOLE_S, steps_s, even_s))


FORMAT = Format(
    "fnirsi",
    "a log of fnirsi_logger.py",
    "https://github.com/baryluk/fnirsi-usb-power-data-logger (fnirsi_logger.py)",
    _plan,
)
