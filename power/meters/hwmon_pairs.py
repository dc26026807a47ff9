"""Pure: which voltage of a hwmon node belongs to which of its currents and powers.

The kernel's interface does not say (`Documentation/hwmon/sysfs-interface.rst`): files are numbered kind by kind,
voltages from 0 and currents from 1. So the labels decide, where both have one; then what is known of a chip; then equal
numbers.
"""

import re
from collections.abc import Mapping, Sequence

# Chips whose in0 is the voltage of the shunt and in1 that of the bus: Linux `Documentation/hwmon/ina2xx.rst`
# and `ina238.rst`.
SHUNT_AND_BUS = re.compile(r"ina(209|219|220|226|228|230|231|234|237|238|260|700|780)")
# Of in1 to in3 with curr1 to curr3 each pair is a channel; what follows are the shunts and sums: `ina3221.rst`.
THREE_CHANNELS, CHANNELS = "ina3221", 3

_LETTER = {"in": "v", "curr": "i", "power": "p"}  # as in vin and iin, VBUS and IBUS
_OF_THE_KIND = {"v", "voltage", "volts", "curr", "current", "amps", "power", "watts", "out", "sensor", "sense"}
_OF_NO_RAIL = {"bus", "load", "supply", "total", "sum"}


def kind_of(quantity: str) -> str:
    """`in`, `curr` or `power`."""
    return quantity.rstrip("0123456789")


def of_kind(quantities: Sequence[str], kind: str) -> list[str]:
    """Those of a kind, such as `in`."""
    return [quantity for quantity in quantities if re.fullmatch(rf"{kind}\d+", quantity)]


def is_shunt(name: str, quantity: str, labels: Mapping[str, str]) -> bool:
    """Whether a voltage of the chip `name` is that across its own resistor, and not one that a load sees."""
    if "shunt" in labels.get(quantity, "").lower() or (SHUNT_AND_BUS.fullmatch(name) and quantity == "in0"):
        return True
    return name == THREE_CHANNELS and _number(quantity) > CHANNELS


def partners(name: str, flow: str, quantities: Sequence[str], labels: Mapping[str, str]) -> tuple[str, ...]:
    """The voltages of the node called `name` that belong to `flow`, a current or a power of it; as a rule one."""
    volts = [quantity for quantity in of_kind(quantities, "in") if not is_shunt(name, quantity, labels)]
    of_one_rail = [voltage for voltage in volts if _rail(voltage, labels) & _rail(flow, labels)]
    if of_one_rail:
        return tuple(of_one_rail)
    candidates = _by_number(name, flow, volts, quantities, labels)
    return tuple(voltage for voltage in candidates if not _contradict(voltage, flow, labels))


def pairs(name: str, quantities: Sequence[str], labels: Mapping[str, str]) -> list[str]:
    """All that belong together, as they are written behind a port: `in1,curr1`."""
    flows = [*of_kind(quantities, "curr"), *of_kind(quantities, "power")]
    return [f"{voltage},{flow}" for flow in flows for voltage in partners(name, flow, quantities, labels)]


def _by_number(
    name: str, flow: str, volts: Sequence[str], quantities: Sequence[str], labels: Mapping[str, str]
) -> list[str]:
    number = _number(flow)
    same = [voltage for voltage in volts if _number(voltage) == number]
    if name == THREE_CHANNELS:
        return same if number <= CHANNELS else []
    if len(of_kind(quantities, kind_of(flow))) > 1:
        return same
    if SHUNT_AND_BUS.fullmatch(name) and "in1" in volts:
        return ["in1"]
    # All that flows is this: then a voltage that says to be that of the bus is its.
    buses = [voltage for voltage in volts if "bus" in labels.get(voltage, "").lower()]
    if len(buses) == 1:
        return buses
    # Voltages count from 0 and currents from 1, so in0 alone is the first as curr1 is.
    return same or (["in0"] if list(volts) == ["in0"] and number == 1 else [])


def _rail(quantity: str, labels: Mapping[str, str]) -> set[str]:
    """What a label may call the rail: VIN and vin voltage both `vin` and `in`. Empty where it calls it nothing."""
    words = [word for word in re.findall(r"[a-z0-9.]+", labels.get(quantity, "").lower()) if word not in _OF_THE_KIND]
    rail = "_".join(words)
    is_lettered = rail[1:] and rail[0] == _LETTER[kind_of(quantity)]
    return ({rail} if rail else set()) | ({rail[1:].lstrip("_")} if is_lettered else set())


def _contradict(voltage: str, flow: str, labels: Mapping[str, str]) -> bool:
    """Whether two labels name two rails."""
    one, other = _rail(voltage, labels), _rail(flow, labels)
    return bool(one and other) and not one & other and not (one | other) & _OF_NO_RAIL


def _number(quantity: str) -> int:
    return int(quantity[len(kind_of(quantity)) :])
