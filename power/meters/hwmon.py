"""Any power sensor that the kernel shows as a hwmon node: an INA226 on I²C, a board's own supply monitor.

What lies between two readings, and how long one takes, is the driver's affair; `update_interval` tells it where
the driver does. Voltage and current are two files, read one right after the other.
"""

import time
from pathlib import Path

from power.errors import MeterProtocolError, MeterSettingError, MeterUnreachable
from power.meters.base import Measurement, Meter, closed, with_sign
from power.meters.hwmon_channels import choose_channels
from power.meters.hwmon_missing import require_reading
from power.meters.hwmon_node import (
    ROOT,
    HwmonNode,
    ReadText,
    existing_node_at,
    hwmon_directories,
    node_name,
    read_attribute,
)
from power.patience import NoReadingPatience
from power.trace import MeterFacts

LONGEST_INTERVAL_MS = 3_600_000  # more is no interval, but a register that could not be read
NOMINAL_MV = 1000  # stands for the voltage of a source that gives watts alone


class HwmonMeter(Meter):
    """An open node. `port` is its path, its device's path, or its name if only one is called so.

    Where it has several supplies the channels follow: `ina3221:in1,curr1`. Numbers from files that are not on
    sysfs are marked as emulated. Raises `MeterUnreachable` when there is no such node and `MeterSettingError`
    when its channels are not clear.
    """

    def __init__(self, port: str, sign: int = 1, *, root: Path = ROOT, read_text: ReadText = read_attribute) -> None:
        place, channels = _split(port)
        self._node = HwmonNode(_directory(place, root), read_text)
        self._channels = choose_channels(self._node.name, self._node.quantities, self._node.labels, channels)
        self._is_open = True
        self._patience = NoReadingPatience()
        self._facts = MeterFacts(
            meter="hwmon",
            transport="hwmon",
            port=f"{self._node.place}:{channels}" if channels else str(self._node.place),
            emulated=self._node.is_emulated,
            sign=sign,
            field=f"{self._node.name}: {self._channels.field}",
            update_period_s=_update_period_s(self._node),
            watts_alone=self._channels.is_power and self._channels.voltage is None,
        )

    @property
    def facts(self) -> MeterFacts:
        """What must be known to judge this meter's numbers."""
        return self._facts

    @property
    def serial_number(self) -> str | None:
        """That of the USB device which the node belongs to, if any."""
        return self._node.serial_number

    def read(self) -> tuple[Measurement, ...]:
        """Read the node's files once; nothing where the driver has no reading (`power.meters.hwmon_missing`).

        Raises `MeterUnreachable` when they are gone or have given nothing for longer than `power.patience` allows, and
        `MeterProtocolError` when they are no numbers.
        """
        if not self._is_open:
            raise closed(f"The sensor at {self._facts.port}")
        return self._patience.read(self._measured)

    def _measured(self) -> tuple[Measurement]:
        asked_s = time.monotonic()
        millivolts = self._read(self._channels.voltage) if self._channels.voltage else NOMINAL_MV
        flow = self._read(self._channels.flow)
        amperes = _amperes(flow, millivolts) if self._channels.is_power else flow / 1e3
        measurement = Measurement(
            t_s=(asked_s + time.monotonic()) / 2,
            voltage_v=millivolts / 1e3,
            current_a=with_sign(self._facts.sign, amperes),
            identity=(millivolts, flow),
        )
        return (measurement,)

    def close(self) -> None:
        """Read no more; harmless when called again."""
        self._is_open = False

    def _read(self, quantity: str) -> int:
        number = self._node.number(f"{quantity}_input")
        require_reading(self._facts.port, quantity, number)
        return number


def _amperes(microwatts: int, millivolts: int) -> float:
    """What carries these watts at this voltage. Raises `MeterProtocolError` for watts without a voltage."""
    if microwatts and not millivolts:
        raise MeterProtocolError(
            f"The sensor gives {microwatts} µW at 0 mV.", "Choose another voltage, or the power alone, as its channels."
        )
    return microwatts / 1e3 / millivolts if microwatts else 0.0


def _split(port: str) -> tuple[str, str]:
    """Path or name, and channels; a device's own path may hold colons."""
    if ":" not in port or Path(port).exists():
        return port, ""
    place, _, channels = port.rpartition(":")
    if "," in place and not Path(place).exists():
        raise MeterSettingError(
            f"The port {port} names more than one sensor, and what two of them measure does not belong together.",
            "Name one sensor with its voltage and current: --port ina226:in1,curr1.",
        )
    return place, channels


def _directory(place: str, root: Path) -> Path:
    by_name = [directory for directory in hwmon_directories(root) if node_name(directory) == place]
    if len(by_name) > 1:
        raise MeterUnreachable(
            f"{len(by_name)} sensors are called {place}.",
            f"Give the path of one as --port: {', '.join(str(HwmonNode(path).place) for path in by_name)}.",
        )
    return by_name[0] if by_name else existing_node_at(Path(place))


def _update_period_s(node: HwmonNode) -> float | None:
    """Seconds between two values of the chip; None where its driver does not tell (the file is in ms)."""
    text = node.text("update_interval") or ""
    return int(text) / 1e3 if text.isdecimal() and 0 < int(text) <= LONGEST_INTERVAL_MS else None
