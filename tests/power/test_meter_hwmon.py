"""Any power sensor of the kernel: which channels are read, what they mean, and when nothing is guessed."""

import errno
import time
from pathlib import Path

import numpy as np
import pytest

from power import patience
from power.energy import window_energy
from power.errors import MeterProtocolError, MeterSettingError, MeterUnreachable, NoReading, SampleGap
from power.holes import HOLE_PERIODS
from power.meters import reconnecting
from power.meters.hwmon import HwmonMeter
from power.meters.reconnecting import ReconnectingMeter
from power.recorder import Recorder
from tests.rigs.emulated_sysfs import EmulatedSysfs

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
    for number, text in enumerate(["0", "fast", "-5", "", "4294967295", "9" * 30]):
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


SENTINELS = [
    4294967295,
    2147483647,
    -2147483648,
    65535,
    32767,
    -32768,
    2**63 - 1,
    -(2**63),
    2**64 - 1,
    4294966,
    2147483,
]


@pytest.mark.parametrize(
    ("file", "number"),
    [("in1_input", number) for number in [*SENTINELS, -5000, -99999999]]
    + [("curr1_input", number) for number in [*SENTINELS, -99999999]],
)
def test_what_stands_for_no_reading_is_a_missing_one(sysfs: EmulatedSysfs, file: str, number: int) -> None:
    node = sysfs.add_node(2, "ina226", INA226)
    meter = HwmonMeter("ina226", root=sysfs.root)
    sysfs.write(node, {file: number})
    assert meter.read() == ()
    sysfs.write(node, INA226)
    assert len(meter.read()) == 1


@pytest.mark.parametrize("number", [4294967295, 2147483647, -2147483648, 2**64 - 1, -(2**63)])
def test_of_watts_too(sysfs: EmulatedSysfs, number: int) -> None:
    sysfs.add_node(2, "soc", {"power1_input": number})
    assert HwmonMeter("soc", root=sysfs.root).read() == ()


@pytest.mark.parametrize(
    ("millivolts", "milliamperes"),
    [(-3, 0), (0, 0), (5100, -1200), (48000, 20000), (12000, 65534), (5100, -1), (32766, 1)],
)
def test_what_may_be_is_a_number(sysfs: EmulatedSysfs, millivolts: int, milliamperes: int) -> None:
    sysfs.add_node(2, "ina226", {"in1_input": millivolts, "curr1_input": milliamperes})
    (reading,) = HwmonMeter("ina226", root=sysfs.root).read()
    assert (reading.voltage_v, reading.current_a) == (millivolts / 1e3, milliamperes / 1e3)


def test_65535_microwatts_are_a_small_power_and_no_sentinel(sysfs: EmulatedSysfs) -> None:
    sysfs.add_node(2, "soc", {"power1_input": 65535})
    assert HwmonMeter("soc", root=sysfs.root).read()[0].power_w == pytest.approx(0.065535)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENODATA, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY, errno.EINTR])
def test_a_driver_that_fails_for_a_moment_leaves_a_missing_reading(sysfs: EmulatedSysfs, number: int) -> None:
    sysfs.add_node(2, "ina226", INA226)
    meter = HwmonMeter("ina226", root=sysfs.root, read_text=sysfs.read_text)
    sysfs.errors.extend([number] * 2)  # a first failure is asked again at once
    assert meter.read() == ()
    assert meter.read()[0].voltage_v == 5.1


@pytest.mark.parametrize("wrong", ["EIO", "4294967295"])
def test_a_sensor_that_never_reads_is_an_error_after_a_while(sysfs: EmulatedSysfs, monkeypatch, wrong: str) -> None:
    node = sysfs.add_node(2, "ina226", INA226)
    meter = HwmonMeter("ina226", root=sysfs.root, read_text=sysfs.read_text)
    monkeypatch.setattr(patience, "NO_READING_PATIENCE_S", 0.05)
    if wrong == "EIO":
        sysfs.errors.extend([errno.EIO] * 100)
    else:
        sysfs.write(node, {"in1_input": wrong})
    assert meter.read() == ()
    time.sleep(0.1)
    with pytest.raises(
        NoReading, match="Input/output error" if wrong == "EIO" else "gives 4294967295 for in1_input"
    ) as caught:
        meter.read()
    assert isinstance(caught.value, MeterUnreachable) and caught.value.remedy


