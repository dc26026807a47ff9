"""What every power meter promises, over each entry of the registry with the closest thing to its device.

The KM003C's serial port is a pseudo-terminal, its USB interface an emulated bus under pyusb itself, its kernel
driver a folder of files; the recording and the waveform are themselves.
"""

import errno
import importlib.util
import math
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from power.errors import AnotherMeter, EndOfRecording, MeterUnreachable, PowerError
from power.meters import METERS, open_meter
from power.meters.base import Measurement, Meter
from power.meters.found import NO_DEVICE
from power.meters.km003c.emulated_adc import AdcModel
from power.meters.km003c.emulated_line import LineBehaviour
from power.meters.km003c.emulated_load import LoadHistory, LoadPoint
from power.meters.km003c.emulator import Km003cEmulator
from power.meters.reconnecting import ReconnectingMeter
from power.meters.waveform import FORMS
from power.trace import MeterFacts, PowerTrace
from power.trace_io import write_csv
from tests.rigs.emulated_sysfs import EmulatedSysfs
from tests.rigs.emulated_usb_bus import EmulatedSocket, EmulatedUsbBus
from tests.rigs.emulated_usb_meter import EmulatedUsbMeter

VOLTAGE_V, CURRENT_A = 5.0, 0.8
FAULTS = 50
FAULTS_ON_THE_REAL_CLOCK = 15  # whose time-outs are waited for
SERIAL_NUMBERS = ("007965", "007966")


class Rig(Protocol):
    """A device of one kind: how to open its meter, let time pass, pull its cable, and make it misbehave.

    Its serial number is the first of `SERIAL_NUMBERS`; `swap` puts the second device where the first was unplugged.
    `heard` counts what was sent to the one plugged in now.
    """

    def open(self, sign: int = 1) -> Meter: ...

    def pass_time(self) -> None: ...

    def unplug(self) -> None: ...

    def replug(self) -> None: ...

    def swap(self) -> None: ...

    def heard(self) -> int: ...

    def misbehave(self, chance: random.Random) -> None: ...

    def close(self) -> None: ...


class Clock:
    """The host's clock for what can do without the real one."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def now(self) -> float:
        self.now_s += 0.0001
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.now_s += seconds


class SerialRig:
    def __init__(self, folder: Path) -> None:
        self._adc = AdcModel(update_hz=1000.0, noise_ua=0.0)
        self._emulator = Km003cEmulator(VOLTAGE_V, CURRENT_A, adc=self._adc)
        self._number = SERIAL_NUMBERS[0]
        self._port = folder / "ttyACM0"
        self._port.symlink_to(self._emulator.stable_port)
        self._system = pytest.MonkeyPatch()
        self._system.setattr(list_ports, "comports", self._told_by_the_system)

    def _told_by_the_system(self) -> list[ListPortInfo]:
        info = ListPortInfo(self._emulator.port)
        info.serial_number = self._number
        return [info]

    def open(self, sign: int = 1) -> Meter:
        return open_meter("km003c", str(self._port), sign)

    def pass_time(self) -> None:
        time.sleep(0.002)

    def unplug(self) -> None:
        self._emulator.unplug()

    def replug(self) -> None:
        self._emulator.replug()

    def swap(self) -> None:
        self._number = SERIAL_NUMBERS[1]
        self._replace(LineBehaviour())

    def heard(self) -> int:
        return len(self._emulator.received)

    def _replace(self, line: LineBehaviour) -> None:
        self._emulator.close()
        self._emulator = Km003cEmulator(VOLTAGE_V, CURRENT_A, adc=self._adc, line=line)
        self._port.unlink()
        self._port.symlink_to(self._emulator.stable_port)

    def misbehave(self, chance: random.Random) -> None:
        line = LineBehaviour(
            split=chance.random() < 0.5,
            stale_every=chance.randrange(4),
            garbage_every=chance.choice((0, 0, 0, 2, 2, 1)),
            garbage=chance.randbytes(chance.randrange(1, 80)),
            seed=chance.randrange(1000),
        )
        self._replace(line)
        if chance.random() < 0.2:
            self._emulator.unplug()

    def close(self) -> None:
        self._system.undo()
        self._emulator.close()


class HwmonRig:
    """The kernel's driver of the KM003C, or any other sensor."""

    def __init__(self, folder: Path, meter: str) -> None:
        self._meter = meter
        self._sysfs = EmulatedSysfs(folder / "root")
        self._number = 1
        self._sysfs.add_usb_device("1-1.2", serial=SERIAL_NUMBERS[0])
        self.replug()
        self._port = str(self._sysfs.root / "sys/bus/usb/devices/1-1.2:1.0")

    def open(self, sign: int = 1) -> Meter:
        return open_meter(self._meter, self._port, sign, read_text=self._sysfs.read_text)

    def pass_time(self) -> None:
        """These files hold what they hold."""

    def unplug(self) -> None:
        self._sysfs.remove(self._node)

    def replug(self) -> None:
        self._number += 1
        if self._meter == "km003c-hwmon":
            self._node = self._sysfs.add_powerz(self._number, 5000, 800)
        else:
            files = {"in1_input": 5000, "curr1_input": 800, "power1_input": 4_000_000, "update_interval": 35}
            self._node = self._sysfs.add_node(self._number, "ina226", files, "usb/1-1.2:1.0")

    def swap(self) -> None:
        self._sysfs.add_usb_device("1-1.2", serial=SERIAL_NUMBERS[1])
        self.replug()
        self._sysfs.measurements = 0

    def heard(self) -> int:
        return self._sysfs.measurements

    def misbehave(self, chance: random.Random) -> None:
        self._sysfs.errors.clear()
        if self._node.exists():
            self.unplug()
        if chance.random() < 0.1:
            return
        self.replug()
        numbers = (0, errno.EIO, errno.ENODEV, errno.ETIMEDOUT, errno.EINTR, errno.EACCES, errno.ENODATA)
        self._sysfs.errors.extend(chance.choices(numbers, k=chance.randrange(4)))
        if chance.random() < 0.5:
            file = self._node / chance.choice(("name", "in0_input", "in1_input", "curr1_input", "update_interval"))
            file.write_bytes(chance.choice((b"", b"4294966\n", b"-99999999\n", b"12 34\n", chance.randbytes(9))))

    def close(self) -> None:
        self._sysfs.errors.clear()


