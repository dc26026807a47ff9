"""Pure: what a driver's number says when there is no reading behind it.

A register that could not be read, or holds nothing yet, shows as all its bits, or as the largest or smallest number of
its kind. A small negative number that a driver takes for unsigned shows as thousands of volts.
"""

from power.errors import NoReading
from power.meters.hwmon_pairs import kind_of

_WIDE = {edge for bits in (32, 64) for edge in (2**bits - 1, 2 ** (bits - 1) - 1, -(2 ** (bits - 1)))}
_NARROW = {2**16 - 1, 2**15 - 1, -(2**15)}  # of a register in mV or mA; in µW they are small powers like others
SENTINELS = {"in": _WIDE | _NARROW, "curr": _WIDE | _NARROW, "power": _WIDE}
# From the smallest to the largest that can be meant, in mV, mA and µW. A bus is never below ground but for its noise.
POSSIBLE = {"in": (-1_000, 1_000_000), "curr": (-1_000_000, 1_000_000), "power": (-1_000_000_000, 1_000_000_000)}


def require_reading(port: str, quantity: str, number: int) -> None:
    """Raise `NoReading` where the number of a quantity, such as `in1`, is no reading of it."""
    least, most = POSSIBLE[kind_of(quantity)]
    if number in SENTINELS[kind_of(quantity)] or not least <= number <= most:
        raise NoReading(
            f"The sensor at {port} gives {number} for {quantity}_input, which stands for no reading.",
            "Check that the sensor is connected and its driver has taken it into use, then try again.",
        )
