"""A recording played again: as a meter for trying things out, and for looking at an old run with new eyes."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from power.errors import EndOfRecording, ImplausibleTrace, MeterSettingError, MethodUnclear, TraceFormatError
from power.meters.base import Measurement, Meter, closed, with_sign
from power.reading.asked import Asked
from power.renewal import renewed_too_fast
from power.rows_on_change import are_changes
from power.trace import MeterFacts, PowerTrace, Samples
from power.trace_io import read_csv


class ReplayMeter(Meter):
    """Gives the rows of the recording `port` (a CSV), each once, from the first `read` on.

    The recording's facts stay: which meter it was, how it measured, whether it was emulated. `sign` multiplies
    the recorded currents and the recorded sign, so that -1 turns a recording whose meter sat the other way
    round. `speed` 2 gives the rows twice as fast, infinity at once; their spacing in time, and so their energy,
    stays as it was recorded. `now` is the clock.

    Raises `TraceFormatError` for a file that is no recording, `MethodUnclear` for one whose rows look like changes of a
    value, and `MeterSettingError` for a speed that is none. `allow_implausible` plays both kinds: what no board takes,
    and rows that may not be samples.
    """

    def __init__(
        self,
        port: str,
        sign: int = 1,
        *,
        speed: float = 1.0,
        allow_implausible: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if not speed > 0.0:
            raise MeterSettingError(
                f"A recording cannot be played at speed {speed}.", "Choose 1 for real time, or more."
            )
        trace = _recorded(Path(port), Asked(allow_implausible=allow_implausible))
        if are_changes(trace) and not allow_implausible:
            raise MethodUnclear(
                f"The rows of {port} look like changes of a value, which holds until the next row; a meter that plays "
                "them would give samples.",
                "Integrate the file itself with groupnl power integrate --method hold, let groupnl power emulate "
                "--load hold each value, or play it as samples with --allow-implausible.",
            )
        self._facts = replace(
            trace.facts,
            transport=f"replay of {trace.facts.transport}",
            port=port,
            sign=sign * trace.facts.sign,
            # How late its values came is the recording's own; it does not become that of whoever plays it.
            poll_period_s=trace.facts.poll_period_s or _usual_spacing_s(trace.t_s),
            renews_too_fast=renewed_too_fast(trace),
        )
        self._sign = sign
        self._trace = trace
        self._since_first_s = trace.t_s - trace.t_s[:1]
        self._speed = speed
        self._now = now
        self._began_s = math.nan  # until the first `read`
        self._given = 0
        self._is_open = True

    @property
    def facts(self) -> MeterFacts:
        """The recording's, but for the port and what the sign has become."""
        return self._facts

    @property
    def remarks(self) -> tuple[str, ...]:
        """The recording's."""
        return self._trace.remarks

    def read(self) -> tuple[Measurement, ...]:
        """The rows that are due since the last call.

        Raises `EndOfRecording` when all have been given, `MeterUnreachable` once the meter was closed.
        """
        if not self._is_open:
            raise closed(f"The recording {self._facts.port}")
        if self._given == len(self._since_first_s):
            raise EndOfRecording(f"The recording {self._facts.port} has been played to its end.", "Play it again.")
        if math.isnan(self._began_s):
            self._began_s = self._now()
        rows = range(self._given, max(self._due(), self._given))
        self._given = rows.stop
        return tuple(self._measurement(row) for row in rows)

    def close(self) -> None:
        """Give nothing more; harmless when called again."""
        self._is_open = False

    def _due(self) -> int:
        """How many rows have been due by now."""
        if math.isinf(self._speed):
            return len(self._since_first_s)
        played_s = (self._now() - self._began_s) * self._speed
        return int(np.searchsorted(self._since_first_s, played_s, side="right"))

    def _measurement(self, row: int) -> Measurement:
        return Measurement(
            t_s=self._began_s + float(self._since_first_s[row]),
            voltage_v=float(self._trace.voltage_v[row]),
            current_a=with_sign(self._sign, float(self._trace.current_a[row])),
            identity=(row,),
        )


def _recorded(path: Path, asked: Asked) -> PowerTrace:
    """The recording; one that leaves a question open is to be imported first, which answers it."""
    try:
        return read_csv(path, asked)
    except ImplausibleTrace:
        raise
    except TraceFormatError as error:
        remedy = f"{error.remedy} Where an option answers it: groupnl power import has it, and what it writes plays."
        raise TraceFormatError(error.message, remedy) from error


def _usual_spacing_s(t_s: Samples) -> float | None:
    spacings = np.diff(t_s)
    later = spacings[spacings > 0.0]
    return float(np.median(later)) if len(later) else None