def when_it_has(recorder: Recorder, rows: int) -> None:
    end_s = time.monotonic() + 60.0
    while recorder.totals is None or recorder.totals.rows < rows:
        assert time.monotonic() < end_s, "no measurement came"
        time.sleep(0.005)


@pytest.mark.alone
def test_missing_readings_are_a_hole_and_no_joules(sysfs: EmulatedSysfs) -> None:
    sysfs.add_node(2, "ina226", INA226 | {"curr1_input": 1200, "update_interval": 10})
    answers = {"curr1_input": "1200\n"}

    def read_text(path: Path) -> str:
        return answers.get(path.name) or sysfs.read_text(path)

    with HwmonMeter("ina226", root=sysfs.root, read_text=read_text) as meter, Recorder(meter, 100.0) as recorder:
        when_it_has(recorder, 10)
        usual_s = float(np.max(np.diff(recorder.trace_so_far().t_s)))  # as this machine just now polls it
        answers["curr1_input"], gone_s = "4294967295\n", time.monotonic()
        time.sleep(max(0.4, 4 * HOLE_PERIODS * usual_s))
        answers["curr1_input"], back_s = "1200\n", time.monotonic()
        when_it_has(recorder, recorder.totals.rows + 1)
        totals, trace = recorder.totals, recorder.stop()
    # A reading is dated midway, also one that the machine held up from before the first instant to the other.
    assert totals is not None and totals.holes >= 1 and totals.hole_s > (back_s - gone_s) / 2
    assert trace.current_a.max() == 1.2
    with pytest.raises(SampleGap):
        window_energy(trace, float(trace.t_s[0]), float(trace.t_s[-1]))


