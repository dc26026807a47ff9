"""Pure: how a KM003C measures a load, for every emulator of it.

Voltage and current are means over the last update period, renewed at that period however often the meter is
asked. The averages are renewed once a second as the mean of the last two half-second values. So they are in
the captures of okhsunrog/km003c-protocol-research.
"""

import random
from dataclasses import dataclass

from power.errors import MeterSettingError
from power.meters.km003c.adc import ADC_LAYOUTS, TEMPERATURE_MISSING, AdcRaw
from power.meters.km003c.emulated_load import LoadHistory

HALF_SECOND_S = 0.5
FASTEST_HZ = 1000.0  # there the meter gives no temperature

# The line levels, the temperature and the offsets of the uncalibrated averages of a reply that is published
# in okhsunrog/km003c-rs (`REAL_ADC_RESPONSE`) and of its captures.
CC1_RAW, CC2_RAW, CC2_AVG_MV, VDD_RAW, WORD_36 = 4234, 14, 2, 32376, 0x8000
TEMPERATURE_RAW = 3273
ORI_VOLTAGE_UV, ORI_CURRENT_UA = 6, 94


@dataclass(frozen=True)
class AdcModel:
    """What a meter's measurements are like.

    `update_hz` new measurements come each second. `noise_ua` is the standard deviation of the current's noise,
    renewed with each measurement; with `flicker` the level of CC1 changes each time too, as a real one does, so
    that no two neighbouring measurements are equal. `reversed` means plugged in the other way: the current's
    sign is turned. `bits_16_21` goes into every reply's header (2 in an unlocked session). Raises
    `MeterSettingError` for what no meter does.
    """

    update_hz: float = 2.0
    block_bytes: int = 44
    noise_ua: float = 3.0
    flicker: bool = True
    temperature: bool = True
    reversed: bool = False
    bits_16_21: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 < self.update_hz <= FASTEST_HZ:
            raise MeterSettingError(
                f"An update rate of {self.update_hz} Hz is impossible.",
                "Choose up to 1000; a meter has 2, 10, 50, 1000.",
            )
        if self.block_bytes not in ADC_LAYOUTS:
            raise MeterSettingError(f"No firmware sends an ADC block of {self.block_bytes} bytes.", "Choose 40 or 44.")
        if not 0.0 <= self.noise_ua <= 100.0:
            raise MeterSettingError(f"A noise of {self.noise_ua} µA is not a meter's.", "Choose 0 to 100.")


@dataclass(frozen=True)
class Measured:
    """One measurement in the meter's raw units."""

    vbus_uv: int
    ibus_ua: int
    cc1_raw: int
    cc2_raw: int


class EmulatedAdc:
    """The measurements of one load, numbered from 0 at `began_s` (any clock, as long as it is the load's)."""

    def __init__(self, load: LoadHistory, model: AdcModel, began_s: float) -> None:
        self._load = load
        self._model = model
        self._began_s = began_s

    def newest(self, now_s: float) -> int:
        """The number of the newest measurement."""
        return int((now_s - self._began_s) * self._model.update_hz // 1)

    def measured(self, number: int) -> Measured:
        """A measurement by its number; always the same, however often it is asked for."""
        vbus_uv, ibus_ua = self._mean(1.0 / self._model.update_hz, number)
        return Measured(vbus_uv, ibus_ua, CC1_RAW + self._flicker(number), CC2_RAW)

    def block(self, now_s: float) -> AdcRaw:
        """The ADC block that the meter sends at an instant; its last two fields are for 44 bytes alone."""
        newest = self.measured(self.newest(now_s))
        vbus_avg_uv, ibus_avg_ua = self._averages(now_s)
        return AdcRaw(
            vbus_uv=newest.vbus_uv,
            ibus_ua=newest.ibus_ua,
            vbus_avg_uv=vbus_avg_uv,
            ibus_avg_ua=ibus_avg_ua,
            vbus_ori_avg_uv=vbus_avg_uv + ORI_VOLTAGE_UV,
            ibus_ori_avg_ua=ibus_avg_ua + ORI_CURRENT_UA,
            temperature_raw=TEMPERATURE_RAW if self._has_temperature else TEMPERATURE_MISSING,
            cc1_raw=newest.cc1_raw,
            cc2_raw=newest.cc2_raw,
            d_plus_raw=0,
            d_minus_raw=0,
            vdd_raw=VDD_RAW,
            word_36=WORD_36,
            cc2_avg_mv=CC2_AVG_MV,
            d_plus_avg_mv=0,
            d_minus_avg_mv=0,
        )

    @property
    def _has_temperature(self) -> bool:
        return self._model.temperature and self._model.update_hz < FASTEST_HZ

    def _averages(self, now_s: float) -> tuple[int, int]:
        latest = 2 * int((now_s - self._began_s) // 1.0)
        (v0, i0), (v1, i1) = self._mean(HALF_SECOND_S, latest - 1), self._mean(HALF_SECOND_S, latest)
        return round((v0 + v1) / 2), round((i0 + i1) / 2)

    def _mean(self, period_s: float, number: int) -> tuple[int, int]:
        """µV and µA over the period that ends `number` periods after the beginning."""
        start_s, end_s = (self._began_s + n * period_s for n in (number - 1, number))
        voltage_v, current_a = self._load.mean(start_s, end_s)
        towards = -1.0 if self._model.reversed else 1.0
        noise_ua = self._random(number).gauss(0.0, self._model.noise_ua)
        return round(voltage_v * 1e6), round(towards * current_a * 1e6 + noise_ua)

    def _flicker(self, number: int) -> int:
        """Even after odd, so that neighbours always differ."""
        return (number & 1) + 2 * self._random(number).randint(-1, 1) if self._model.flicker else 0

    def _random(self, number: int) -> random.Random:
        return random.Random(f"{self._model.seed} {number}")
