"""Pure: the ADC block, one measurement of everything the KM003C measures.

Layout as in Linux `drivers/hwmon/powerz.c` and okhsunrog/km003c-rs.
"""

import struct
from dataclasses import astuple, dataclass

from power.errors import MeterProtocolError
from power.meters.km003c.protocol import ADC, ASK_AGAIN, Frame

# Six i32, the temperature as i16, then u16 fields; firmware before the D+ and D- averages sends 40 bytes.
ADC_LAYOUTS = {40: struct.Struct("<6ih7H"), 44: struct.Struct("<6ih9H")}
_FIELDS = {40: 14, 44: 16}
TEMPERATURE_MISSING = -0x8000
UPDATE_PERIOD_S = 0.5  # two measurements a second after power-up, however often it is polled


class InMicros:
    """What gives volts and amperes as the meter sends them: whole µV and µA."""

    vbus_uv: int
    ibus_ua: int

    @property
    def voltage_v(self) -> float:
        """Volts of this measurement."""
        return self.vbus_uv / 1e6

    @property
    def current_a(self) -> float:
        """Amperes of this measurement, signed as the meter sends them."""
        return self.ibus_ua / 1e6


@dataclass(frozen=True)
class AdcRaw(InMicros):
    """The ADC block as the meter sends it: µV, µA, 1/128 °C, tenths of mV, mV for the last averages.

    The "ori" averages are before calibration. `word_36` has no settled meaning. The two last are absent
    (None) in the 40-byte block.
    """

    vbus_uv: int
    ibus_ua: int
    vbus_avg_uv: int
    ibus_avg_ua: int
    vbus_ori_avg_uv: int
    ibus_ori_avg_ua: int
    temperature_raw: int
    cc1_raw: int
    cc2_raw: int
    d_plus_raw: int
    d_minus_raw: int
    vdd_raw: int
    word_36: int
    cc2_avg_mv: int
    d_plus_avg_mv: int | None = None
    d_minus_avg_mv: int | None = None

    @property
    def temperature_c(self) -> float | None:
        """Inside the meter; None where it gives none, as while it takes 1000 samples a second."""
        return None if self.temperature_raw == TEMPERATURE_MISSING else self.temperature_raw / 128


def adc_block(frame: Frame) -> AdcRaw:
    """The ADC block of a data reply. Raises `MeterProtocolError` when it has none or one of unknown size."""
    for block in frame.blocks:
        if block.attribute == ADC:
            return parse_adc(block.payload)
    raise MeterProtocolError("The meter's reply holds no ADC block.", ASK_AGAIN)


def parse_adc(payload: bytes) -> AdcRaw:
    """Decode an ADC block of 40 or 44 bytes. Raises `MeterProtocolError` for another length."""
    layout = ADC_LAYOUTS.get(len(payload))
    if layout is None:
        raise MeterProtocolError(
            f"An ADC block has {len(payload)} bytes; 40 and 44 are known.",
            "Check that the meter is a KM003C, and report its firmware version.",
        )
    return AdcRaw(*layout.unpack(payload))


def pack_adc(raw: AdcRaw, block_bytes: int) -> bytes:
    """Encode an ADC block of 40 bytes, which leaves the last two fields out, or of 44."""
    return ADC_LAYOUTS[block_bytes].pack(*astuple(raw)[: _FIELDS[block_bytes]])
