"""The KM003C through the kernel's driver: its wrap-around, its truncation, its two reads, and its numbers."""

import errno
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.errors import AnotherMeter, MeterProtocolError, MeterUnreachable
from power.meters.hwmon_node import HwmonNode
from power.meters.km003c import hwmon
from power.meters.km003c.hwmon import Km003cHwmon
from power.meters.km003c.measuring_range import HIGHEST_A, HIGHEST_V
from power.meters.reconnecting import ReconnectingMeter
from power.recorder import Recorder
from power.renewal import renewed_too_fast
from power.trace_io import read_csv
from tests.rigs.emulated_sysfs import EmulatedSysfs


@pytest.fixture
def sysfs(tmp_path: Path) -> EmulatedSysfs:
    return EmulatedSysfs(tmp_path / "root")


@pytest.fixture
def opened(sysfs: EmulatedSysfs) -> Callable[..., Km003cHwmon]:
    """Open the meter at a node of the emulated system."""

    def open_at(node: Path, sign: int = 1) -> Km003cHwmon:
        return Km003cHwmon(str(node), sign, read_text=sysfs.read_text)

    return open_at


def driver_mv(microvolts: int) -> int:
    """What the driver makes of a signed voltage: it divides it as an unsigned number."""
    return microvolts % 2**32 // 1000


def test_a_reading_is_volts_and_amperes_with_the_sign_applied(sysfs: EmulatedSysfs, opened) -> None:
    node = sysfs.add_powerz(3, 5053, -90)
    (reading,) = opened(node).read()
    assert (reading.voltage_v, reading.current_a) == (5.053, -0.09)
    (turned,) = opened(node, -1).read()
    assert turned.current_a == 0.09


def test_the_facts_say_how_coarse_it_is_and_that_it_is_a_mean(sysfs: EmulatedSysfs, opened) -> None:
    facts = opened(sysfs.add_powerz(3, 5053, -90)).facts
    assert facts.field == "in0_input, curr1_input (1 mV, 1 mA, truncated)"
    assert (facts.averaging, facts.update_period_s, facts.transport) == ("block", 0.5, "hwmon")


@given(microvolts=st.integers(-2_000_000, 50_000_000))
def test_a_negative_voltage_is_unwrapped_to_within_a_millivolt(microvolts: int, tmp_path_factory) -> None:
    sysfs = EmulatedSysfs(tmp_path_factory.mktemp("sys") / "root")
    meter = Km003cHwmon(str(sysfs.add_powerz(0, driver_mv(microvolts), 0)))
    assert abs(meter.read()[0].voltage_v - microvolts / 1e6) <= 1e-3


@pytest.mark.parametrize("wild", [round(1e3 * HIGHEST_V) + 1, 2_000_000])
def test_a_voltage_that_no_meter_has_is_refused(sysfs: EmulatedSysfs, opened, wild: int) -> None:
    with pytest.raises(MeterProtocolError, match=rf"gives {wild / 1e3} V .* beyond its range"):
        opened(sysfs.add_powerz(3, wild, 0)).read()


@pytest.mark.parametrize("wild", [round(1e3 * HIGHEST_A) + 1, -203_200])
def test_a_current_that_no_meter_has_is_refused(sysfs: EmulatedSysfs, opened, wild: int) -> None:
    with pytest.raises(MeterProtocolError, match=rf"5\.0 V and {wild / 1e3} A"):
        opened(sysfs.add_powerz(3, 5000, wild)).read()


def test_a_voltage_that_changes_while_the_current_is_read_is_read_anew(sysfs: EmulatedSysfs) -> None:
    node = sysfs.add_powerz(3, 5000, 1000)
    renewed = iter([False, True])  # the meter takes its next measurement before the voltage is read again

    def read_text(path: Path) -> str:
        if path.name == "in0_input" and next(renewed, False):
            sysfs.write(node, {"in0_input": 9000, "curr1_input": 2000})
        return sysfs.read_text(path)

    (reading,) = Km003cHwmon(str(node), read_text=read_text).read()
    assert (reading.voltage_v, reading.current_a) == (9.0, 2.0)


