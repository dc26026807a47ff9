"""The reader on a pseudo-terminal: what it sends, what it survives, what it calls emulated."""

import dataclasses
import errno
import os
import threading
import time
import tty
from pathlib import Path

import pytest
import serial

from power.errors import MeterProtocolError, MeterSettingError, MeterUnreachable
from power.meters import METERS, open_meter
from power.meters.km003c.emulator import STALE_DISCONNECT, Km003cEmulator
from power.meters.km003c.serial import Km003cSerial, _is_pseudo_terminal


def assert_only_get_data(received: bytes) -> None:
    assert len(received) % 4 == 0
    for at in range(0, len(received), 4):
        assert (received[at], received[at + 2 : at + 4]) == (0x0C, b"\x02\x00")


@pytest.mark.parametrize("block_bytes", [40, 44])
@pytest.mark.parametrize("split_replies", [False, True])
def test_reads_what_the_emulator_measures(block_bytes: int, split_replies: bool) -> None:
    options = {"block_bytes": block_bytes, "split_replies": split_replies, "stale_bytes": STALE_DISCONNECT}
    with Km003cEmulator(9.0, -0.417, **options) as emulator, Km003cSerial(emulator.port) as meter:
        for _ in range(20):
            before_s = time.monotonic()
            reading = meter.read()
            assert before_s <= reading.t_s <= time.monotonic()
            assert (reading.voltage_v, reading.current_a) == (9.0, -0.417)
            assert reading.identity == (9_000_000, -417_000, 4234, 14)
    assert len(emulator.received) == 20 * 4
    assert_only_get_data(emulator.received)


def test_request_ids_count_and_wrap() -> None:
    with Km003cEmulator() as emulator, Km003cSerial(emulator.port) as meter:
        for _ in range(300):
            meter.read()
    ids = list(emulator.received[1::4])
    assert ids == [(1 + k) % 256 for k in range(300)]


def test_the_sign_is_applied_and_recorded() -> None:
    with Km003cEmulator(5.0, -1.5) as emulator, Km003cSerial(emulator.port, sign=-1) as meter:
        assert meter.read().current_a == 1.5
        assert meter.facts.sign == -1


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello, meter\r\n",
        b"\x41\x01\x80\x02\x01\x00\x00\xff",  # announces more than will come
        b"\xff",
        bytes.fromhex("06010000"),  # a refusal of the first request
        bytes.fromhex("41010000"),  # an empty reply to the first request
        bytes(range(256)) * 8,
    ],
)
def test_resynchronises_after_garbage(garbage: bytes) -> None:
    with Km003cEmulator(5.0, 1.0, stale_bytes=garbage) as emulator, Km003cSerial(emulator.port) as meter:
        assert [meter.read().current_a for _ in range(3)] == [1.0, 1.0, 1.0]
    assert_only_get_data(emulator.received)


def test_what_was_queued_before_opening_is_flushed() -> None:
    with Km003cEmulator(5.0, 1.0) as emulator:
        with Km003cSerial(emulator.port) as first:
            first._line.write(bytes.fromhex("0c010200"))
            time.sleep(0.05)
        with Km003cSerial(emulator.port) as second:
            emulator.set_load(5.0, 2.0)
            time.sleep(1.1)
            assert second.read().current_a == 2.0


def test_silence_is_an_unreachable_meter() -> None:
    began_s = time.monotonic()
    with (
        Km003cEmulator(silent=True) as emulator,
        Km003cSerial(emulator.port) as meter,
        pytest.raises(MeterUnreachable, match="does not answer"),
    ):
        meter.read()
    assert time.monotonic() - began_s < 3.0


def test_a_line_that_never_stops_is_a_protocol_error() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    halt = threading.Event()

    def babble() -> None:
        while not halt.wait(0.005):
            os.write(master, b"\xff" * 16)

    babbler = threading.Thread(target=babble)
    babbler.start()
    try:
        with Km003cSerial(os.ttyname(slave)) as meter, pytest.raises(MeterProtocolError, match="without being asked"):
            meter.read()
    finally:
        halt.set()
        babbler.join()
        os.close(master)
        os.close(slave)


def test_unplugged_between_reads() -> None:
    with Km003cEmulator() as emulator, Km003cSerial(emulator.port) as meter:
        meter.read()
        emulator.unplug()
        with pytest.raises(MeterUnreachable, match="is gone") as caught:
            meter.read()
        assert "Plug the meter in" in caught.value.remedy
        meter.close()
        with pytest.raises(MeterUnreachable):
            meter.read()


