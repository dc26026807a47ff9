"""Columns of any file → a recording: what was measured, in which order, and what may be said of it. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from power.errors import TraceFormatError
from power.interleaved import refuse_interleaved
from power.plausible import in_words, refuse_implausible
from power.reading.asked import Asked
from power.reading.check_power import remarks_on_power
from power.reading.names import Quantity
from power.shared_times import refuse_shared_times
from power.trace import MeterFacts, PowerTrace, Samples
from power.trace_facts import UNKNOWN


@dataclass(frozen=True, eq=False)
class Measured:
    """The rows of a file, in their order: seconds, and volts, amperes, watts or joules as far as there are any, (n,).

    `extra` are further columns that a format asked for. `breaks` says of each row whether measurements are missing in
    front of it. `facts` are what is known of the meter. Times may be `of_clock`, written as dates or hours.
    """

    name: str
    t_s: Samples
    quantities: Mapping[Quantity, Samples]
    extra: Mapping[str, NDArray[Any]]
    breaks: NDArray[np.bool_]
    facts: MeterFacts
    started_at: str | None = None
    remarks: tuple[str, ...] = ()
    of_clock: bool = False

    def __len__(self) -> int:
        return len(self.t_s)

    def of_means(self) -> "Measured":
        """With each value the mean over the time since the row before."""
        return replace(self, facts=replace(self.facts, averaging="row"))

    def rows(self, keep: NDArray[Any]) -> "Measured":
        """Only some of the rows: a mask, (n,), or their places."""
        return replace(
            self,
            t_s=self.t_s[keep],
            quantities={name: values[keep] for name, values in self.quantities.items()},
            extra={name: values[keep] for name, values in self.extra.items()},
            breaks=self.breaks[keep],
        )


def beside_joules(found: Collection[Quantity], asked: Asked) -> set[Quantity]:
    """Those of a file's quantities that its joules are not made of: a row that lacks one of them is a row."""
    has_volts = "voltage" in found or asked.voltage_v is not None
    if has_volts and "current" in found:
        return {"power"}
    return {"voltage", "current"} if "power" in found else set()


def recording(measured: Measured, asked: Asked) -> PowerTrace:
    """The recording. Raises `TraceFormatError` where no power can be made, or none that a board takes."""
    voltage_v, current_a, watts_alone = _volts_and_amperes(measured, asked)
    t_s, breaks = measured.t_s, measured.breaks
    if not asked.allow_implausible:
        refuse_implausible(measured.name, t_s, voltage_v, current_a, watts_alone=watts_alone)
        if not breaks.any():
            refuse_interleaved(measured.name, t_s, voltage_v, current_a)
    refuse_shared_times(measured.name, t_s, voltage_v, current_a)
    facts = replace(measured.facts, watts_alone=watts_alone, sign=asked.sign * measured.facts.sign)
    is_certain = facts.meter != UNKNOWN  # of which units the columns are
    remarks = (*measured.remarks, *remarks_on_power(measured.name, measured.quantities))
    units = {"watts_alone": watts_alone, "is_certain": is_certain, "of_clock": measured.of_clock}
    remarks += tuple(in_words(t_s, voltage_v, current_a, **units))
    rows = tuple(int(row) for row in np.flatnonzero(breaks) if row)
    return PowerTrace(facts, 0.0, measured.started_at, t_s, voltage_v, current_a, remarks, rows)


def _volts_and_amperes(measured: Measured, asked: Asked) -> tuple[Samples, Samples, bool]:
    """Volts, amperes with their sign, and whether they are but watts at 1 V."""
    found = measured.quantities
    volts, amps, watts = (found.get(name) for name in ("voltage", "current", "power"))
    if volts is None and asked.voltage_v is not None:
        volts = np.full(len(measured), asked.voltage_v)
        if amps is None and watts is not None and asked.voltage_v:
            amps = watts / asked.voltage_v
    if volts is not None and amps is not None:
        return volts, asked.sign * amps, False
    if watts is not None:
        return np.ones(len(measured)), asked.sign * watts, True
    raise _no_power(measured.name, volts is not None, amps is not None)


def _no_power(name: str, has_volts: bool, has_amps: bool) -> TraceFormatError:
    if has_amps:
        return TraceFormatError(
            f"{name} holds amperes and no volts, and joules take both.",
            "Say at which voltage the current flowed: groupnl power import FILE --voltage 5 --out trace.csv.",
        )
    if has_volts:
        return TraceFormatError(
            f"{name} holds volts and neither amperes nor watts.", "Name the column of the current: --columns i=NAME."
        )
    return TraceFormatError(f"{name} holds no power.", "Name its columns: --columns t=NAME,v=NAME,i=NAME.")