class UsbRig:
    def __init__(self, folder: Path) -> None:
        import usb.core

        self._clock = Clock()
        self._meter = self._new_meter()
        self._answer = self._meter.receive
        self._socket = EmulatedSocket(self._meter, serial_number=SERIAL_NUMBERS[0])
        self._bus = EmulatedUsbBus([self._socket], self._clock.wait, usb.core.USBError, usb.core.USBTimeoutError)

    def _new_meter(self) -> EmulatedUsbMeter:
        from power.meters.km003c.usb_bulk import Km003cCipher

        load = LoadHistory([LoadPoint(0.0, VOLTAGE_V, CURRENT_A)])
        return EmulatedUsbMeter(load, Km003cCipher(), self._clock.now, adc=AdcModel(noise_ua=0.0))

    def open(self, sign: int = 1) -> Meter:
        options = {"backend": self._bus, "now": self._clock.now, "sleep": self._clock.wait}
        return open_meter("km003c-usb", "/sys/bus/usb/devices/1-1.1", sign, **options)

    def pass_time(self) -> None:
        self._clock.wait(0.05)

    def unplug(self) -> None:
        self._socket.plugged = False

    def replug(self) -> None:
        self._socket.plugged, self._socket.kernel_driver, self._socket.claimed = True, True, False

    def swap(self) -> None:
        self._meter = self._socket.meter = self._new_meter()
        self._socket.serial_number = SERIAL_NUMBERS[1]
        self.replug()

    def heard(self) -> int:
        return len(self._meter.received)

    def misbehave(self, chance: random.Random) -> None:
        self.replug()
        self._socket.open_error = chance.choice((0, 0, 0, errno.EACCES, errno.EIO))
        self._socket.claim_error = chance.choice((0, 0, 0, errno.EBUSY))
        self._meter.receive = _mangled(self._answer, self._meter, chance)  # type: ignore[method-assign]
        self._socket.plugged = chance.random() < 0.9

    def close(self) -> None:
        """It is gone with its objects."""


