"""Another device on the port: each is named, none is sent anything but GET_DATA, and all end in bounded time."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest

from power.errors import MeterProtocolError, MeterUnreachable, PowerError
from power.meters.km003c import protocol, serial
from power.meters.km003c.emulated_port import EmulatedPort
from power.meters.km003c.serial import Km003cSerial
from power.meters.km003c.wrong_device import wrong_device

NMEA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"
STREAM = bytes.fromhex("0212056a202a0b0068f988002fdfefff790272010d011601")
Answer = Callable[[bytes], bytes]


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """These devices answer at once or never."""
    monkeypatch.setattr(serial, "REPLY_TIMEOUT_S", 0.2)
    monkeypatch.setattr(serial, "RESYNC_TIMEOUT_S", 0.4)


class Stranger:
    """A device that answers every request in its own way; it keeps what it heard."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.heard = b""

    def __call__(self, data: bytes) -> Iterator[tuple[float, bytes]]:
        self.heard += data
        yield 0.0, self._answer(data)


def refusal_by(answer: Answer) -> PowerError:
    stranger = Stranger(answer)
    port = EmulatedPort(stranger)
    with (
        contextlib.closing(port),
        Km003cSerial(port.path) as meter,
        pytest.raises((MeterProtocolError, MeterUnreachable)) as caught,
    ):
        meter.read()
    assert stranger.heard[0::4] == bytes([protocol.GET_DATA]) * (len(stranger.heard) // 4)
    assert port.path in caught.value.message
    assert caught.value.message.endswith(".") and caught.value.remedy.endswith(".")
    return caught.value


def test_a_device_that_echoes() -> None:
    error = refusal_by(lambda data: data)
    assert isinstance(error, MeterProtocolError)
    assert "sends back what it is sent; it is no KM003C" in error.message
    assert "POWER-Z" in error.remedy


def test_a_gps_receiver() -> None:
    error = refusal_by(lambda data: NMEA)
    assert isinstance(error, MeterProtocolError)
    assert "sends text, as a GPS receiver does: '$GPGGA,123519,4807.038,N…'" in error.message


@pytest.mark.parametrize("answer", [b"\r\nERROR\r\n", b"AT\r\r\nOK\r\n"])
def test_a_modem(answer: bytes) -> None:
    for reply in (lambda data: answer, lambda data: data + answer):
        assert "sends text, as a modem does: '" in refusal_by(reply).message


def test_a_device_that_greets() -> None:
    assert "sends text: 'Marlin 2.1 ready'." in refusal_by(lambda data: b"Marlin 2.1 ready\n").message


def test_a_silent_device() -> None:
    error = refusal_by(lambda data: b"")
    assert isinstance(error, MeterUnreachable)
    assert "does not answer" in error.message


def test_a_meter_that_streams_in_the_other_format() -> None:
    error = refusal_by(lambda data: STREAM)
    assert isinstance(error, MeterProtocolError)
    assert "the streaming format of newer firmware" in error.message
    assert "Close the program that started the stream" in error.remedy


def test_packets_that_are_never_the_answer() -> None:
    error = refusal_by(lambda data: bytes([protocol.DISCONNECT, 0x55, 0, 0]))
    assert isinstance(error, MeterProtocolError)
    assert "sends, but no answer: 0355000003550000." in error.message


def test_binary_bytes_of_no_packet() -> None:
    error = refusal_by(lambda data: bytes(range(0x80, 0xA0)))
    assert isinstance(error, MeterProtocolError)
    assert "No packet begins with 80818283" in error.message


def test_a_line_that_never_stops() -> None:
    halt = threading.Event()

    def babble(data: bytes) -> Iterator[tuple[float, bytes]]:
        while not halt.is_set():
            yield 0.005, b"\xff" * 16

    port = EmulatedPort(babble)
    with contextlib.closing(port), Km003cSerial(port.path) as meter:
        with pytest.raises(MeterProtocolError):
            meter.read()
        halt.set()


def test_nothing_is_said_of_bytes_that_may_be_a_meters() -> None:
    asked = protocol.get_data(1)
    for heard in (
        b"",
        bytes.fromhex("41010000"),
        b"\xff" * 40,
        bytes.fromhex("410080020100000b") + b"text" + bytes(40),
    ):
        assert wrong_device("/dev/ttyACM0", heard, asked) is None
