"""The CSV of km003c-rs, an open program for the KM003C: microvolts, microamperes, and its own count of lost samples."""

from dataclasses import replace

import numpy as np

from power.formats.format import Format
from power.reading.asked import Asked
from power.reading.head import Head, Header
from power.reading.measured import Measured
from power.reading.plan import Plan, table_plan

_COLUMNS = {"elapsed_us": "us", "vbus_uv": "uV", "ibus_ua": "uA", "power_uw": "uW"}
_LOST = {"lost": "missing_samples"}


def _plan(head: Head, header: Header | None, asked: Asked) -> Plan | None:
    if header is None or not header.has(*_COLUMNS):
        return None
    plan = table_plan(
        head, header, asked, header.in_units(_COLUMNS), title=FORMAT.title, extra=_LOST, texts=tuple(_LOST)
    )
    return replace(plan, meter=FORMAT.word, finish=_with_holes)


def _with_holes(measured: Measured) -> Measured:
    """A hole in front of a row behind lost samples, and where the stream was begun again: two rows of one time."""
    again = np.diff(measured.t_s, prepend=-np.inf) == 0.0
    lost = measured.extra.get("lost")
    has_lost = np.zeros(len(measured), dtype=bool) if lost is None else ~np.isin(lost, ("0", ""))
    return replace(measured, breaks=measured.breaks | again | has_lost)


FORMAT = Format(
    "km003c-rs",
    "a CSV of km003c-rs",
    "https://github.com/okhsunrog/km003c-rs (km003c-egui/src/measurement.rs)",
    _plan,
)
