"""Pure: which files of a hwmon node are the voltage and the current of one supply.

Nodes differ: some have a bus and a shunt voltage, some several supplies, some give watts alone. Where it is not
clear, nothing is guessed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from power.errors import MeterSettingError
from power.meters.hwmon_pairs import SHUNT_AND_BUS, is_shunt, of_kind, pairs, partners


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
    where the words are unknown or no pair, or where no words were given and the choice is not clear.
    """
    volts, amperes, watts = (of_kind(quantities, kind) for kind in ("in", "curr", "power"))
    if wanted:
        return _wanted(name, quantities, labels, wanted)
    voltage = _bus_voltage(name, volts, labels)
    if len(amperes) == 1 and voltage in partners(name, amperes[0], quantities, labels):
        return Channels(voltage, amperes[0])
    if not amperes and len(watts) == 1 and (voltage or not volts):
        # Watts are right without a voltage; one of another rail would only look like theirs.
        belongs = voltage in partners(name, watts[0], quantities, labels)
        return Channels(voltage if belongs else None, watts[0])
    raise MeterSettingError(
        f"Which channels of {name} to read is not clear; it has {_listed(quantities, labels)}.",
        f"Name voltage and current, or the power, after the port: {_possible(name, quantities, labels)}.",
    )


def _wanted(name: str, quantities: Sequence[str], labels: Mapping[str, str], wanted: str) -> Channels:
    words = [word.strip() for word in wanted.split(",")]
    found = {kind: of_kind(words, kind) for kind in ("in", "curr", "power")}
    one_each = all(len(names) <= 1 for names in found.values())
    kinds = {kind for kind, names in found.items() if names}
    known = all(word in quantities for word in words)
    if not known or not one_each or kinds not in ({"in", "curr"}, {"in", "power"}, {"power"}):
        raise MeterSettingError(
            f"The channels {wanted!r} of {name} cannot be read; it has {_listed(quantities, labels)}.",
            f"Name one voltage and one current, or one power: {_possible(name, quantities, labels)}.",
        )
    channels = Channels(next(iter(found["in"]), None), [*found["curr"], *found["power"]][0])
    _require_pair(name, quantities, labels, channels)
    return channels


def _require_pair(name: str, quantities: Sequence[str], labels: Mapping[str, str], channels: Channels) -> None:
    voltage, flow = channels.voltage, channels.flow
    if voltage is None or voltage in partners(name, flow, quantities, labels):
        return
    why = f", for {voltage} is the voltage of a shunt" if is_shunt(name, voltage, labels) else ""
    raise MeterSettingError(
        f"{voltage} and {flow} of {name} do not belong together{why}; it has {_listed(quantities, labels)}.",
        f"Name what does: {_possible(name, quantities, labels)}.",
    )


def _possible(name: str, quantities: Sequence[str], labels: Mapping[str, str]) -> str:
    """Every choice there is, as it is typed."""
    choices = [*pairs(name, quantities, labels), *of_kind(quantities, "power")]
    if not choices:
        return "none of its voltages and currents belong together, so choose another sensor with groupnl power list"
    return " or ".join([f"--port {name}:{choices[0]}", *(f"{name}:{choice}" for choice in choices[1:])])


def _bus_voltage(name: str, volts: Sequence[str], labels: Mapping[str, str]) -> str | None:
    """The voltage that the load sees."""
    volts = [quantity for quantity in volts if not is_shunt(name, quantity, labels)]
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