def test_a_voltage_that_never_settles_ends_the_trying(sysfs: EmulatedSysfs) -> None:
    node = sysfs.add_powerz(3, 5000, 1000)
    count = iter(range(10**6))

    def read_text(path: Path) -> str:
        return f"{5000 + next(count)}\n" if path.name == "in0_input" else sysfs.read_text(path)

    meter = Km003cHwmon(str(node), read_text=read_text)
    assert 5.0 <= meter.read()[0].voltage_v < 5.02


def test_one_failed_transfer_is_asked_again(sysfs: EmulatedSysfs, opened) -> None:
    meter = opened(sysfs.add_powerz(3, 5053, -90))
    sysfs.errors.append(errno.EIO)
    assert meter.read()[0].voltage_v == 5.053


@pytest.mark.parametrize(
    ("number", "said"), [(errno.EIO, "Input/output error"), (errno.ETIMEDOUT, "timed out"), (errno.ENODEV, "no sensor")]
)
def test_a_failure_that_stays_ends_in_one_error(sysfs: EmulatedSysfs, opened, number: int, said: str) -> None:
    meter = opened(sysfs.add_powerz(3, 5053, -90))
    sysfs.errors.extend([number] * 10)
    with pytest.raises(MeterUnreachable, match=said):
        meter.read()
    sysfs.errors.clear()
    assert meter.read()[0].voltage_v == 5.053


def test_a_meter_that_comes_back_under_another_number_is_read_on(sysfs: EmulatedSysfs, opened) -> None:
    node = sysfs.add_powerz(3, 5053, -90)
    meter = opened(node)
    meter.read()
    sysfs.renumber(node, 5)
    sysfs.add_node(3, "coretemp", {"temp1_input": 40000})
    assert meter.read()[0].voltage_v == 5.053


def test_another_sensor_in_its_place_is_not_read_on(sysfs: EmulatedSysfs, opened) -> None:
    node = sysfs.add_powerz(3, 5053, -90)
    meter = opened(node)
    sysfs.write(sysfs.renumber(node, 5), {"name": "another"})
    with pytest.raises(MeterUnreachable, match="There is no sensor"):
        meter.read()


def test_the_serial_number_is_that_of_the_usb_device_the_node_belongs_to(sysfs: EmulatedSysfs, opened) -> None:
    node = sysfs.add_powerz(3, 5053, -90)
    assert opened(node).serial_number is None
    sysfs.add_usb_device("1-1.2", serial="007965")
    assert opened(node).serial_number == "007965"
    sysfs.add_usb_device("1-1.2", serial="")
    assert opened(node).serial_number is None


def test_another_meter_that_took_the_socket_between_two_reads_is_not_read_on(sysfs: EmulatedSysfs, opened) -> None:
    sysfs.add_usb_device("1-1.2", serial="007965")
    node = sysfs.add_powerz(3, 5053, -90)
    meter = opened(node)
    meter.read()
    sysfs.renumber(node, 5)
    sysfs.add_usb_device("1-1.2", serial="007966")
    asked = sysfs.measurements
    with pytest.raises(AnotherMeter, match=r"is 007966, and that of the one before is 007965"):
        meter.read()
    assert sysfs.measurements == asked


def test_another_meter_that_also_took_the_number_of_the_node_is_not_read_on(sysfs: EmulatedSysfs, opened) -> None:
    sysfs.add_usb_device("1-1.2", serial="007965")
    node = sysfs.add_powerz(3, 5053, -90)
    meter = opened(node)
    meter.read()
    sysfs.add_usb_device("1-1.2", serial="007966")
    newer = sysfs.add_powerz(4, 9000, 500)
    sysfs.remove(node)
    sysfs.renumber(newer, 3)
    asked = sysfs.measurements
    with pytest.raises(AnotherMeter, match=r"is 007966, and that of the one before is 007965"):
        meter.read()
    assert sysfs.measurements == asked


def test_the_port_of_the_facts_opens_the_meter_under_its_new_number(sysfs: EmulatedSysfs, opened) -> None:
    node = sysfs.add_powerz(3, 5053, -90)
    port = opened(node).facts.port
    assert "hwmon3" not in port
    sysfs.renumber(node, 8)
    assert opened(Path(port)).read()[0].voltage_v == 5.053


