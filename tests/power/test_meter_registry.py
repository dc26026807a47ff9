"""Opening a meter by its word: words, options, and the port that is found when none is given."""

import importlib.util
from pathlib import Path

import pytest

from power.errors import MeterSettingError, MeterUnreachable
from power.meters import METERS, found, open_meter
from tests.rigs.emulated_sysfs import EmulatedSysfs


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmulatedSysfs:
    """Where meters are looked for."""
    emulated = EmulatedSysfs(tmp_path / "root")
    look = found.found_meters
    monkeypatch.setattr(found, "found_meters", lambda root: look(emulated.root))
    return emulated


def test_an_unknown_meter_is_refused_with_the_nearest_word_and_all_of_them() -> None:
    with pytest.raises(MeterSettingError, match="no meter called 'km003'") as caught:
        open_meter("km003", "/dev/ttyACM0")
    assert "'km003c'" in caught.value.remedy
    assert all(name in caught.value.remedy for name in METERS)


@pytest.mark.parametrize("meter", ["km003c", "km003c-hwmon", "hwmon", "replay", "synthetic"])
def test_a_rate_is_refused_by_all_meters_that_cannot_be_told(meter: str) -> None:
    with pytest.raises(MeterSettingError, match="cannot be told how often") as caught:
        open_meter(meter, "anywhere", rate_hz=50)
    assert "km003c-usb alone" in caught.value.remedy
    assert "only GET_DATA may be sent" in caught.value.remedy


def test_an_unknown_option_is_refused_with_those_that_the_meter_takes() -> None:
    with pytest.raises(MeterSettingError, match="no option 'sped'") as caught:
        open_meter("replay", "trace.csv", sped=2.0)
    assert "speed" in caught.value.remedy
    with pytest.raises(MeterSettingError) as caught:
        open_meter("km003c", "/dev/ttyACM0", speed=2.0)
    assert caught.value.remedy == "It takes: no options."


@pytest.mark.parametrize("meter", ["replay", "synthetic"])
def test_a_meter_without_a_device_says_what_to_give_as_its_port(meter: str) -> None:
    with pytest.raises(MeterSettingError, match="needs a port") as caught:
        open_meter(meter)
    assert "--port" in caught.value.remedy


def test_without_a_port_the_only_meter_is_opened(sysfs: EmulatedSysfs) -> None:
    sysfs.add_node(2, "ina226", {"in1_input": 5000, "curr1_input": 1000}, "i2c/1-0040")
    sysfs.add_node(7, "nvme", {"temp1_input": 40000})
    with open_meter("hwmon", sign=-1) as meter:
        assert meter.facts.port.endswith("/sys/bus/i2c/devices/1-0040")
        assert meter.read()[0].power_w == -5.0


def test_without_a_port_and_without_a_meter_the_remedy_says_where_to_look(sysfs: EmulatedSysfs) -> None:
    for meter in ("km003c", "km003c-hwmon", "hwmon"):
        with pytest.raises(MeterUnreachable, match=f"No meter for {meter} is attached") as caught:
            open_meter(meter)
        assert "groupnl power list" in caught.value.remedy


def test_without_a_port_two_meters_are_both_named(sysfs: EmulatedSysfs) -> None:
    sysfs.add_powerz(1, 5000, 100, "usb/1-1.1:1.0")
    sysfs.add_powerz(2, 5000, 100, "usb/1-1.2:1.0")
    with pytest.raises(MeterUnreachable, match=r"1-1\.1:1\.0.*1-1\.2:1\.0") as caught:
        open_meter("km003c-hwmon")
    assert "--port" in caught.value.remedy


def test_an_attached_meter_without_its_driver_says_which_driver(sysfs: EmulatedSysfs) -> None:
    sysfs.add_usb_device("1-1.2")
    with pytest.raises(MeterUnreachable, match="KM003C 007965 is attached") as caught:
        open_meter("km003c-hwmon")
    assert "modprobe powerz" in caught.value.remedy
    with pytest.raises(MeterUnreachable) as caught:
        open_meter("km003c")
    assert "modprobe cdc_acm" in caught.value.remedy


@pytest.mark.skipif(importlib.util.find_spec("usb") is None, reason="the extra usb is not installed")
def test_without_a_port_two_meters_on_usb_are_both_named(sysfs: EmulatedSysfs) -> None:
    sysfs.add_usb_device("1-1.1", number=4)
    sysfs.add_usb_device("1-1.2", number=5)
    with pytest.raises(MeterUnreachable, match=r"1-1\.1, .*1-1\.2"):
        open_meter("km003c-usb")


def test_a_meter_whose_library_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METERS, "km003c-usb", "no_such_library.meters:Meter")
    with pytest.raises(MeterSettingError, match="needs the package no_such_library") as caught:
        open_meter("km003c-usb", "1-1.2")
    assert "groupnl-deploy[usb]" in caught.value.remedy


@pytest.mark.parametrize("sign", [0, 2, -3])
def test_a_sign_that_is_none_is_refused(sign: int) -> None:
    with pytest.raises(MeterSettingError, match="sign"):
        open_meter("synthetic", "steady:5V,1A", sign)
