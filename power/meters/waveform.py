"""Pure: currents as functions of time whose integral is known in closed form, at a constant voltage."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from power.errors import MeterSettingError

FORMS = {
    "steady": "steady:5V,1.2A",
    "step": "step:5V,0.5A,1.2A,2s (from the first to the second current after 2 s)",
    "ramp": "ramp:5V,0.5A,1.2A,2s (from the first to the second current within 2 s)",
    "sine": "sine:5V,1A,0.2A,2s (1 A ± 0.2 A, once in 2 s)",
}
_UNITS = {"steady": "VA", "step": "VAAs", "ramp": "VAAs", "sine": "VAAs"}
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))\s*([VAs])")
LARGEST = 1000.0  # volts, amperes and seconds; beyond it a typing error is likelier


@dataclass(frozen=True)
class Waveform:
    """A constant voltage, and the charge in coulombs that has flowed `t_s` seconds after the beginning."""

    voltage_v: float
    charge_c: Callable[[float], float]

    def energy_j(self, start_s: float, end_s: float) -> float:
        """Exact joules between two instants, in seconds after the beginning."""
        return self.voltage_v * (self.charge_c(end_s) - self.charge_c(start_s))

    def mean_current_a(self, start_s: float, end_s: float) -> float:
        """Mean amperes between two instants, which must differ."""
        return (self.charge_c(end_s) - self.charge_c(start_s)) / (end_s - start_s)


def parse_waveform(text: str) -> Waveform:
    """Read one of `FORMS`. Raises `MeterSettingError` that lists them for anything else."""
    form, _, rest = text.partition(":")
    if form not in _UNITS:
        raise _unknown(text)
    values = _values(text, rest.split(","), _UNITS[form])
    if form != "steady" and values[-1] <= 0.0:
        raise _unknown(text)
    voltage_v, *currents = values
    return Waveform(voltage_v, _CHARGES[form](currents))


def _values(text: str, words: Sequence[str], units: str) -> list[float]:
    found = [_NUMBER.fullmatch(word.strip()) for word in words]
    if "".join(match[2] if match else "?" for match in found) != units:
        raise _unknown(text)
    values = [float(match[1]) for match in found if match]
    if any(abs(value) > LARGEST for value in values):
        raise _unknown(text)
    return values


def _unknown(text: str) -> MeterSettingError:
    return MeterSettingError(
        f"{text!r} is no waveform with numbers up to {LARGEST:g} and a time above zero.",
        f"Give one as --port: {'; '.join(FORMS.values())}.",
    )


def _steady(values: Sequence[float]) -> Callable[[float], float]:
    (current_a,) = values
    return lambda t_s: current_a * t_s


def _step(values: Sequence[float]) -> Callable[[float], float]:
    first_a, second_a, at_s = values
    return lambda t_s: first_a * min(t_s, at_s) + second_a * max(t_s - at_s, 0.0)


def _ramp(values: Sequence[float]) -> Callable[[float], float]:
    first_a, second_a, length_s = values
    slope = (second_a - first_a) / length_s

    def charge_c(t_s: float) -> float:
        rising_s = min(max(t_s, 0.0), length_s)
        held_s = max(t_s - length_s, 0.0)
        return first_a * t_s + slope * rising_s**2 / 2.0 + (second_a - first_a) * held_s

    return charge_c


def _sine(values: Sequence[float]) -> Callable[[float], float]:
    mean_a, amplitude_a, period_s = values
    turns = 2.0 * math.pi / period_s
    return lambda t_s: mean_a * t_s + amplitude_a * (1.0 - math.cos(turns * t_s)) / turns


_CHARGES: dict[str, Callable[[Sequence[float]], Callable[[float], float]]] = {
    "steady": _steady,
    "step": _step,
    "ramp": _ramp,
    "sine": _sine,
}
