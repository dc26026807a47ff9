"""Serial ports of meters: found by their USB numbers or by the name of their link, with what may be done to them."""

from pathlib import Path

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from power.meters.km003c.found_ports import FoundPort, found_ports
from power.meters.km003c.serial import usb_ports

BY_ID_NAME = "usb-ChargerLAB_POWER-Z_KM003C_007965-if01"


def usb_port(device: Path, vid: int | None, pid: int | None) -> ListPortInfo:
    info = ListPortInfo(str(device))
    info.vid, info.pid, info.serial_number, info.product = vid, pid, "007965", "POWER-Z KM003C"
    return info


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "by-id").mkdir()
    for name in ("ttyACM0", "ttyACM1", "ttyUSB0"):
        (tmp_path / name).touch()
    return tmp_path


def found(folder: Path, *ports: ListPortInfo) -> tuple[FoundPort, ...]:
    return found_ports(ports, folder / "by-id")


def test_meters_are_found_among_other_ports_by_their_usb_numbers(folder: Path) -> None:
    ports = found(
        folder,
        usb_port(folder / "ttyUSB0", 0x0403, 0x6001),
        usb_port(folder / "ttyACM1", 0x5FC9, 0x0061),
        usb_port(folder / "ttyACM0", 0x5FC9, 0x0063),
        usb_port(folder / "ttyS0", None, None),
        usb_port(folder / "ttyACM2", 0x5FC9, 0x0001),
    )
    assert [(Path(port.device).name, port.pid) for port in ports] == [("ttyACM0", 0x0063), ("ttyACM1", 0x0061)]
    assert ports[0] == FoundPort(
        str(folder / "ttyACM0"), None, 0x5FC9, 0x0063, "007965", "POWER-Z KM003C", readable=True, writable=True
    )


def test_the_stable_path_is_that_of_the_same_device(folder: Path) -> None:
    (folder / "by-id" / BY_ID_NAME).symlink_to("../ttyACM0")
    (folder / "by-id" / "usb-FTDI-if00").symlink_to("../ttyUSB0")
    (port,) = found(folder, usb_port(folder / "ttyACM0", 0x5FC9, 0x0063))
    assert port.stable_path == str(folder / "by-id" / BY_ID_NAME)


def test_a_link_named_after_the_meter_is_enough_where_usb_tells_nothing(folder: Path) -> None:
    (folder / "by-id" / BY_ID_NAME).symlink_to("../ttyACM1")
    (port,) = found(folder)
    assert (port.device, port.vid, port.product) == (str(folder / "ttyACM1"), None, None)


def test_a_port_that_may_not_be_used_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    (port,) = found(folder, usb_port(folder / "ttyACM0", 0x5FC9, 0x0063))
    assert (port.readable, port.writable) == (False, False)


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert found(tmp_path) == ()


@pytest.mark.parametrize("error", [TypeError("int() can't convert non-string"), OSError(19, "No such device")])
def test_a_device_that_is_unplugged_while_the_system_is_asked_is_no_crash(error: Exception, monkeypatch) -> None:
    def breaks() -> list[ListPortInfo]:
        raise error

    monkeypatch.setattr(list_ports, "comports", breaks)
    assert usb_ports() == ()
