"""A recording: what was measured, when, and by which meter."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from power.errors import MeterSettingError, TraceFormatError

Samples = NDArray[np.float64]

# What one value stands for: the mean over the update period that ends with it, the instant it was taken at, or the mean
# over the time since the row before, exactly, as of a counter of joules that was read at each row.
Averaging = Literal["block", "instant", "row"]


@dataclass(frozen=True)
class MeterFacts:
    """What must be known of a meter to judge its numbers.

    `sign` (+1 or -1) has already been applied to every current. `field` names the quantity that was read.
    `update_period_s` is the nominal time between two measurements of the meter, however often it is polled.
    `emulated` is set by the meter's reader from the nature of its port, never by a caller's wish. None for
    either says that nobody knows, as in a recording from elsewhere. `averaging` decides how to integrate.
    `poll_period_s` is how often the meter was asked, and so how late a measurement may be dated; a meter that is not
    recorded yet has none, and None in a recording says that nobody knows.
    `renews_too_fast` says that it was seen to renew its values faster than that and than it was asked
    (`power.renewal`), so that its joules are not to be trusted.
    `watts_alone` says that nobody measured volts: the amperes are watts, at a nominal 1 V.
    Words are one printable line each: what a file's name may hold beyond that is escaped.
    """

    meter: str
    transport: str
    port: str
    emulated: bool | None
    sign: int
    field: str
    update_period_s: float | None
    averaging: Averaging = "instant"
    poll_period_s: float | None = None
    renews_too_fast: bool = False
    watts_alone: bool = False

    def __post_init__(self) -> None:
        for name in ("meter", "transport", "port", "field"):
            object.__setattr__(self, name, _one_line(getattr(self, name)))
        if self.sign not in (1, -1):
            raise MeterSettingError(
                f"The sign of the current is {self.sign}.",
                "Use +1, or -1 where the meter is plugged in the other way round.",
            )
        for name, period_s in (("update", self.update_period_s), ("poll", self.poll_period_s)):
            if period_s is not None and not 0.0 < period_s < float("inf"):
                raise MeterSettingError(
                    f"The {name} period is {period_s} s.", f"Give the {name} period in seconds, above zero."
                )


@dataclass(frozen=True, eq=False)
class PowerTrace:
    """Measurements in time order: seconds since `t0_s`, volts, amperes (signed).

    `t0_s` is the host's `time.monotonic()` when the recording began and `started_at` the same instant in
    UTC (ISO 8601); 0 and None where nobody knows. Repeated polls of one measurement are no rows. The arrays are
    read-only: private copies, unless they were given as read-only float64 already.
    `remarks` are sentences for whoever judges its numbers, such as a row that was left out.
    `breaks` are the rows, counted from 0, in front of which measurements are missing by the recording's own word,
    however soon they come: a segment begins, or the logger says that it lost some.
    Raises `TraceFormatError` for unequal lengths, values or powers that are not finite, time going backwards, or a
    break that is between no two rows.
    """

    facts: MeterFacts
    t0_s: float
    started_at: str | None
    t_s: Samples
    voltage_v: Samples
    current_a: Samples
    remarks: tuple[str, ...] = ()
    breaks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("t_s", "voltage_v", "current_a"):
            object.__setattr__(self, name, _column(name, getattr(self, name)))
        if not len(self.t_s) == len(self.voltage_v) == len(self.current_a):
            raise _malformed("time, voltage and current have different lengths")
        if np.any(self.t_s[1:] < self.t_s[:-1]):
            raise _malformed("time goes backwards")
        if any(not 0 < row < len(self.t_s) for row in self.breaks) or sorted(set(self.breaks)) != list(self.breaks):
            raise _malformed("its breaks are not between its rows")
        self._refuse_endless_power()

    @property
    def power_w(self) -> Samples:
        """Watts, voltage times current of the same measurement; negative where the current is."""
        return self.voltage_v * self.current_a

    def _refuse_endless_power(self) -> None:
        with np.errstate(over="ignore"):
            endless = np.flatnonzero(~np.isfinite(self.power_w))
        if len(endless):
            row = endless[0]
            voltage_v, current_a = self.voltage_v[row], self.current_a[row]
            raise _malformed(f"{voltage_v} V times {current_a} A in row {row + 1} is no finite power")


def _one_line(text: str) -> str:
    """As it can stand in a line of a file: a lone byte or a newline as Python escapes it, no blanks around."""
    shown = (letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    return "".join(shown).strip()


def _column(name: str, values: Any) -> Samples:
    shared = isinstance(values, np.ndarray) and not values.flags.writeable
    column = np.array(values, dtype=np.float64, copy=None if shared else True)
    if column.ndim != 1 or not np.all(np.isfinite(column)):
        raise _malformed(f"{name} is not a plain row of finite numbers")
    column.flags.writeable = False
    return column


def _malformed(what: str) -> TraceFormatError:
    return TraceFormatError(f"These measurements are no trace: {what}.", "Record again, or repair the source.")
