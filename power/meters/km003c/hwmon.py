"""The KM003C through the kernel's driver `powerz`: no permission and no library needed, steps of 1 mV and 1 mA.

Linux 6.7 and newer, where it is enabled (`CONFIG_SENSORS_POWERZ`). What the driver does to the meter's numbers,
and what is undone here, is in Linux `drivers/hwmon/powerz.c`: it takes the voltage for unsigned, cuts towards
zero, and asks the meter once for every file that is read.

In such steps a load in step with the polls may look steady at any rate of the meter's (`power.renewal`). But while it
takes 1,000 values a second, and for some polls afterwards, it gives no temperature, as in all captures of
okhsunrog/km003c-protocol-research; the driver shows that as 256 °C.
"""

import time
from dataclasses import replace
from pathlib import Path

from power.errors import MeterUnreachable
from power.meters.base import Measurement, Meter, closed, with_sign
from power.meters.hwmon_node import HwmonNode, ReadText, existing_node_at, read_attribute
from power.meters.km003c.adc import UPDATE_PERIOD_S
from power.meters.km003c.measuring_range import HIGHEST_V, require_in_range
from power.trace import MeterFacts

DRIVER = "powerz"
PAIR_TRIES = 3  # for a voltage and a current of one measurement
WRAP_MV = 4294967  # 2³² µV
NO_TEMPERATURE = "256000"  # m°C
TEMPERATURE_EVERY_S, TEMPERATURE_LOOKS = 1.0, 3  # so many without one in a row are no remnant of a rate that has ended
LOWEST_WRAPPED_MV = WRAP_MV - round(1e3 * HIGHEST_V)  # from here on it is a negative voltage


class Km003cHwmon(Meter):
    """An open KM003C; `port` is the path of its hwmon node or of the device that has it.

    A node's number changes when the meter is plugged in again, the device's path does not in the same socket.
    Numbers from files that are not on sysfs are marked as emulated. Raises `MeterUnreachable` when there is no
    node of that driver.
    """

    def __init__(self, port: str, sign: int = 1, *, read_text: ReadText = read_attribute) -> None:
        self._node = HwmonNode(existing_node_at(Path(port)), read_text)
        if self._node.name != DRIVER:
            raise MeterUnreachable(
                f"The sensor at {port} is called {self._node.name}, not {DRIVER}.",
                "Find the meter's path with: groupnl power list. Read other sensors with --meter hwmon.",
            )
        self._is_open = True
        self._looked_s = 0.0
        self._without_temperature = 0
        self._facts = MeterFacts(
            meter="km003c-hwmon",
            transport="hwmon",
            port=str(self._node.place),
            emulated=self._node.is_emulated,
            sign=sign,
            field="in0_input, curr1_input (1 mV, 1 mA, truncated)",
            update_period_s=UPDATE_PERIOD_S,
            averaging="block",
        )

    @property
    def facts(self) -> MeterFacts:
        """What must be known to judge this meter's numbers; that it renews too fast may show later."""
        return self._facts

    @property
    def serial_number(self) -> str | None:
        """That of the USB device which the node belongs to, if any."""
        return self._node.serial_number

    def read(self) -> tuple[Measurement, ...]:
        """Read the voltage, the current, and the voltage again; all of it anew where the voltage changed.

        A voltage that is the same on both sides belongs to the current between, whichever measurement that is.
        Raises `MeterUnreachable` when the node is gone or gives nothing, `MeterProtocolError` for wild numbers.
        """
        if not self._is_open:
            raise closed(f"The meter at {self._facts.port}")
        for _ in range(PAIR_TRIES):
            asked_s = time.monotonic()
            before_mv, current_ma, voltage_mv = self._voltage_mv(), self._node.number("curr1_input"), self._voltage_mv()
            if before_mv == voltage_mv:
                break
        require_in_range(voltage_mv / 1e3, current_ma / 1e3)
        self._look_at_temperature(asked_s)
        return (
            Measurement(
                t_s=(asked_s + time.monotonic()) / 2,
                voltage_v=voltage_mv / 1e3,
                current_a=with_sign(self._facts.sign, current_ma / 1e3),
                identity=(voltage_mv, current_ma),
            ),
        )

    def close(self) -> None:
        """Read no more; harmless when called again."""
        self._is_open = False

    def _look_at_temperature(self, now_s: float) -> None:
        if now_s - self._looked_s < TEMPERATURE_EVERY_S:
            return
        self._looked_s = now_s
        is_lacking = self._node.text("temp1_input") == NO_TEMPERATURE
        self._without_temperature = self._without_temperature + 1 if is_lacking else 0
        if self._without_temperature == TEMPERATURE_LOOKS:
            self._facts = replace(self._facts, renews_too_fast=True)

    def _voltage_mv(self) -> int:
        driver_mv = self._node.number("in0_input")
        return driver_mv - WRAP_MV if driver_mv >= LOWEST_WRAPPED_MV else driver_mv