def test_the_port_is_exclusive_and_given_back() -> None:
    with Km003cEmulator() as emulator:
        with Km003cSerial(emulator.port), pytest.raises(MeterUnreachable, match="Another program uses"):
            Km003cSerial(emulator.port)
        with Km003cSerial(emulator.port) as again:
            again.read()


def test_ports_that_cannot_be_meters(tmp_path) -> None:
    file = tmp_path / "a file"
    file.touch()
    for port, complaint in {
        str(tmp_path / "absent"): "There is no port",
        str(tmp_path): "not a serial port",
        str(file): "not a serial port",
        "/dev/null": "not a serial port",
        "nul\0byte": "not a serial port",
        "": "There is no port",
    }.items():
        with pytest.raises(MeterUnreachable, match=complaint) as caught:
            Km003cSerial(port)
        assert caught.value.remedy


@pytest.mark.parametrize(
    ("number", "complaint", "remedy"),
    [
        (errno.EACCES, "No permission", "dialout"),
        (errno.EBUSY, "Another program", "ModemManager"),
        (errno.ENODEV, "is gone", "Plug"),
    ],
)
def test_what_the_system_refuses(monkeypatch, number: int, complaint: str, remedy: str) -> None:
    def refuse(line: serial.Serial) -> None:
        raise serial.SerialException(number, os.strerror(number))

    monkeypatch.setattr(serial.Serial, "open", refuse)
    with pytest.raises(MeterUnreachable, match=complaint) as caught:
        Km003cSerial("/dev/ttyACM0")
    assert remedy in caught.value.remedy


def test_a_pseudo_terminal_is_emulated_under_any_name(tmp_path) -> None:
    with Km003cEmulator() as emulator:
        nearly_real, twice = tmp_path / "ttyACM9", tmp_path / "usb-ChargerLAB_POWER-Z"
        nearly_real.symlink_to(emulator.port)
        twice.symlink_to(nearly_real)
        for port in (emulator.port, str(nearly_real), str(twice)):
            with Km003cSerial(port) as meter:
                assert meter.facts.emulated is True
                assert meter.facts.port == port


def test_a_pseudo_terminal_is_known_by_its_device_and_by_its_name() -> None:
    with Km003cEmulator() as emulator, Path(emulator.port).open("rb") as terminal, Path("/dev/null").open("rb") as null:
        assert _is_pseudo_terminal("/dev/ttyACM0", terminal.fileno())  # a container may rename a device
        for name in ("/dev/pts/3", "/dev/ptyp0", "/dev/ttys004"):
            assert _is_pseudo_terminal(name, null.fileno())
        for name in ("/dev/ttyACM0", "/dev/ttyUSB0", "/dev/ttyS0", "/dev/cu.usbmodem1101"):
            assert not _is_pseudo_terminal(name, null.fileno())


def test_nothing_clears_emulated(monkeypatch) -> None:
    monkeypatch.setenv("EMULATED", "false")
    with Km003cEmulator() as emulator:
        with pytest.raises(TypeError):
            Km003cSerial(emulator.port, emulated=False)
        with Km003cSerial(emulator.port) as meter:
            with pytest.raises(dataclasses.FrozenInstanceError):
                meter.facts.emulated = False
            with pytest.raises(AttributeError):
                meter.facts = dataclasses.replace(meter.facts, emulated=False)
            assert meter.facts.emulated is True


def test_the_registry_opens_by_name_and_names_the_nearest() -> None:
    with Km003cEmulator() as emulator, open_meter("km003c", emulator.port, sign=-1) as meter:
        assert (meter.facts.meter, meter.facts.sign, meter.facts.update_period_s) == ("km003c", -1, 0.5)
    with pytest.raises(MeterSettingError) as caught:
        open_meter("km003", "/dev/null")
    assert "'km003c'" in caught.value.remedy
    assert list(METERS) == ["km003c"]


def test_an_impossible_sign_is_refused_and_the_port_given_back() -> None:
    with Km003cEmulator() as emulator:
        with pytest.raises(MeterSettingError, match="sign"):
            Km003cSerial(emulator.port, sign=0)
        Km003cSerial(emulator.port).close()
