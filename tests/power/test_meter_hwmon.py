"""Any power sensor of the kernel: which channels are read, what they mean, and when nothing is guessed."""

from pathlib import Path

import pytest

from power.errors import MeterProtocolError, MeterSettingError, MeterUnreachable
from power.meters.emulated_sysfs import EmulatedSysfs
from power.meters.hwmon import HwmonMeter

INA226 = {"in0_input": 12, "in1_input": 5100, "curr1_input": -1200, "power1_input": 6125000, "update_interval": 140}
INA3221 = {"in1_input": 5000, "in1_label": "VDD_IN", "in2_input": 3300, "curr1_input": 800, "curr2_input": 20}


@pytest.fixture
def sysfs(tmp_path: Path) -> EmulatedSysfs:
    return EmulatedSysfs(tmp_path / "root")


def test_of_an_ina226_the_bus_and_its_signed_current_are_read(sysfs: EmulatedSysfs) -> None:
    sysfs.add_node(2, "ina226", INA226, "i2c/1-0040")
    meter = HwmonMeter("ina226", root=sysfs.root)
    (reading,) = meter.read()
    assert (reading.voltage_v, reading.current_a) == (5.1, -1.2)
    assert meter.facts.field == "ina226: in1_input, curr1_input"
    assert meter.facts.update_period_s == 0.14
    assert meter.serial_number is None


@pytest.mark.parametrize("port", ["ina226", "{root}/sys/class/hwmon/hwmon2", "{root}/sys/bus/i2c/devices/1-0040"])
def test_a_sensor_is_opened_by_its_name_its_node_or_its_device(sysfs: EmulatedSysfs, port: str) -> None:
    sysfs.add_node(2, "ina226", INA226, "i2c/1-0040")
    # An I²C device has a file called `name` of its own, which is not a hwmon node's.
    (sysfs.root / "sys/bus/i2c/devices/1-0040/name").write_text("ina226\n")
    meter = HwmonMeter(port.format(root=sysfs.root), root=sysfs.root)
    assert meter.facts.port == f"{sysfs.root}/sys/bus/i2c/devices/1-0040"
    assert meter.read()[0].voltage_v == 5.1


def test_the_channels_can_be_chosen_after_the_port_and_stay_in_the_facts(sysfs: EmulatedSysfs) -> None:
    sysfs.add_node(2, "ina3221", INA3221, "i2c/1-0041")
    meter = HwmonMeter("ina3221:in2,curr2", root=sysfs.root)
    assert meter.read()[0].power_w == pytest.approx(3.3 * 0.02)
    again = HwmonMeter(meter.facts.port, root=sysfs.root)
    assert again.facts == meter.facts


def test_where_it_is_not_clear_what_there_is_is_listed(sysfs: EmulatedSysfs) -> None:
    sysfs.add_node(2, "ina3221", INA3221)
    with pytest.raises(MeterSettingError, match=r"curr1, curr2, in1 \(VDD_IN\), in2") as caught:
        HwmonMeter("ina3221", root=sysfs.root)
    assert "--port ina3221:in1,curr1" in caught.value.remedy


def test_a_label_tells_the_bus_from_other_voltages(sysfs: EmulatedSysfs) -> None:
    files = {"in0_input": 1, "in3_input": 9000, "in3_label": "VBUS", "curr1_input": 1000}
    sysfs.add_node(2, "chip", files)
    assert HwmonMeter("chip", root=sysfs.root).read()[0].power_w == 9.0


@pytest.mark.parametrize("channels", ["in1", "curr1", "in1,in2", "in9,curr1", "in1,curr1,power1", "", "in1;curr1", "x"])
def test_channels_that_give_no_power_or_are_not_there_are_refused(sysfs: EmulatedSysfs, channels: str) -> None:
    sysfs.add_node(2, "ina3221", {**INA3221, "power1_input": 1})
    with pytest.raises(MeterSettingError, match="it has curr1, curr2"):
        HwmonMeter(f"ina3221:{channels}", root=sysfs.root)


def test_a_source_of_watts_with_a_voltage_gives_the_current_that_carries_them(sysfs: EmulatedSysfs) -> None:
    sysfs.add_node(2, "psu", {"in1_input": 12000, "power1_input": 6_000_000})
    meter = HwmonMeter("psu", root=sysfs.root)
    (reading,) = meter.read()
    assert (reading.voltage_v, reading.current_a) == (12.0, 0.5)
    assert "amperes are watts by this voltage" in meter.facts.field


def test_a_source_of_watts_alone_says_that_its_voltage_is_nominal(sysfs: EmulatedSysfs) -> None:
    sysfs.add_node(2, "soc", {"power1_input": 4_250_000})
    meter = HwmonMeter("soc", root=sysfs.root)
    assert meter.read()[0].power_w == 4.25
    assert "a nominal 1 V" in meter.facts.field


def test_watts_at_no_voltage_are_an_error_and_not_nothing(sysfs: EmulatedSysfs) -> None:
    node = sysfs.add_node(2, "psu", {"in1_input": 0, "power1_input": 6_000_000})
    meter = HwmonMeter("psu", root=sysfs.root)
    with pytest.raises(MeterProtocolError, match="6000000 µW at 0 mV"):
        meter.read()
    sysfs.write(node, {"power1_input": 0})
    assert meter.read()[0].power_w == 0.0


def test_an_update_interval_that_is_none_leaves_the_period_unknown(sysfs: EmulatedSysfs) -> None:
    for number, text in enumerate(["0", "fast", "-5", ""]):
        sysfs.add_node(number, f"chip{number}", {**INA226, "power1_input": 1, "update_interval": text})
        facts = HwmonMeter(f"chip{number}:in1,curr1", root=sysfs.root).facts
        assert facts.update_period_s is None
        assert facts.averaging == "instant"


def test_two_sensors_of_one_name_are_both_named(sysfs: EmulatedSysfs) -> None:
    sysfs.add_node(2, "ina226", INA226, "i2c/1-0040")
    sysfs.add_node(3, "ina226", INA226, "i2c/1-0041")
    with pytest.raises(MeterUnreachable, match="2 sensors are called ina226") as caught:
        HwmonMeter("ina226", root=sysfs.root)
    assert "1-0040" in caught.value.remedy
    assert "1-0041" in caught.value.remedy


@pytest.mark.parametrize("port", ["ina999", "/sys/class/hwmon/hwmon99", "", "/", ":in1,curr1", "a\0b"])
def test_a_sensor_that_is_not_there_is_unreachable(sysfs: EmulatedSysfs, port: str) -> None:
    with pytest.raises(MeterUnreachable, match="There is no sensor") as caught:
        HwmonMeter(port, root=sysfs.root)
    assert "groupnl power list" in caught.value.remedy


def test_a_sensor_without_electricity_is_refused(sysfs: EmulatedSysfs) -> None:
    sysfs.add_node(2, "coretemp", {"temp1_input": 40000})
    with pytest.raises(MeterSettingError, match="it has no voltage, current or power"):
        HwmonMeter("coretemp", root=sysfs.root)