def _mangled(
    answer: Callable[[bytes], None], meter: EmulatedUsbMeter, chance: random.Random
) -> Callable[[bytes], None]:
    """A meter that now and then swaps a transfer for noise, repeats it, or says nothing."""

    def receive(packet: bytes) -> None:
        answer(packet)
        for _ in range(len(meter.outgoing)):
            transfer = meter.outgoing.popleft()
            noise = chance.randbytes(chance.randrange(1, 90))
            meter.outgoing.extend(chance.choices(([transfer], [transfer] * 2, [noise], []), (24, 2, 1, 1))[0])

    return receive


class ReplayRig:
    def __init__(self, folder: Path) -> None:
        self._clock = Clock()
        self._path = folder / "trace.csv"
        facts = MeterFacts("km003c", "serial", "/dev/ttyACM0", True, 1, "vbus/ibus", 0.01, "block")
        times = [0.01 * row for row in range(1000)]
        started = "2026-01-02T03:04:05+00:00"
        trace = PowerTrace(facts, 50.0, started, times, [VOLTAGE_V] * 1000, [CURRENT_A] * 1000)
        write_csv(trace, self._path)
        self._content = self._path.read_bytes()

    def open(self, sign: int = 1) -> Meter:
        return open_meter("replay", str(self._path), sign, now=self._clock.now)

    def pass_time(self) -> None:
        self._clock.wait(0.05)

    def unplug(self) -> None:
        self._path.unlink()

    def replug(self) -> None:
        self._path.write_bytes(self._content)

    def swap(self) -> None:
        """A file has no number."""

    def heard(self) -> int:
        return 0

    def misbehave(self, chance: random.Random) -> None:
        content = bytearray(self._content[: chance.randrange(200, 4000)])
        for _ in range(chance.randrange(4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        self._path.write_bytes(content)
        self._clock.wait(chance.choice((0.1, 100.0, -5.0)))

    def close(self) -> None:
        """A file."""


class SyntheticRig:
    def __init__(self, folder: Path) -> None:
        self._clock = Clock()
        self._port = f"steady:{VOLTAGE_V}V,{CURRENT_A}A"

    def open(self, sign: int = 1) -> Meter:
        return open_meter("synthetic", self._port, sign, now=self._clock.now)

    def pass_time(self) -> None:
        self._clock.wait(0.05)

    def unplug(self) -> None:
        """Nothing to pull."""

    def replug(self) -> None:
        """Nothing to put back."""

    def swap(self) -> None:
        """Nothing has a number."""

    def heard(self) -> int:
        return 0

    def misbehave(self, chance: random.Random) -> None:
        text = list(chance.choice(list(FORMS.values())).partition(" ")[0])
        for _ in range(chance.randrange(3)):
            text[chance.randrange(len(text))] = chance.choice("0123456789,.:VAs-e ")
        self._port = "".join(text)
        self._clock.wait(chance.choice((0.1, 10.0, -5.0)))

    def close(self) -> None:
        """Nothing held."""


RIGS: dict[str, Callable[[Path], Rig]] = {
    "km003c": SerialRig,
    "km003c-hwmon": lambda folder: HwmonRig(folder, "km003c-hwmon"),
    "km003c-usb": UsbRig,
    "hwmon": lambda folder: HwmonRig(folder, "hwmon"),
    "replay": ReplayRig,
    "synthetic": SyntheticRig,
}
DEVICES = sorted(set(METERS) - set(NO_DEVICE))


@pytest.fixture
def meter_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def rig(meter_name: str, tmp_path: Path) -> Iterator[Rig]:
    if meter_name == "km003c-usb" and importlib.util.find_spec("usb") is None:
        pytest.skip("the extra usb is not installed")
    made = RIGS[meter_name](tmp_path)
    yield made
    made.close()


every_meter = pytest.mark.parametrize("meter_name", sorted(METERS), indirect=True)
every_device = pytest.mark.parametrize("meter_name", DEVICES, indirect=True)


def measure(rig: Rig, meter: Meter, at_least: int = 5) -> list[Measurement]:
    """Some measurements, with time passing between the questions."""
    measurements: list[Measurement] = []
    while len(measurements) < at_least:
        rig.pass_time()
        measurements += meter.read()
    return measurements


@every_meter
def test_measurements_come_in_the_order_of_their_time(rig: Rig) -> None:
    with rig.open() as meter:
        times = [measurement.t_s for measurement in measure(rig, meter, 20)]
    assert times == sorted(times)
    assert all(math.isfinite(time_s) for time_s in times)


@every_meter
def test_volts_and_amperes_are_those_of_the_load(rig: Rig) -> None:
    with rig.open() as meter:
        for measurement in measure(rig, meter):
            assert measurement.voltage_v == pytest.approx(VOLTAGE_V, abs=0.001)
            assert measurement.current_a == pytest.approx(CURRENT_A, abs=0.001)
            assert measurement.power_w == measurement.voltage_v * measurement.current_a


@every_meter
def test_the_facts_are_complete_and_own_up_to_an_emulation(rig: Rig) -> None:
    with rig.open() as meter:
        facts = meter.facts
    assert all(text.strip() == text != "" for text in (facts.meter, facts.transport, facts.port, facts.field))
    assert "\n" not in facts.port + facts.field
    assert facts.emulated is True
    assert facts.update_period_s is not None
    assert facts.averaging in ("block", "instant")


@every_meter
def test_a_meter_is_known_by_the_word_that_opens_it(rig: Rig, meter_name: str) -> None:
    with rig.open() as meter:
        assert meter.facts.meter == ("km003c" if meter_name == "replay" else meter_name)


@every_meter
def test_the_sign_turns_the_current_exactly(rig: Rig) -> None:
    with rig.open() as meter:
        straight = measure(rig, meter)
    with rig.open(-1) as meter:
        turned = measure(rig, meter)
        assert meter.facts.sign == -1
    assert {-measurement.current_a for measurement in straight} == {measurement.current_a for measurement in turned}
    assert {measurement.voltage_v for measurement in straight} == {measurement.voltage_v for measurement in turned}


@every_meter
def test_a_sign_that_is_none_is_refused_and_the_device_left_free(rig: Rig) -> None:
    with pytest.raises(PowerError, match="sign"):
        rig.open(0)
    with rig.open() as meter:
        assert measure(rig, meter)


@every_meter
def test_closing_is_harmless_twice_and_ends_the_reading(rig: Rig) -> None:
    meter = rig.open()
    measure(rig, meter)
    meter.close()
    meter.close()
    with pytest.raises(PowerError) as caught:
        meter.read()
    assert caught.value.remedy


@every_meter
def test_a_closed_meter_can_be_opened_again(rig: Rig) -> None:
    for _ in range(3):
        with rig.open() as meter:
            assert measure(rig, meter)


@every_device
def test_an_unplugged_meter_is_unreachable_until_it_is_back(rig: Rig) -> None:
    meter = rig.open()
    measure(rig, meter)
    rig.unplug()
    with pytest.raises(MeterUnreachable) as caught:
        for _ in range(3):
            rig.pass_time()
            meter.read()
    assert caught.value.remedy
    meter.close()
    with pytest.raises(MeterUnreachable):
        rig.open()
    rig.replug()
    with rig.open() as again:
        assert measure(rig, again)


@every_device
def test_opening_a_meter_tells_its_serial_number_and_sends_it_nothing(rig: Rig) -> None:
    with rig.open() as meter:
        assert meter.serial_number == SERIAL_NUMBERS[0]
    assert rig.heard() == 0
    with rig.open() as meter:
        measure(rig, meter)
    assert rig.heard() > 0


@every_device
def test_another_meter_in_the_same_place_is_refused_and_hears_nothing(rig: Rig) -> None:
    with ReconnectingMeter(rig.open, patience_s=0.4) as meter:
        measure(rig, meter)
        rig.unplug()
        assert meter.read() == ()
        rig.swap()
        with pytest.raises(AnotherMeter, match="is 007966, and that of the one before is 007965"):
            while meter.read() == ():
                rig.pass_time()
    assert rig.heard() == 0


@every_meter
def test_whatever_goes_wrong_is_an_error_of_this_package_with_a_remedy(rig: Rig) -> None:
    chance = random.Random(5)
    survived = failed = 0
    for _ in range(FAULTS_ON_THE_REAL_CLOCK if isinstance(rig, SerialRig) else FAULTS):
        rig.misbehave(chance)
        try:
            with rig.open() as meter:
                for _ in range(3):
                    rig.pass_time()
                    assert all(math.isfinite(measurement.power_w) for measurement in meter.read())
            survived += 1
        except EndOfRecording:
            survived += 1
        except PowerError as error:
            assert error.message
            assert error.remedy
            failed += 1
    assert survived
    assert failed


def test_every_meter_has_a_rig() -> None:
    assert set(RIGS) == set(METERS)
