"""The reader on a pseudo-terminal: what it sends, what it survives, what it calls emulated."""

import contextlib
import dataclasses
import errno
import fcntl
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from power.errors import MeterProtocolError, MeterSettingError, MeterUnreachable
from power.meters import open_meter
from power.meters.km003c import adc, protocol
from power.meters.km003c.emulated_adc import CC1_RAW, CC2_RAW, AdcModel
from power.meters.km003c.emulated_line import LineBehaviour
from power.meters.km003c.emulated_port import EmulatedPort
from power.meters.km003c.emulator import Km003cEmulator
from power.meters.km003c.measuring_range import HIGHEST_A, HIGHEST_V
from power.meters.km003c.pseudo_terminal import is_pseudo_terminal
from power.meters.km003c.serial import Km003cSerial

pytestmark = pytest.mark.alone

EXACT = AdcModel(noise_ua=0.0, flicker=False)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is waited for however late it is, so that each request is made once."""
    monkeypatch.setattr("power.meters.km003c.serial.REPLY_TIMEOUT_S", 60.0)


def assert_only_get_data(emulator: Km003cEmulator) -> None:
    received = emulator.received
    assert received and len(received) % 4 == 0
    for at in range(0, len(received), 4):
        assert (received[at], received[at + 2 : at + 4]) == (0x0C, b"\x02\x00")
    assert emulator.other_bytes == 0


def currents(meter: Km003cSerial, reads: int) -> list[float]:
    return [measurement.current_a for _ in range(reads) for measurement in meter.read()]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("block_bytes", [40, 44])
@pytest.mark.parametrize("split", [False, True])
def test_reads_what_the_emulator_measures(block_bytes: int, split: bool) -> None:
    adc, line = dataclasses.replace(EXACT, block_bytes=block_bytes), LineBehaviour(split=split, stale_every=1)
    with Km003cEmulator(9.0, -0.417, adc=adc, line=line) as emulator, Km003cSerial(emulator.port) as meter:
        for _ in range(20):
            before_s = time.monotonic()
            (reading,) = meter.read()
            assert before_s <= reading.t_s <= time.monotonic()
            assert (reading.voltage_v, reading.current_a) == (9.0, -0.417)
            assert reading.identity == (9_000_000, -417_000, CC1_RAW, CC2_RAW)
        assert emulator.requests == 20
        assert_only_get_data(emulator)


@pytest.mark.usefixtures("patient")
def test_request_ids_count_and_wrap() -> None:
    with Km003cEmulator() as emulator, Km003cSerial(emulator.port) as meter:
        for _ in range(300):
            meter.read()
        first, *_ = ids = list(emulator.received[1::4])
        assert ids == [(first + k) % 256 for k in range(300)]


def test_every_reader_begins_with_an_id_of_its_own() -> None:
    with Km003cEmulator() as emulator:
        for _ in range(8):
            with Km003cSerial(emulator.port) as meter:
                meter.read()
        assert len(set(emulator.received[1::4])) > 1


@pytest.mark.parametrize(("reversed_", "sign", "expected"), [(True, -1, 1.5), (True, 1, -1.5), (False, -1, -1.5)])
def test_the_sign_is_applied_once_and_recorded(reversed_: bool, sign: int, expected: float) -> None:
    adc = dataclasses.replace(EXACT, reversed=reversed_)
    with Km003cEmulator(5.0, 1.5, adc=adc) as emulator, Km003cSerial(emulator.port, sign) as meter:
        assert currents(meter, 1) == [expected]
        assert meter.facts.sign == sign


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello, meter\r\n",
        b"\x41\x02\x80\x02\x01\x00\x00\xff",  # announces more than will come
        b"\xff",
        bytes.fromhex("06020000"),  # a refusal of the second request
        bytes.fromhex("41020000"),  # an empty reply to it
        bytes.fromhex("0212056a202a0b00"),  # the other stream
        bytes(range(256)) * 8,
    ],
)
def test_resynchronises_after_garbage(garbage: bytes, monkeypatch) -> None:
    monkeypatch.setattr(secrets, "randbelow", lambda limit: 0)  # so that the second request has the id 2
    line = LineBehaviour(garbage_every=2, garbage=garbage)
    with Km003cEmulator(5.0, 1.0, adc=EXACT, line=line) as emulator, Km003cSerial(emulator.port) as meter:
        assert currents(meter, 3) == [1.0] * 3
        assert emulator.requests > 3
        assert_only_get_data(emulator)


def test_a_request_that_is_not_answered_is_asked_again() -> None:
    line = LineBehaviour(silent_every=2)
    with Km003cEmulator(5.0, 1.0, adc=EXACT, line=line) as emulator, Km003cSerial(emulator.port) as meter:
        assert currents(meter, 2) == [1.0, 1.0]
        assert emulator.requests >= 3


def test_what_was_queued_before_opening_is_not_taken_for_an_answer() -> None:
    with Km003cEmulator(5.0, 1.0, adc=AdcModel(update_hz=50.0, noise_ua=0.0)) as emulator:
        with serial.Serial(emulator.port) as earlier:
            earlier.write(protocol.get_data(1))
            while earlier.in_waiting < 52:
                time.sleep(0.001)
        emulator.set_load(5.0, 2.0)
        time.sleep(0.1)
        with Km003cSerial(emulator.port) as meter:
            assert currents(meter, 1) == [2.0]


def reply_of(request: bytes, volts: float, amperes: float) -> bytes:
    """An answer that fits the request, with these numbers in every field of them."""
    uv, ua = round(volts * 1e6), round(amperes * 1e6)
    raw = adc.AdcRaw(uv, ua, uv, ua, uv, ua, 3000, 4234, 14, 0, 0, 32376, 0x8000, 2, 0, 0)
    return protocol.data_reply(request[1], [protocol.Block(protocol.ADC, adc.pack_adc(raw, 44))])


@contextlib.contextmanager
def answering(answer: Callable[[bytes], bytes]) -> Iterator[Km003cSerial]:
    """A reader on a device that answers each request in this way."""

    def hear(data: bytes) -> Iterator[tuple[float, bytes]]:
        yield 0.0, answer(data)

    port = EmulatedPort(hear)
    with contextlib.closing(port), Km003cSerial(port.path) as meter:
        yield meter


class OnceWrong:
    """Answers 5 V and 1 A, but the first request in another way."""

    def __init__(self, first: Callable[[bytes], bytes]) -> None:
        self._first = first
        self.requests = 0

    def __call__(self, request: bytes) -> bytes:
        self.requests += 1
        return self._first(request) if self.requests == 1 else reply_of(request, 5.0, 1.0)


@pytest.mark.parametrize("at", [8, 12, 20, 40, 52])
@pytest.mark.parametrize("stray", [b"\x00\x7f", b"\x00", bytes(4)])
def test_an_answer_with_stray_bytes_in_it_is_asked_for_again(at: int, stray: bytes) -> None:
    def longer(request: bytes) -> bytes:
        reply = reply_of(request, 9.0, 2.0)
        return reply[:at] + stray + reply[at:]

    device = OnceWrong(longer)
    with answering(device) as meter:
        (reading,) = meter.read()
    assert (reading.voltage_v, reading.current_a) == (5.0, 1.0) and device.requests >= 2


@pytest.mark.parametrize("volts, amperes", [(-1742.8, -203.2), (HIGHEST_V + 0.001, 1.0), (5.0, -HIGHEST_A - 0.001)])
def test_numbers_that_no_meter_measures_are_asked_for_again_and_never_given(volts: float, amperes: float) -> None:
    device = OnceWrong(lambda request: reply_of(request, volts, amperes))
    with answering(device) as meter:
        assert currents(meter, 1) == [1.0]
    with (
        answering(lambda request: reply_of(request, volts, amperes)) as meter,
        pytest.raises(MeterProtocolError, match="beyond its range"),
    ):
        meter.read()


@pytest.mark.parametrize("volts, amperes", [(HIGHEST_V, HIGHEST_A), (-HIGHEST_V, -HIGHEST_A)])
def test_the_ends_of_the_range_are_measured(volts: float, amperes: float) -> None:
    with answering(lambda request: reply_of(request, volts, amperes)) as meter:
        (reading,) = meter.read()
    assert (reading.voltage_v, reading.current_a) == (volts, amperes)


def test_bytes_that_come_unasked_between_two_readings_are_dropped() -> None:
    adc_model = dataclasses.replace(EXACT, update_hz=50.0)
    with Km003cEmulator(5.0, 1.0, adc=adc_model) as emulator, Km003cSerial(emulator.port) as meter:
        meter.read()
        with serial.Serial(emulator.port) as other:  # has the reader's next id, and does not fetch its answer
            other.write(protocol.get_data(emulator.received[1] + 1))
            while other.in_waiting < 52:
                time.sleep(0.001)
        emulator.set_load(5.0, 2.0)
        time.sleep(0.1)
        assert currents(meter, 1) == [2.0]


@pytest.mark.usefixtures("patient")
def test_an_answer_to_an_earlier_program_that_is_still_on_its_way_is_dropped(monkeypatch) -> None:
    monkeypatch.setattr(secrets, "randbelow", lambda limit: 0)  # so that both ask with the id 1
    adc_model, line = dataclasses.replace(EXACT, update_hz=1000.0), LineBehaviour(reply_delay_s=0.03)
    with (
        Km003cEmulator(5.0, 1.0, adc=adc_model, line=line) as emulator,
        Km003cSerial(emulator.port) as meter,
        serial.Serial(emulator.port) as other,
    ):
        other.write(protocol.get_data(1))
        while emulator.requests < 1:
            time.sleep(0.001)
        emulator.set_load(5.0, 2.0)
        assert currents(meter, 1) == [2.0]
        assert emulator.received == 2 * protocol.get_data(1)


def test_silence_is_an_unreachable_meter_after_a_few_requests() -> None:
    with Km003cEmulator(line=LineBehaviour(silent_every=1)) as emulator, Km003cSerial(emulator.port) as meter:
        with pytest.raises(MeterUnreachable, match="does not answer") as caught:
            meter.read()
        assert "Check that the port is a KM003C's" in caught.value.remedy
        assert emulator.requests == 3
        assert_only_get_data(emulator)


def test_a_meter_that_always_refuses_is_a_protocol_error() -> None:
    refusals = b"".join(bytes([protocol.REJECT, number, 0, 0]) for number in range(256))
    line = LineBehaviour(garbage_every=1, garbage=refusals)
    with (
        Km003cEmulator(line=line) as emulator,
        Km003cSerial(emulator.port) as meter,
        pytest.raises(MeterProtocolError, match="refused to send a measurement"),
    ):
        meter.read()


def test_a_device_that_takes_no_bytes_is_unreachable(monkeypatch) -> None:
    def time_out(line: serial.Serial, data: bytes) -> int:
        raise serial.SerialTimeoutException("Write timeout")

    with Km003cEmulator() as emulator, Km003cSerial(emulator.port) as meter:
        monkeypatch.setattr(serial.Serial, "write", time_out)
        with pytest.raises(MeterUnreachable, match="takes no requests"):
            meter.read()


def test_unplugged_between_reads() -> None:
    with Km003cEmulator() as emulator, Km003cSerial(emulator.port) as meter:
        meter.read()
        emulator.unplug()
        for _ in range(2):
            with pytest.raises(MeterUnreachable, match="is gone") as caught:
                meter.read()
            assert "Plug the meter in" in caught.value.remedy


def test_the_same_stable_path_opens_the_meter_again_after_a_replug() -> None:
    with Km003cEmulator(5.0, 1.0, adc=EXACT) as emulator:
        for _ in range(3):
            with Km003cSerial(emulator.stable_port) as meter:
                assert currents(meter, 1) == [1.0]
                assert (meter.facts.port, meter.facts.emulated) == (emulator.stable_port, True)
                emulator.unplug()
                with pytest.raises(MeterUnreachable, match="is gone"):
                    meter.read()
                with pytest.raises(MeterUnreachable, match="There is no port"):
                    Km003cSerial(emulator.stable_port)
            emulator.replug()
        assert_only_get_data(emulator)


def test_the_serial_number_is_what_the_system_tells_of_the_port_behind_any_link(monkeypatch) -> None:
    with Km003cEmulator() as emulator:
        info = ListPortInfo(emulator.port)
        info.serial_number = "007965"
        for told, number in (([info], "007965"), ([ListPortInfo(emulator.port)], None), ([], None)):
            monkeypatch.setattr(list_ports, "comports", lambda told=told: told)
            with Km003cSerial(emulator.stable_port) as meter:
                assert meter.serial_number == number


@pytest.mark.usefixtures("patient")
def test_a_reader_that_is_opened_and_closed_unread_sends_nothing() -> None:
    with Km003cEmulator() as emulator:
        Km003cSerial(emulator.port).close()
        with Km003cSerial(emulator.port) as meter:
            meter.read()
        assert emulator.requests == 1
        assert_only_get_data(emulator)


def test_a_closed_reader_says_so() -> None:
    with Km003cEmulator() as emulator:
        meter = Km003cSerial(emulator.port)
        for _ in range(2):
            meter.close()
        with pytest.raises(MeterUnreachable, match="has been closed") as caught:
            meter.read()
        assert caught.value.remedy == "Open it again before reading."
        assert emulator.received == b""


def test_the_port_is_exclusive_and_given_back() -> None:
    with Km003cEmulator() as emulator:
        with Km003cSerial(emulator.port), pytest.raises(MeterUnreachable, match="Another program uses"):
            Km003cSerial(emulator.port)
        with Km003cSerial(emulator.port) as again:
            again.read()


def test_ports_that_cannot_be_meters(tmp_path: Path) -> None:
    file, pipe = tmp_path / "a file", tmp_path / "a pipe"
    file.touch()
    os.mkfifo(pipe)
    for port, complaint in {
        str(tmp_path / "absent"): "There is no port",
        str(file / "below"): "There is no port",
        str(tmp_path): "not a serial port",
        str(file): "not a serial port",
        str(pipe): "not a serial port",
        "/dev/null": "not a serial port",
        "nul\0byte": "not a serial port",
        "": "There is no port",
    }.items():
        with pytest.raises(MeterUnreachable, match=complaint) as caught:
            Km003cSerial(port)
        assert caught.value.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open any port")
def test_a_port_of_others_is_refused_with_the_group_to_join() -> None:
    with Km003cEmulator() as emulator:
        Path(emulator.port).chmod(0)
        with pytest.raises(MeterUnreachable, match="No permission"):
            Km003cSerial(emulator.port)


@pytest.mark.parametrize(
    ("number", "complaint", "remedies"),
    [
        (errno.EACCES, "No permission to open /dev/ttyACM0", ["dialout", "udev rule"]),
        (errno.EPERM, "No permission to open /dev/ttyACM0", ["dialout", "udev rule"]),
        (errno.EBUSY, "Another program uses /dev/ttyACM0", ["ModemManager", 'ENV{ID_MM_DEVICE_IGNORE}="1"']),
        (errno.ENODEV, "is gone", ["Plug"]),
        (errno.EINVAL, "not a serial port", ["/dev/serial/by-id"]),
    ],
)
def test_what_the_system_refuses(monkeypatch, number: int, complaint: str, remedies: list[str]) -> None:
    def refuse(line: serial.Serial) -> None:
        raise serial.SerialException(number, os.strerror(number))

    monkeypatch.setattr(serial.Serial, "open", refuse)
    with pytest.raises(MeterUnreachable, match=complaint) as caught:
        Km003cSerial("/dev/ttyACM0")
    for remedy in remedies:
        assert remedy in caught.value.remedy


def test_a_pseudo_terminal_is_emulated_under_any_name(tmp_path: Path) -> None:
    with Km003cEmulator() as emulator:
        nearly_real, twice = tmp_path / "ttyACM9", tmp_path / "usb-ChargerLAB_POWER-Z"
        nearly_real.symlink_to(emulator.port)
        twice.symlink_to(nearly_real)
        for port in (emulator.port, emulator.stable_port, str(nearly_real), str(twice)):
            with Km003cSerial(port) as meter:
                assert meter.facts.emulated is True
                assert meter.facts.port == port


def test_a_pseudo_terminal_is_known_by_its_device_and_by_its_name() -> None:
    with Km003cEmulator() as emulator, Path(emulator.port).open("rb") as terminal, Path("/dev/null").open("rb") as null:
        assert is_pseudo_terminal("/dev/ttyACM0", terminal.fileno())  # a container may rename a device
        for name in ("/dev/pts/3", "/dev/ptyp0", "/dev/ttys004"):
            assert is_pseudo_terminal(name, null.fileno())
        for name in ("/dev/ttyACM0", "/dev/ttyUSB0", "/dev/ttyS0", "/dev/cu.usbmodem1101"):
            assert not is_pseudo_terminal(name, null.fileno())


@pytest.mark.skipif(sys.platform != "linux", reason="asks as Linux does")
def test_a_pseudo_terminal_is_emulated_as_the_terminal_of_the_process_too() -> None:
    """/dev/tty has a number of its own, and a process of its own is needed to have another terminal there."""
    code = (
        "import fcntl, os, sys, termios\n"
        "from power.meters.km003c.serial import Km003cSerial\n"
        "os.setsid()\n"
        "fcntl.ioctl(os.open(sys.argv[1], os.O_RDWR), termios.TIOCSCTTY, 0)\n"
        "with Km003cSerial('/dev/tty') as meter:\n"
        "    print(len(meter.read()), meter.facts.emulated)\n"
    )
    with Km003cEmulator() as emulator:
        done = subprocess.run(
            [sys.executable, "-c", code, emulator.port], capture_output=True, text=True, check=False, timeout=300
        )
    assert done.stdout == "1 True\n", done.stderr


def test_a_terminal_that_cannot_be_asked_is_known_by_its_file(monkeypatch) -> None:
    def refuse(*_: object) -> bytes:
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    with Km003cEmulator() as emulator, Path(emulator.port).open("rb") as terminal:
        assert is_pseudo_terminal("/dev/ttyACM0", terminal.fileno())


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


def test_the_facts_say_how_to_integrate() -> None:
    with Km003cEmulator() as emulator, open_meter("km003c", emulator.port, sign=-1) as meter:
        facts = meter.facts
        assert (facts.meter, facts.transport, facts.sign) == ("km003c", "serial", -1)
        assert (facts.update_period_s, facts.averaging, facts.field) == (0.5, "block", "vbus/ibus instantaneous")


def test_an_impossible_sign_is_refused_and_the_port_given_back() -> None:
    with Km003cEmulator() as emulator:
        with pytest.raises(MeterSettingError, match="sign"):
            Km003cSerial(emulator.port, sign=0)
        Km003cSerial(emulator.port).close()
