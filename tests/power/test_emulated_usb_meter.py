"""The emulated USB meter is as strict as a real one: no samples without the unlock, no session without questions."""

import struct
from array import array

import pytest

from power.meters.km003c import protocol
from power.meters.km003c.adc import adc_block
from power.meters.km003c.adc_queue import MAX_SAMPLES, queue_samples
from power.meters.km003c.emulated_load import LoadHistory, LoadPoint
from power.meters.km003c.usb_unlock import HARDWARE_ID_ADDRESS
from tests.rigs.emulated_usb_bus import EmulatedSocket, EmulatedUsbBus
from tests.rigs.emulated_usb_meter import EmulatedUsbMeter

usb_core = pytest.importorskip("usb.core", reason="the extra usb is not installed")
bulk = pytest.importorskip("power.meters.km003c.usb_bulk", reason="the extra usb is not installed")

LOAD = LoadHistory([LoadPoint(0.0, 5.0, 1.0)])


class Clock:
    """A clock set by hand."""

    now_s = 1000.0

    def now(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def meter(clock: Clock) -> EmulatedUsbMeter:
    return EmulatedUsbMeter(LOAD, bulk.Km003cCipher(), clock.now)


def ask(meter: EmulatedUsbMeter, packet: bytes) -> list[bytes]:
    meter.receive(packet)
    answers = list(meter.outgoing)
    meter.outgoing.clear()
    return answers


def begin(meter: EmulatedUsbMeter, rate_index: int) -> None:
    cipher = bulk.Km003cCipher()
    ask(meter, protocol.connect(1))
    _, hardware_id = ask(meter, cipher.memory_request(HARDWARE_ID_ADDRESS, 12, 2))
    ask(meter, cipher.authentication(cipher.decrypted(hardware_id)[:12], 3))
    assert ask(meter, protocol.start_graph(4, rate_index)) == [protocol.accept(4)]


def test_without_a_session_readings_come_and_everything_else_is_refused(meter: EmulatedUsbMeter) -> None:
    (reply,) = ask(meter, protocol.get_data(7, protocol.ADC | protocol.ADC_QUEUE))
    frame = protocol.parse_transfer(reply)
    assert adc_block(frame).vbus_uv == 5_000_000
    assert queue_samples(frame) == ()
    assert ask(meter, protocol.get_data(8, protocol.ADC_QUEUE)) == [bytes.fromhex("41080000")]
    for packet in (protocol.start_graph(9, 3), protocol.stop_graph(9)):
        assert ask(meter, packet) == [protocol.reject(9)]


def test_five_seconds_without_a_question_end_the_session(meter: EmulatedUsbMeter, clock: Clock) -> None:
    begin(meter, 2)
    clock.now_s += 4.9
    assert ask(meter, protocol.get_data(5, protocol.ADC_QUEUE))[0][:2] == bytes.fromhex("4105")
    clock.now_s += 5.1
    assert not meter.in_session
    assert meter.outgoing.popleft() == protocol.disconnect(0x55)
    assert ask(meter, protocol.stop_graph(6)) == [protocol.reject(6)]


def test_a_reply_holds_no_more_samples_than_its_header_can_count(meter: EmulatedUsbMeter, clock: Clock) -> None:
    begin(meter, 3)
    clock.now_s += 0.1
    sizes = []
    for number in range(3):
        (reply,) = ask(meter, protocol.get_data(number, protocol.ADC_QUEUE))
        sizes.append(len(queue_samples(protocol.parse_transfer(reply))))
    assert sizes == [MAX_SAMPLES, 100 - MAX_SAMPLES, 0]
    assert len(reply) == 4


def test_an_unlock_without_the_hardware_id_or_too_soon_is_refused(meter: EmulatedUsbMeter) -> None:
    cipher = bulk.Km003cCipher()
    ask(meter, protocol.connect(1))
    (reply,) = ask(meter, cipher.authentication(bytes(12), 2))
    assert struct.unpack_from("<BBH", reply) == (0x4C, 0, 0x0201)
    _, hardware_id = ask(meter, cipher.memory_request(HARDWARE_ID_ADDRESS, 12, 2))
    (reply,) = ask(meter, cipher.authentication(cipher.decrypted(hardware_id)[:12], 3))
    assert reply[2:4] == bytes.fromhex("0102")


def test_a_wrong_address_stops_the_meter_as_it_does_a_real_one(meter: EmulatedUsbMeter) -> None:
    cipher = bulk.Km003cCipher()
    ask(meter, protocol.connect(1))
    assert ask(meter, cipher.memory_request(0x9999, 12, 2)) == [protocol.request(0x27, 2)]
    assert ask(meter, cipher.memory_request(HARDWARE_ID_ADDRESS + 4, 12, 3)) == []
    assert ask(meter, protocol.get_data(4)) == []


def test_a_confirmation_has_the_form_of_captured_ones(meter: EmulatedUsbMeter) -> None:
    """Frame 264 of the capture orig_adc_1000hz.6 in okhsunrog/km003c-rs, for 64 bytes at 0x420."""
    ask(meter, protocol.connect(1))
    confirmation, data = ask(meter, bulk.Km003cCipher().memory_request(0x420, 64, 2))
    assert confirmation.hex() == "c40201012004000040000000ffffffff1b8c1b24"
    assert len(data) == 64


def test_a_long_transfer_comes_in_pieces_and_a_whole_number_of_packets_ends_with_an_empty_one(
    meter: EmulatedUsbMeter,
) -> None:
    socket = EmulatedSocket(meter, kernel_driver=False)
    bus = EmulatedUsbBus([socket], lambda seconds: None, usb_core.USBError, usb_core.USBTimeoutError)
    bus.claim_interface(socket, 0)

    def read(size: int) -> int:
        return bus.bulk_read(socket, 0x81, 0, array("B", bytes(size)), 10)

    meter.outgoing.extend([bytes(100), bytes(128), bytes(64)])
    assert [read(64) for _ in range(2)] == [64, 36]
    assert [read(64) for _ in range(3)] == [64, 64, 0]
    assert read(4096) == 64
    with pytest.raises(usb_core.USBTimeoutError):
        read(64)
    meter.outgoing.append(bytes(100))
    with pytest.raises(usb_core.USBError, match="Overflow"):
        read(52)
