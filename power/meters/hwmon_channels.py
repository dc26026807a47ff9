"""Pure: which files of a hwmon node are the voltage and the current of one supply.

Nodes differ: some have a bus and a shunt voltage, some several supplies, some give watts alone. Where it is not
clear, nothing is guessed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from power.errors import MeterSettingError

# Chips whose in0 is the voltage of the shunt and in1 that of the bus: Linux `Documentation/hwmon/ina2xx.rst`
# and `ina238.rst`.
SHUNT_AND_BUS = re.compile(r"ina(209|219|220|226|228|230|231|234|237|238|260|700|780)")


@dataclass(frozen=True)
class Channels:
    """The files to read, without `_input`: a voltage, if there is one, and a current or a power (`flow`).

    A power is the choice where there is no current only: in the ina2xx chips it has no sign.
    """

    voltage: str | None
    flow: str

    @property
    def is_power(self) -> bool:
        """Whether `flow` is in watts."""
        return self.flow.startswith("power")

    @property
    def field(self) -> str:
        """Which quantities they are, in words for the recording's facts."""
        files = ", ".join(f"{name}_input" for name in (self.voltage, self.flow) if name)
        if not self.is_power:
            return files
        return f"{files} (amperes are watts by {'this voltage' if self.voltage else 'a nominal 1 V, as it gives none'})"


def choose_channels(name: str, quantities: Sequence[str], labels: Mapping[str, str], wanted: str = "") -> Channels:
    """The channels of the node called `name`: those that `wanted` lists (`in1,curr1`), else the only possible.

    `labels` are the texts of the node's `…_label` files. Raises `MeterSettingError`, saying what the node has,
    where the words are unknown or where no words were given and the choice is not clear.
    """
    volts, amperes, watts = (_of_kind(quantities, kind) for kind in ("in", "curr", "power"))
    if wanted:
        return _wanted(name, quantities, labels, wanted)
    voltage = _bus_voltage(name, volts, labels)
    if voltage and len(amperes) == 1:
        return Channels(voltage, amperes[0])
    if not amperes and len(watts) == 1 and (voltage or not volts):
        return Channels(voltage, watts[0])
    raise MeterSettingError(
        f"Which channels of {name} to read is not clear; it has {_listed(quantities, labels)}.",
        f"Name voltage and current, or the power, after the port: --port {name}:in1,curr1.",
    )


def _wanted(name: str, quantities: Sequence[str], labels: Mapping[str, str], wanted: str) -> Channels:
    words = [word.strip() for word in wanted.split(",")]
    found = {kind: _of_kind(words, kind) for kind in ("in", "curr", "power")}
    one_each = all(len(names) <= 1 for names in found.values())
    kinds = {kind for kind, names in found.items() if names}
    known = all(word in quantities for word in words)
    if not known or not one_each or kinds not in ({"in", "curr"}, {"in", "power"}, {"power"}):
        raise MeterSettingError(
            f"The channels {wanted!r} of {name} cannot be read; it has {_listed(quantities, labels)}.",
            f"Name one voltage and one current, or one power: --port {name}:in1,curr1.",
        )
    return Channels(next(iter(found["in"]), None), [*found["curr"], *found["power"]][0])


def _of_kind(quantities: Sequence[str], kind: str) -> list[str]:
    return [quantity for quantity in quantities if re.fullmatch(rf"{kind}\d+", quantity)]


def _bus_voltage(name: str, volts: Sequence[str], labels: Mapping[str, str]) -> str | None:
    """The voltage that the load sees."""
    if len(volts) == 1:
        return volts[0]
    if SHUNT_AND_BUS.fullmatch(name) and "in1" in volts:
        return "in1"
    buses = [quantity for quantity in volts if "bus" in labels.get(quantity, "").lower()]
    return buses[0] if len(buses) == 1 else None


def _listed(quantities: Sequence[str], labels: Mapping[str, str]) -> str:
    if not quantities:
        return "no voltage, current or power"
    return ", ".join(f"{name} ({labels[name]})" if labels.get(name) else name for name in quantities)