def test_an_unplugged_meter_is_unreachable_and_can_be_opened_when_it_is_back(sysfs: EmulatedSysfs, opened) -> None:
    node = sysfs.add_powerz(3, 5053, -90)
    meter = opened(node)
    sysfs.remove(node)
    with pytest.raises(MeterUnreachable, match="There is no sensor") as caught:
        meter.read()
    assert "groupnl power list" in caught.value.remedy
    sysfs.add_powerz(4, 5100, 10)
    assert opened(Path(meter.facts.port)).read()[0].voltage_v == 5.1


@pytest.mark.parametrize("port", ["/sys/class/hwmon/hwmon99", "", "a\0b", "x" * 5000])
def test_a_path_that_leads_to_no_sensor_is_unreachable(port: str) -> None:
    with pytest.raises(MeterUnreachable, match="There is no sensor"):
        Km003cHwmon(port)


def test_another_sensor_is_refused_by_its_name(sysfs: EmulatedSysfs, opened) -> None:
    with pytest.raises(MeterUnreachable, match="called ina226, not powerz"):
        opened(sysfs.add_node(3, "ina226", {"in0_input": 1, "curr1_input": 1}))


@pytest.mark.parametrize("content", ["", "\n", "five", "5.1", "0x10", "5 6", "1_000", "9" * 400])
def test_a_file_without_a_whole_number_is_a_protocol_error(sysfs: EmulatedSysfs, opened, content: str) -> None:
    node = sysfs.add_powerz(3, 5053, -90)
    (node / "curr1_input").write_text(content)
    with pytest.raises(MeterProtocolError, match="curr1_input"):
        opened(node).read()


def test_only_files_of_the_kernel_are_no_emulation(sysfs: EmulatedSysfs, opened, tmp_path: Path) -> None:
    assert opened(sysfs.add_powerz(3, 5053, -90)).facts.emulated is True
    if not Path("/sys/kernel").is_dir():
        pytest.skip("this machine has no sysfs")
    on_sysfs = HwmonNode(Path("/sys/kernel"), read_text=lambda path: "powerz\n")
    assert not on_sysfs.is_emulated


def test_a_meter_without_a_temperature_takes_1000_values_a_second(sysfs: EmulatedSysfs, opened, monkeypatch) -> None:
    """A load in step with the polls looks steady in steps of a milliampere; this tells."""
    monkeypatch.setattr(hwmon, "TEMPERATURE_EVERY_S", 0.0)
    node = sysfs.add_powerz(3, 5000, 1400)
    meter = opened(node)
    lacking, given = (256000, False), (25570, False)
    for temperature, expected in [lacking, lacking, given, lacking, lacking, (256000, True)]:
        sysfs.write(node, {"temp1_input": temperature})
        meter.read()
        assert meter.facts.renews_too_fast is expected
    sysfs.write(node, {"temp1_input": 25570})
    meter.read()
    assert meter.facts.renews_too_fast  # what was recorded meanwhile is not to be trusted


@pytest.mark.alone
def test_the_recording_of_a_meter_without_a_temperature_is_marked(sysfs: EmulatedSysfs, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(hwmon, "TEMPERATURE_EVERY_S", 0.01)
    node = sysfs.add_powerz(3, 5000, 1400)
    sysfs.write(node, {"temp1_input": 256000})
    path = tmp_path / "power.csv"
    with ReconnectingMeter(lambda: Km003cHwmon(str(node))) as meter, Recorder(meter, 50.0, path) as recorder:
        end_s = time.monotonic() + 60.0
        while not recorder.facts.renews_too_fast and time.monotonic() < end_s:
            recorder.wait(0.05)
    assert recorder.facts.renews_too_fast and renewed_too_fast(read_csv(path))


def test_a_meter_that_gives_no_temperature_file_is_read_all_the_same(sysfs: EmulatedSysfs, opened, monkeypatch) -> None:
    monkeypatch.setattr(hwmon, "TEMPERATURE_EVERY_S", 0.0)
    meter = opened(sysfs.add_node(3, "powerz", {"in0_input": 5000, "curr1_input": 1}))
    assert [meter.read()[0].voltage_v for _ in range(5)] == [5.0] * 5
    assert not meter.facts.renews_too_fast
