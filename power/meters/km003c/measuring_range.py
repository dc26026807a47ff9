"""Pure: what a KM003C can measure at all; numbers beyond it are no measurement, however well they were framed."""

from power.errors import MeterProtocolError

# The vendor's range ends at 50 V and 6 A; the rest is room for a surge.
HIGHEST_V = 60.0
HIGHEST_A = 10.0


def require_in_range(voltage_v: float, current_a: float) -> None:
    """Raise `MeterProtocolError` for volts or amperes that no such meter measures, of either sign."""
    if abs(voltage_v) > HIGHEST_V or abs(current_a) > HIGHEST_A:
        raise MeterProtocolError(
            f"The meter gives {voltage_v} V and {current_a} A, which is beyond its range.",
            "Unplug the meter and plug it in again.",
        )
