"""Looking for meters: every way to read each, its stable path, and what to do where it cannot be opened."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from power.meters import access, found
from power.meters.found import FoundMeter, found_meters
from power.meters.km003c.emulator import Km003cEmulator
from tests.rigs.emulated_sysfs import EmulatedSysfs

needs_usb = pytest.mark.skipif(importlib.util.find_spec("usb") is None, reason="the extra usb is not installed")
BY_ID = "usb-ChargerLAB_POWER-Z_KM003C_007965-if01"


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmulatedSysfs:
    monkeypatch.setattr(found, "find_library", lambda name: f"lib{name}.so")
    return EmulatedSysfs(tmp_path / "root")


@pytest.fixture
def serial_port(sysfs: EmulatedSysfs) -> Iterator[Path]:
    """A meter's serial port under its stable path, with an emulator behind it."""
    folder = sysfs.root / "dev/serial/by-id"
    folder.mkdir(parents=True)
    with Km003cEmulator() as emulator:
        (folder / BY_ID).symlink_to(emulator.port)
        yield folder / BY_ID


def only(sysfs: EmulatedSysfs, meter: str) -> FoundMeter:
    (one,) = (one for one in found_meters(sysfs.root) if one.meter == meter)
    return one


def run_modem_manager(sysfs: EmulatedSysfs) -> None:
    process = sysfs.root / "proc/412"
    process.mkdir(parents=True)
    (process / "comm").write_text("ModemManager\n")


def test_nothing_is_found_where_nothing_is(sysfs: EmulatedSysfs) -> None:
    sysfs.add_node(0, "coretemp", {"temp1_input": 40000, "in0_input": 900})
    assert found_meters(sysfs.root) == ()
    assert found_meters(sysfs.root / "no such folder") == ()


def test_a_serial_port_is_listed_by_its_stable_path(sysfs: EmulatedSysfs, serial_port: Path) -> None:
    meter = only(sysfs, "km003c")
    assert meter.port == str(serial_port)
    assert meter.accessible
    assert meter.note == "2 measurements a second, however often it is polled"


def test_a_port_without_permission_names_the_group(
    sysfs: EmulatedSysfs, serial_port: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may everything
    meter = only(sysfs, "km003c")
    assert not meter.accessible
    assert "dialout" in meter.access


def test_a_modem_manager_that_would_probe_the_port_is_warned_of(sysfs: EmulatedSysfs, serial_port: Path) -> None:
    run_modem_manager(sysfs)
    assert 'ENV{ID_MM_DEVICE_IGNORE}="1"' in only(sysfs, "km003c").note


def test_a_modem_manager_that_udev_keeps_away_is_not(sysfs: EmulatedSysfs, serial_port: Path) -> None:
    run_modem_manager(sysfs)
    tty = sysfs.root / "sys/class/tty" / serial_port.resolve().name
    tty.mkdir(parents=True)
    (tty / "dev").write_text("166:0\n")
    database = sysfs.root / "run/udev/data"
    database.mkdir(parents=True)
    (database / "c166:0").write_text("S:serial/by-id/x\nE:ID_MM_DEVICE_IGNORE=1\n")
    assert only(sysfs, "km003c").note == found.TWICE_A_SECOND


def test_the_kernels_sensor_is_listed_by_the_socket_it_is_in(sysfs: EmulatedSysfs) -> None:
    sysfs.add_powerz(3, 5000, 100, "usb/1-1.2:1.0")
    meter = only(sysfs, "km003c-hwmon")
    assert meter.port == f"{sysfs.root}/sys/bus/usb/devices/1-1.2:1.0"
    assert meter.accessible


def test_a_meter_on_usb_names_the_drivers_that_are_not_loaded(sysfs: EmulatedSysfs) -> None:
    sysfs.add_usb_device("1-1.2")
    serial, sensor = only(sysfs, "km003c"), only(sysfs, "km003c-hwmon")
    assert (serial.port, serial.access) == (None, access.NO_CDC_ACM)
    assert (sensor.port, sensor.access) == (None, access.NO_POWERZ)
    assert sensor.name == "POWER-Z KM003C 007965"


@needs_usb
def test_the_fast_interface_is_listed_as_untried_with_its_socket(sysfs: EmulatedSysfs) -> None:
    sysfs.add_usb_device("1-1.2", product="0061")
    meter = only(sysfs, "km003c-usb")
    assert meter.port == f"{sysfs.root}/sys/bus/usb/devices/1-1.2"
    assert meter.name == "POWER-Z KM002C 007965"
    assert meter.accessible
    assert "tried on no real meter" in meter.note


@needs_usb
def test_a_usb_device_without_permission_gets_the_udev_rule(
    sysfs: EmulatedSysfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    sysfs.add_usb_device("1-1.2")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert access.UDEV_RULE in only(sysfs, "km003c-usb").access


def test_without_the_extra_the_fast_interface_says_how_to_install_it(
    sysfs: EmulatedSysfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    sysfs.add_usb_device("1-1.2")
    monkeypatch.setattr(found, "find_spec", lambda package: None)
    assert only(sysfs, "km003c-usb").access == access.NO_USB_EXTRA


@needs_usb
def test_without_libusb_the_fast_interface_says_how_to_install_that(
    sysfs: EmulatedSysfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    sysfs.add_usb_device("1-1.2")
    monkeypatch.setattr(found, "find_library", lambda name: None)
    assert "apt install libusb" in only(sysfs, "km003c-usb").access


def test_other_devices_of_the_vendor_are_no_meters(sysfs: EmulatedSysfs) -> None:
    sysfs.add_usb_device("1-1.2", product="0062")
    assert found_meters(sysfs.root) == ()


def test_other_sensors_are_listed_if_they_measure_power(sysfs: EmulatedSysfs) -> None:
    sysfs.add_node(1, "ina226", {"in0_input": 1, "in1_input": 5000, "curr1_input": 10}, "i2c/1-0040")
    sysfs.add_node(2, "soc", {"power1_input": 1})
    sysfs.add_node(3, "nvme", {"temp1_input": 1})
    sysfs.add_node(4, "fan", {"in1_input": 1})
    listed = [meter for meter in found_meters(sysfs.root) if meter.meter == "hwmon"]
    assert [meter.name for meter in listed] == ["ina226", "soc"]
    assert listed[0].note == "reads in1_input, curr1_input"


def test_a_sensor_whose_channels_must_be_chosen_says_which_there_are(sysfs: EmulatedSysfs) -> None:
    sysfs.add_node(1, "ina3221", {"in1_input": 1, "in2_input": 1, "curr1_input": 1, "curr2_input": 1})
    assert "curr1, curr2, in1, in2" in only(sysfs, "hwmon").note


def test_a_sensor_that_vanishes_meanwhile_is_left_out(sysfs: EmulatedSysfs) -> None:
    (sysfs.root / "sys/class/hwmon/hwmon1").mkdir()
    (sysfs.root / "sys/class/hwmon/hwmon1/name").symlink_to("gone")
    sysfs.add_node(2, "soc", {"power1_input": 1})
    assert [meter.name for meter in found_meters(sysfs.root)] == ["soc"]