PAIRS = {
    "another channel": ("ina3221", INA3221, "in1,curr2", ["ina3221:in1,curr1", "ina3221:in2,curr2"]),
    "and the other way": ("ina3221", INA3221, "in2,curr1", ["ina3221:in1,curr1"]),
    "no such channel's": ("ina3221", {**INA3221, "curr3_input": 5}, "in1,curr3", ["ina3221:in1,curr1"]),
    "the shunt of a channel": ("ina3221", {**INA3221, "in4_input": 8}, "in4,curr1", ["ina3221:in1,curr1"]),
    "a sum": ("ina3221", {**INA3221, "in7_input": 8, "curr4_input": 820}, "in7,curr4", ["ina3221:in1,curr1"]),
    "the shunt": ("ina226", INA226, "in0,curr1", ["ina226:in1,curr1", "ina226:in1,power1"]),
    "the shunt with watts": ("ina226", INA226, "in0,power1", ["ina226:power1"]),
    "a shunt by its label": (
        "chip",
        {"in0_input": 5000, "in1_input": 12, "in1_label": "Shunt voltage", "curr1_input": 800},
        "in1,curr1",
        ["chip:in0,curr1"],
    ),
    "another rail by the labels": (
        "pmbus",
        {"in1_input": 12000, "in1_label": "vin", "in2_input": 1000, "in2_label": "vout1", "curr1_input": 9000}
        | {"curr1_label": "iout1"},
        "in1,curr1",
        ["pmbus:in2,curr1"],
    ),
    "two rails of one number": (
        "soc",
        {"in1_input": 900, "in1_label": "VDD_CORE", "curr1_input": 800, "curr1_label": "VDD_GPU", "power1_input": 7},
        "in1,curr1",
        ["soc:power1"],
    ),
    "the line of a connector": (
        "powerz",
        {"in0_input": 5000, "in0_label": "VBUS", "in1_input": 400, "in1_label": "VCC1", "curr1_input": 800}
        | {"curr1_label": "IBUS"},
        "in1,curr1",
        ["powerz:in0,curr1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_what_does_not_belong_together_is_refused_and_what_does_is_named(sysfs: EmulatedSysfs, name: str) -> None:
    chip, files, wanted, right = PAIRS[name]
    sysfs.add_node(2, chip, files)
    with pytest.raises(MeterSettingError, match="do not belong together") as caught:
        HwmonMeter(f"{chip}:{wanted}", root=sysfs.root)
    assert all(pair in caught.value.remedy for pair in right)
    assert wanted not in caught.value.remedy
    named = caught.value.remedy.partition("--port ")[2].rstrip(".").split(" or ")
    for pair in named:
        assert HwmonMeter(pair, root=sysfs.root).read()


@pytest.mark.parametrize(
    ("chip", "files", "port"),
    [
        ("psu", {"in1_input": 12000, "in1_label": "v_out +12v", "curr2_input": 5000, "curr2_label": "curr +12v"}, ""),
        ("pmbus", {"in2_input": 12000, "in2_label": "vout1", "curr1_input": 5000, "curr1_label": "iout1"}, ""),
        ("ina260", {"in1_input": 12000, "curr1_input": 5000, "power1_input": 60000000}, ""),
        ("battery", {"in0_input": 12000, "curr1_input": 5000}, ""),
        ("ltc4151", {"in1_input": 12000, "in2_input": 300, "curr1_input": 5000}, ":in1,curr1"),
        ("named", {"in1_input": 12000, "in1_label": "VBUS", "curr1_input": 5000, "curr1_label": "Load current"}, ""),
    ],
)  # fmt: skip
def test_what_belongs_together_is_read(sysfs: EmulatedSysfs, chip: str, files: dict[str, object], port: str) -> None:
    sysfs.add_node(2, chip, files)
    (reading,) = HwmonMeter(f"{chip}{port}", root=sysfs.root).read()
    assert (reading.voltage_v, reading.current_a) == (12.0, 5.0)


@pytest.mark.parametrize("files", [{"in0_input": 12, "curr1_input": 800}, {"in1_input": 12, "curr3_input": 800}])
def test_a_pair_is_not_made_of_what_happens_to_be_alone(sysfs: EmulatedSysfs, files: dict[str, int]) -> None:
    """The shunt of a chip whose bus is not there, and the first voltage with the third current."""
    sysfs.add_node(2, "ina226" if "in0_input" in files else "chip", files)
    with pytest.raises(MeterSettingError, match="is not clear") as caught:
        HwmonMeter("ina226" if "in0_input" in files else "chip", root=sysfs.root)
    assert "none of its voltages and currents belong together" in caught.value.remedy


def test_watts_are_not_carried_by_the_voltage_of_another_rail(sysfs: EmulatedSysfs) -> None:
    files = {"in0_input": 800, "in0_label": "vddgfx", "power1_input": 9_000_000, "power1_label": "PPT"}
    sysfs.add_node(2, "amdgpu", files)
    meter = HwmonMeter("amdgpu", root=sysfs.root)
    assert meter.read()[0].power_w == 9.0 and "a nominal 1 V" in meter.facts.field


def test_a_voltage_and_a_current_of_two_sensors_are_refused(sysfs: EmulatedSysfs) -> None:
    sysfs.add_node(2, "ina226", INA226)
    sysfs.add_node(3, "ina260", INA226)
    with pytest.raises(MeterSettingError, match="names more than one sensor"):
        HwmonMeter("ina226:in1,ina260:curr1", root=sysfs.root)


class Clock:
    """Goes on when somebody waits, and not otherwise."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.mark.parametrize("answered", [False, True])
def test_a_recording_of_a_sensor_that_has_no_reading_any_more_says_so(sysfs, monkeypatch, answered: bool) -> None:
    clock = Clock()
    for module in (patience, reconnecting):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(patience, "NO_READING_PATIENCE_S", 0.05)
    node = sysfs.add_node(2, "ina226", INA226)
    meter = ReconnectingMeter(lambda: HwmonMeter("ina226", root=sysfs.root), patience_s=0.4)
    if answered:
        assert len(meter.read()) == 1
    sysfs.write(node, {"in1_input": 4294967295})
    with pytest.raises(NoReading, match="gives 4294967295 for in1_input"):
        while clock.now_s < 5.0:
            assert meter.read() == ()
            clock.sleep(0.02)
    assert (clock.now_s > 0.4) is answered
