"""The CSV of PyMonsoon's sample engine: milliamperes and volts, a stamp for each USB packet of rows.

The column is called `Time(ms)`; most versions write the host's seconds into it, and one calls it `Time(s)`. A packet
takes some milliseconds, so the time between two stamps tells which; where every row has a stamp of its own, and they
are far apart, nothing does.
"""

import re
from dataclasses import replace
from functools import partial

import numpy as np

from power.errors import TraceFormatError
from power.formats.even_rows import spread
from power.formats.format import Format
from power.reading.asked import Asked
from power.reading.head import Head, Header
from power.reading.measured import Measured
from power.reading.plan import Plan, table_plan
from power.reading.text import Piece

_COLUMNS = {"Main(mA)": "mA", "Main Voltage(V)": "V"}
_TIMES = ("Time(ms)", "Time(s)")
_NUMPY = re.compile(r"np\.float64\(([^)]*)\)")  # as numpy 2 shows its numbers
LONGEST_PACKET_S = 0.1


def _plan(head: Head, header: Header | None, asked: Asked) -> Plan | None:
    time = None if header is None else next((name for name in _TIMES if header.has(name)), None)
    if header is None or time is None or not header.has(*_COLUMNS):
        return None
    names = {time: "s", **_COLUMNS}  # `_even` sees whether they are
    plain = replace(head, lines=tuple(_plain(line) for line in head.lines))
    plan = table_plan(plain, header, asked, header.in_units(names), title=FORMAT.title)
    is_known = "time" in asked.units or time == "Time(s)"
    return replace(plan, meter=FORMAT.word, finish=partial(_even, is_known=is_known), rewrite=_without_numpy)


def _without_numpy(piece: Piece) -> Piece:
    if not piece.lines or "np." not in piece.lines[0]:
        return piece
    return replace(piece, lines=[_plain(line) for line in piece.lines])


def _plain(line: str) -> str:
    return _NUMPY.sub(r"\1", line)


def _even(measured: Measured, *, is_known: bool) -> Measured:
    """Rows spread over their packets, in seconds. Raises `TraceFormatError` where there is one stamp alone, and where
    nothing tells the unit of the stamps, unless it `is_known`."""
    first = np.flatnonzero(np.diff(measured.t_s, prepend=-np.inf) > 0.0)
    steps = np.diff(measured.t_s[first])
    if not len(steps):
        raise TraceFormatError(
            f"{measured.name}: all its rows have one time.",
            "Record for longer; the time between two rows is not known.",
        )
    usual = float(np.median(steps))
    counts = np.diff(first, append=len(measured))
    if not is_known and usual > LONGEST_PACKET_S and np.median(counts) == 1:
        raise TraceFormatError(
            f"{measured.name}: its rows are {usual:.4g} apart by their column Time(ms), which PyMonsoon fills with "
            "seconds, and may as well be milliseconds.",
            "Say which: --units s or --units ms; how long did you record?",
        )
    unit_s = 1.0 if is_known or usual <= LONGEST_PACKET_S else 1e-3
    # The last packet has no stamp behind it: its rows take as long as the others'.
    last = counts[-1] * float(np.median(steps / counts[:-1]))
    spaced = spread(measured, first, np.append(steps, last) * unit_s)
    if is_known:
        return spaced
    remark = f"Its times were taken as {'seconds' if unit_s == 1.0 else 'milliseconds'}, as a packet takes {usual:.4g}."
    return replace(spaced, remarks=(*measured.remarks, remark))


FORMAT = Format(
    "monsoon",
    "a CSV of PyMonsoon",
    "https://github.com/msoon/PyMonsoon (Monsoon/sampleEngine.py)",
    _plan,
)
