"""What a recording amounts to while it grows: totals that need no row kept. Pure."""

from collections import deque
from dataclasses import dataclass
from statistics import median_low

from power.holes import longest_wait_s
from power.meters.base import Measurement
from power.trace import MeterFacts

RECENT = 32  # so many newest measurements give the rate, and their usual spacing where it decides what a hole is


@dataclass(frozen=True)
class Totals:
    """A recording so far. Times are seconds since it began.

    `energy_j` is a running sum by the meter's own rule (block means hold for the interval before them, instants
    are joined by straight lines); holes (`power.holes`) add nothing to it and are counted instead. `rate_hz` is the
    number of distinct measurements a second of late, None before the second one.
    """

    t_s: float
    voltage_v: float
    current_a: float
    rows: int
    energy_j: float
    rate_hz: float | None
    holes: int
    hole_s: float

    @property
    def power_w(self) -> float:
        """Watts of the newest measurement, signed as the current is."""
        return self.voltage_v * self.current_a


class RunningTotals:
    """Adds measurements up in constant memory.

    The usual spacing of rows is that of the newest before the one at hand; the first two rows set it.
    """

    def __init__(self, facts: MeterFacts) -> None:
        self._block = facts.averaging != "instant"
        self._facts = facts
        self._recent_s: deque[float] = deque(maxlen=RECENT)
        self._spacings_s: deque[float] = deque(maxlen=RECENT)
        self._rows = 0
        self._energy_j = 0.0
        self._holes = 0
        self._hole_s = 0.0
        self._latest: tuple[float, float, float] | None = None

    def add(self, t_s: float, measurement: Measurement) -> None:
        """Add a measurement taken `t_s` seconds after the recording began."""
        if self._latest is not None and t_s > self._latest[0]:
            self._add_interval(t_s - self._latest[0], self._latest[1] * self._latest[2], measurement.power_w)
        self._latest = t_s, measurement.voltage_v, measurement.current_a
        self._recent_s.append(t_s)
        self._rows += 1

    def now(self) -> Totals | None:
        """The totals; None before the first measurement."""
        if self._latest is None:
            return None
        return Totals(*self._latest, self._rows, self._energy_j, self._rate_hz(), self._holes, self._hole_s)

    def _add_interval(self, length_s: float, before_w: float, after_w: float) -> None:
        usual_s = median_low(self._spacings_s or [length_s])
        self._spacings_s.append(length_s)
        if length_s > longest_wait_s(self._facts, usual_s):
            self._holes += 1
            self._hole_s += length_s
            self._recent_s.clear()
        else:
            self._energy_j += length_s * (after_w if self._block else (before_w + after_w) / 2)

    def _rate_hz(self) -> float | None:
        span_s = self._recent_s[-1] - self._recent_s[0]
        return (len(self._recent_s) - 1) / span_s if span_s > 0 else None
