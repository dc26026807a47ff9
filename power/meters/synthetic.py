"""A meter without a device: a waveform whose energy is known exactly, measured as a KM003C measures.

Each value is the mean over the update period that ends with it, so that the rule for such means gives a
recording's joules to the last digits wherever a window begins and ends with a measurement.
"""

import time
from collections.abc import Callable

from power.errors import MeterSettingError
from power.meters.base import Measurement, Meter, closed, with_sign
from power.meters.waveform import parse_waveform
from power.trace import MeterFacts

FASTEST_HZ = 1000.0


class SyntheticMeter(Meter):
    """A waveform that begins when the meter is opened; `port` says which, such as `sine:5V,1A,0.2A,2s`.

    Always marked as emulated. It takes `update_hz` measurements a second, however often it is read, and gives
    each of them once. `now` is the clock. Raises `MeterSettingError` for a waveform or a rate it does not know.
    """

    def __init__(
        self, port: str, sign: int = 1, *, update_hz: float = 50.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        if not 0.0 < update_hz <= FASTEST_HZ:
            raise MeterSettingError(
                f"A synthetic meter cannot measure {update_hz} times a second.", f"Choose up to {FASTEST_HZ:g}."
            )
        self._waveform = parse_waveform(port)
        self._update_hz = update_hz
        self._now = now
        self._began_s = now()
        self._given = 0
        self._is_open = True
        self._facts = MeterFacts(
            meter="synthetic",
            transport="computed",
            port=port,
            emulated=True,
            sign=sign,
            field="mean over each update period",
            update_period_s=1.0 / update_hz,
            averaging="block",
        )

    @property
    def facts(self) -> MeterFacts:
        """What must be known to judge its numbers."""
        return self._facts

    @property
    def began_s(self) -> float:
        """The instant at which the waveform began, on the meter's clock."""
        return self._began_s

    def energy_j(self, start_s: float, end_s: float) -> float:
        """Exact joules between two instants of the meter's clock, with the sign applied."""
        joules = self._waveform.energy_j(start_s - self._began_s, end_s - self._began_s)
        return with_sign(self._facts.sign, joules)

    def read(self) -> tuple[Measurement, ...]:
        """All measurements since the last call. Raises `MeterUnreachable` once it was closed."""
        if not self._is_open:
            raise closed("The synthetic meter")
        newest = max(int((self._now() - self._began_s) * self._update_hz), self._given)
        numbers = range(self._given + 1, newest + 1)
        self._given = newest
        return tuple(self._measurement(number) for number in numbers)

    def close(self) -> None:
        """Give nothing more; harmless when called again."""
        self._is_open = False

    def _measurement(self, number: int) -> Measurement:
        start_s, end_s = (number - 1) / self._update_hz, number / self._update_hz
        return Measurement(
            t_s=self._began_s + end_s,
            voltage_v=self._waveform.voltage_v,
            current_a=with_sign(self._facts.sign, self._waveform.mean_current_a(start_s, end_s)),
            identity=(number,),
        )
