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


@dataclass(frozen=True)
class AdcRaw:
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


@dataclass(frozen=True)
class AdcReading:
    """The ADC block in volts, amperes, watts and °C. Currents and power are signed as the meter sends them."""

    voltage_v: float
    current_a: float
    power_w: float
    voltage_avg_v: float
    current_avg_a: float
    temperature_c: float | None
    cc1_v: float
    cc2_v: float
    d_plus_v: float
    d_minus_v: float
    vdd_v: float


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


def adc_reading(raw: AdcRaw) -> AdcReading:
    """Convert to physical units; power is the product of the integers, so no digit is lost before it."""
    missing = raw.temperature_raw == TEMPERATURE_MISSING
    return AdcReading(
        voltage_v=raw.vbus_uv / 1e6,
        current_a=raw.ibus_ua / 1e6,
        power_w=raw.vbus_uv * raw.ibus_ua / 1e12,
        voltage_avg_v=raw.vbus_avg_uv / 1e6,
        current_avg_a=raw.ibus_avg_ua / 1e6,
        temperature_c=None if missing else raw.temperature_raw / 128,
        cc1_v=raw.cc1_raw / 1e4,
        cc2_v=raw.cc2_raw / 1e4,
        d_plus_v=raw.d_plus_raw / 1e4,
        d_minus_v=raw.d_minus_raw / 1e4,
        vdd_v=raw.vdd_raw / 1e4,
    )
