"""The KM003C over its own USB interface, with pyusb itself over an emulated bus: sessions, samples, trouble."""

import errno
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest

from power.errors import MeterProtocolError, MeterSettingError, MeterUnreachable, PowerError
from power.meters.base import Measurement, Meter
from power.meters.km003c import protocol
from power.meters.km003c.adc_queue import MAX_SAMPLES, QueueSample, queue_block
from power.meters.km003c.emulated_load import LoadHistory, LoadPoint
from power.meters.km003c.usb_exchange import Exchange
from power.meters.km003c.usb_unlock import unlock
from tests.rigs.emulated_usb_bus import EmulatedSocket, EmulatedUsbBus
from tests.rigs.emulated_usb_meter import EmulatedUsbMeter, UsbBehaviour

usb_core = pytest.importorskip("usb.core", reason="the extra usb is not installed")
bulk = pytest.importorskip("power.meters.km003c.usb_bulk", reason="the extra usb is not installed")
Km003cUsb = pytest.importorskip("power.meters.km003c.usb").Km003cUsb

SOCKET = "/sys/bus/usb/devices/1-1.1"
STEPS = LoadHistory([LoadPoint(0.0, 5.0, 1.0), LoadPoint(1004.0, 5.2, -0.5), LoadPoint(1006.0, 9.0, 2.0)])


class Clock:
    """A clock that goes on by a little whenever it is looked at, and by more when somebody waits."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def now(self) -> float:
        self.now_s += 0.0001
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.now_s += seconds


@dataclass
class Rig:
    """An emulated meter in a socket, and what is needed to open it."""

    clock: Clock
    meter: EmulatedUsbMeter
    socket: EmulatedSocket
    bus: EmulatedUsbBus

    def open(self, rate_hz: int = 50, sign: int = 1) -> Meter:
        return Km003cUsb(SOCKET, sign, rate_hz=rate_hz, backend=self.bus, now=self.clock.now, sleep=self.clock.wait)

    def begun(self, rate_hz: int = 50, sign: int = 1) -> Meter:
        """Opened, and its session begun."""
        meter = self.open(rate_hz, sign)
        try:
            meter.read()
        except BaseException:
            meter.close()
            raise
        return meter

    def record(self, meter: Meter, seconds: float, pause_s: float = 0.04) -> list[Measurement]:
        rows: list[Measurement] = []
        end_s = self.clock.now_s + seconds
        while self.clock.now_s < end_s:
            self.clock.wait(pause_s)
            rows += meter.read()
        return rows

    def sent(self) -> list[int]:
        return [packet[0] for packet in self.meter.received]


def make_rig(load: LoadHistory = STEPS, *behaviours: UsbBehaviour, **socket: object) -> Rig:
    clock = Clock()
    meter = EmulatedUsbMeter(load, bulk.Km003cCipher(), clock.now, *behaviours)
    plugged = EmulatedSocket(meter, **socket)
    return Rig(
        clock, meter, plugged, EmulatedUsbBus([plugged], clock.wait, usb_core.USBError, usb_core.USBTimeoutError)
    )


@pytest.mark.parametrize("plain_memory", [False, True], ids=["firmware 1.9", "firmware 2.0.5"])
@pytest.mark.parametrize("rate_hz", [2, 10, 50, 1000])
def test_samples_come_at_each_rate_with_the_energy_of_the_load(rate_hz: int, plain_memory: bool) -> None:
    rig = make_rig(STEPS, UsbBehaviour(plain_memory=plain_memory, stale_disconnect=True))
    with rig.begun(rate_hz) as meter:
        rows = rig.record(meter, 10.0)
        assert meter.facts.update_period_s == 1 / rate_hz
    # Where the meter's clock lies is known to within a round trip, which takes three looks at this clock.
    assert [after.t_s - before.t_s for before, after in pairwise(rows)] == pytest.approx(
        [1 / rate_hz] * (len(rows) - 1), abs=3e-4
    )
    joules = sum(row.power_w for row in rows[1:]) / rate_hz
    # What a round trip can shift the two steps of 7.6 W and 20.6 W, and the noise of the current.
    assert joules == pytest.approx(STEPS.energy_j(rows[0].t_s, rows[-1].t_s), abs=0.05)


def test_the_sign_is_applied_and_the_facts_say_what_nobody_has_tried() -> None:
    facts_of = []
    for sign in (1, -1):
        with make_rig().begun(sign=sign) as meter:
            facts_of.append(meter.facts)
    assert [facts.sign for facts in facts_of] == [1, -1]
    facts = facts_of[0]
    assert "tried on no real meter" in facts.field
    assert (facts.meter, facts.transport, facts.port) == ("km003c-usb", "usb", SOCKET)
    assert (facts.emulated, facts.averaging) == (True, "block")


def test_the_session_is_begun_and_ended_in_the_known_order() -> None:
    rig = make_rig()
    rig.begun().close()
    names = {
        0x02: "connect",
        0x44: "memory",
        0x4C: "unlock",
        0x0F: "stop",
        0x0C: "poll",
        0x0E: "start",
        3: "disconnect",
    }
    told = [names[command] for command in rig.sent()]
    collapsed = [name for before, name in pairwise(["", *told]) if name != before]
    assert collapsed == ["connect", "memory", "unlock", "stop", "poll", "start", "poll", "stop", "disconnect"]
    assert not rig.meter.in_session
    assert not rig.meter.is_streaming


def test_ids_count_up_and_only_allowed_commands_are_ever_sent() -> None:
    rig = make_rig()
    with rig.begun() as meter:
        rig.record(meter, 20.0)
    assert set(rig.sent()) <= bulk.ALLOWED_COMMANDS
    ids = [packet[1] for packet in rig.meter.received]
    assert all(after == (before + 1) % 256 for before, after in pairwise(ids))


def test_a_command_that_could_harm_the_meter_never_leaves() -> None:
    rig = make_rig()
    pipe = bulk.UsbPipe(bulk.device_at(SOCKET, rig.bus))
    for command in sorted(set(range(256)) - bulk.ALLOWED_COMMANDS):
        with pytest.raises(MeterSettingError, match="never sent"):
            pipe.write(bytes((command, 1, 0, 0)))
    assert rig.meter.received == []


def test_only_the_two_known_pieces_of_memory_are_read_and_the_id_is_sent_back() -> None:
    rig, told = make_rig(STEPS, UsbBehaviour(plain_memory=True)), []

    class NotingCipher(bulk.Km003cCipher):
        def memory_request(self, address: int, size_bytes: int, request_id: int) -> bytes:
            told.append((address, size_bytes))
            return super().memory_request(address, size_bytes, request_id)

        def authentication(self, hardware_id: bytes, request_id: int) -> bytes:
            told.append(hardware_id)
            return super().authentication(hardware_id, request_id)

    exchange = Exchange(bulk.UsbPipe(bulk.device_at(SOCKET, rig.bus)), rig.clock.now)
    exchange.ask(protocol.connect, protocol.ACCEPT)
    unlock(exchange, NotingCipher(), rig.clock.wait)
    assert told == [(0x420, 64), (0x40010450, 12), bytes.fromhex("51003a000b504254ffffffff")]


@pytest.mark.parametrize("ignored", [1, 2])
def test_a_connect_without_an_answer_is_sent_again(ignored: int) -> None:
    rig = make_rig(STEPS, UsbBehaviour(ignored_connects=ignored))
    with rig.begun() as meter:
        assert rig.record(meter, 1.0)
    assert Counter(rig.sent())[protocol.CONNECT] == ignored + 1


def test_a_refused_unlock_is_tried_again_a_second_later() -> None:
    rig = make_rig(STEPS, UsbBehaviour(refused_unlocks=2))
    with rig.begun() as meter:
        assert rig.record(meter, 1.0)


def test_a_meter_that_never_unlocks_points_to_the_serial_port_and_is_given_back() -> None:
    rig = make_rig(STEPS, UsbBehaviour(refused_unlocks=99))
    with pytest.raises(MeterProtocolError, match="does not unlock") as caught:
        rig.begun()
    assert "--meter km003c" in caught.value.remedy
    assert rig.socket.kernel_driver
    assert not rig.socket.claimed
    assert not rig.meter.in_session


def test_a_pause_that_ends_the_session_leaves_a_gap_and_nothing_else() -> None:
    rig = make_rig()
    with rig.begun() as meter:
        before = rig.record(meter, 2.0)
        rig.clock.wait(6.0)
        after = rig.record(meter, 2.0)
    assert after[0].t_s - before[-1].t_s > 5.0
    assert after[-1].t_s > rig.clock.now_s - 0.5
    assert max(later.t_s - sooner.t_s for sooner, later in pairwise(after)) < 0.03


def test_a_session_that_the_meter_ends_is_begun_anew_at_once() -> None:
    rig = make_rig()
    with rig.begun() as meter:
        before = rig.record(meter, 1.0)
        rig.meter.receive(protocol.disconnect(9))
        rig.meter.outgoing.append(protocol.disconnect(0x55))
        after = rig.record(meter, 1.0)
    assert after[0].t_s - before[-1].t_s < 0.5


def test_a_meter_that_gives_no_sample_any_more_is_unreachable() -> None:
    rig = make_rig()
    answer = rig.meter.receive

    def without_samples(packet: bytes) -> None:
        answer(packet)
        if packet[0] == protocol.GET_DATA:
            rig.meter.outgoing[-1] = protocol.data_reply(packet[1], [])

    with rig.begun() as meter:
        rig.meter.receive = without_samples  # type: ignore[method-assign]
        with pytest.raises(MeterUnreachable, match="no new sample"):
            rig.record(meter, 20.0)
    with pytest.raises(MeterUnreachable, match="no new sample"):
        rig.begun()


def test_a_reply_to_another_question_is_passed_over() -> None:
    rig = make_rig()
    stranger = QueueSample(2**20, 30_000_000, 5_000_000, 0, 0, 0, 0)
    with rig.begun() as meter:
        rows = rig.record(meter, 0.2)
        rig.meter.outgoing.append(protocol.data_reply(rig.meter.received[-1][1], [queue_block([stranger])]))
        rows += rig.record(meter, 0.2)
    assert {row.voltage_v for row in rows} == {5.0}


def test_a_sample_that_no_meter_measures_is_refused() -> None:
    rig = make_rig(LoadHistory([LoadPoint(0.0, 61.0, 1.0)]))
    with rig.open() as meter, pytest.raises(MeterProtocolError, match="beyond its range"):
        rig.record(meter, 2.0)


def test_an_answer_from_before_is_drained_and_not_believed() -> None:
    rig = make_rig(STEPS, UsbBehaviour(ignored_connects=1))
    rig.meter.outgoing.append(protocol.accept(1))
    with rig.begun() as meter:
        assert rig.record(meter, 0.2)


def test_memory_that_is_confirmed_for_another_address_is_not_believed() -> None:
    rig = make_rig()
    answer = rig.meter.receive

    def confused(packet: bytes) -> None:
        answer(packet)
        if packet[0] == 0x44:
            rig.meter.outgoing[0] = rig.meter.outgoing[0][:5] + b"\x77" + rig.meter.outgoing[0][6:]

    rig.meter.receive = confused  # type: ignore[method-assign]
    with pytest.raises(MeterProtocolError, match="another address"):
        rig.begun()


def test_a_stream_that_dries_up_is_begun_anew() -> None:
    rig = make_rig(STEPS, UsbBehaviour(dries_up_after=60))
    with rig.begun() as meter:
        rows = rig.record(meter, 10.0)
    gaps = [later.t_s - sooner.t_s for sooner, later in pairwise(rows) if later.t_s - sooner.t_s > 0.03]
    assert len(gaps) == 1
    assert 1.0 < gaps[0] < 2.0


def test_samples_that_are_delivered_again_are_dropped() -> None:
    rig = make_rig(STEPS, UsbBehaviour(redelivers_every=5))
    with rig.begun() as meter:
        rows = rig.record(meter, 10.0)
    assert len({row.identity[0] for row in rows}) == len(rows)
    # Begun with questions a millisecond apart, the stream knows the meter's clock to within that.
    assert [later.t_s - sooner.t_s for sooner, later in pairwise(rows)] == pytest.approx(
        [0.02] * (len(rows) - 1), abs=1.3e-3
    )


def test_the_meters_clock_may_wrap_while_it_measures() -> None:
    rig = make_rig(STEPS, UsbBehaviour(clock_ms=2**32 - 3000))
    with rig.begun(1000) as meter:
        rows = rig.record(meter, 6.0)
    assert min(row.identity[0] for row in rows) == 0
    assert max(row.identity[0] for row in rows) == 2**32 - 1
    assert max(later.t_s - sooner.t_s for sooner, later in pairwise(rows)) < 0.0011


def test_one_read_takes_all_samples_of_a_late_poll() -> None:
    rig = make_rig()
    with rig.begun(1000) as meter:
        rig.record(meter, 0.2)
        rig.clock.wait(0.4)
        assert len(meter.read()) >= 400


def test_samples_that_the_meter_had_to_drop_show_as_a_gap() -> None:
    rig = make_rig(STEPS, UsbBehaviour(buffer_samples=512))
    with rig.begun(1000) as meter:
        rig.record(meter, 1.0)
        rig.clock.wait(2.0)
        rows = rig.record(meter, 1.0)
    gaps = [later.t_s - sooner.t_s for sooner, later in pairwise(rows)]
    assert len(rows) > 512 + 900
    assert max(gaps) < 0.002  # all of it after the gap, which lies before the first row
    assert rows[0].t_s > rig.clock.now_s - 1.0 - 0.6


def test_an_unplugged_meter_is_unreachable_and_can_be_opened_again() -> None:
    rig = make_rig()
    meter = rig.begun()
    rig.socket.plugged = False
    with pytest.raises(MeterUnreachable, match="is gone"):
        meter.read()
    meter.close()
    with pytest.raises(MeterUnreachable, match="no KM003C in the USB socket"):
        rig.begun()
    rig.socket.plugged, rig.socket.kernel_driver, rig.socket.claimed = True, True, False
    with rig.begun() as again:
        assert rig.record(again, 1.0)


def test_a_silent_meter_is_unreachable_within_seconds() -> None:
    rig = make_rig()
    with rig.begun() as meter:
        rig.socket.silent = True
        began_s = rig.clock.now_s
        with pytest.raises(MeterUnreachable, match="does not answer"):
            meter.read()
        assert rig.clock.now_s - began_s < 5.0


def test_the_kernels_driver_is_put_aside_and_given_the_meter_back() -> None:
    for bound in (True, False):
        rig = make_rig(kernel_driver=bound)
        with rig.begun():
            assert not rig.socket.kernel_driver
        assert rig.socket.kernel_driver is bound
        assert not rig.socket.opened


def test_an_interrupt_while_the_session_begins_gives_the_meter_back_too() -> None:
    rig = make_rig(STEPS, UsbBehaviour(ignored_connects=1))

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        Km003cUsb(SOCKET, backend=rig.bus, now=rig.clock.now, sleep=interrupted) as meter,
    ):
        meter.read()
    assert rig.socket.kernel_driver
    assert not rig.socket.opened


def test_a_meter_that_is_opened_and_closed_unread_hears_nothing() -> None:
    rig = make_rig()
    with rig.open() as meter:
        assert meter.serial_number == "007965"
    assert rig.meter.received == []
    assert rig.socket.kernel_driver


@pytest.mark.parametrize(
    "trouble", [{"serial_number": ""}, {"open_error": errno.EACCES}], ids=["none", "no permission"]
)
def test_a_serial_number_that_cannot_be_had_is_unknown(trouble: dict[str, object]) -> None:
    rig = make_rig(**trouble)
    assert bulk.serial_number(bulk.device_at(SOCKET, rig.bus)) is None


def test_full_replies_of_old_samples_without_end_end_in_an_error_and_never_hang() -> None:
    rig = make_rig()
    answer = rig.meter.receive
    old = queue_block([QueueSample(number, 5_000_000, 1_000_000, 0, 0, 0, 0) for number in range(MAX_SAMPLES)])

    def delivers_again(packet: bytes) -> None:
        answer(packet)
        if packet[0] == protocol.GET_DATA:
            rig.meter.outgoing[-1] = protocol.data_reply(packet[1], [old])

    with rig.begun() as meter:
        rig.meter.receive = delivers_again  # type: ignore[method-assign]
        polls_before = len(rig.meter.received)
        assert meter.read() == ()
        assert len(rig.meter.received) - polls_before == 1
        with pytest.raises(MeterUnreachable, match="no new sample"):
            rig.record(meter, 20.0)


def test_a_read_has_an_end_though_the_meter_always_has_more() -> None:
    rig = make_rig()

    def one_new_among_old_ones(packet: bytes) -> None:
        rig.clock.wait(0.002)
        samples = [QueueSample(next(clocks_ms), 5_000_000, 1_000_000, 0, 0, 0, 0)] * MAX_SAMPLES
        rig.meter.outgoing.append(protocol.data_reply(packet[1], [queue_block(samples)]))

    with rig.begun(1000) as meter:
        clocks_ms = itertools.count(rig.record(meter, 0.2)[-1].identity[0] + 1)
        rig.meter.receive = one_new_among_old_ones  # type: ignore[method-assign]
        began_s = rig.clock.now_s
        assert len(meter.read()) > 100
        assert rig.clock.now_s - began_s < 2.0


def test_memory_that_dribbles_in_is_waited_for_no_longer_than_an_answer() -> None:
    rig = make_rig()
    answer = rig.meter.receive

    def dribbles(packet: bytes) -> None:
        answer(packet)
        if packet[0] == 0x44:
            confirmation, data = rig.meter.outgoing
            rig.meter.outgoing.clear()
            rig.meter.outgoing.append(confirmation)
            rig.meter.outgoing.extend(bytes([byte]) for byte in data[:-1])

    rig.meter.receive = dribbles  # type: ignore[method-assign]
    began_s = rig.clock.now_s
    with pytest.raises(MeterProtocolError, match="63 bytes instead of 64"):
        rig.begun()
    assert rig.clock.now_s - began_s < 3.0


@pytest.mark.parametrize(
    ("trouble", "said", "remedy"),
    [
        ({"open_error": errno.EACCES}, "No permission", "udev"),
        ({"claim_error": errno.EBUSY}, "Another program", "km003c-hwmon"),
        ({"interfaces": (0x02, 0x0A)}, "no interface of the vendor", "Plug"),
    ],
    ids=["permission", "busy", "another device"],
)
def test_a_meter_that_cannot_be_had_says_why_and_keeps_its_driver(
    trouble: dict[str, object], said: str, remedy: str
) -> None:
    rig = make_rig(**trouble)
    with pytest.raises(MeterUnreachable, match=said) as caught:
        rig.begun()
    assert remedy in caught.value.remedy
    assert rig.socket.kernel_driver


def test_without_libusb_the_remedy_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_backend(**arguments: object) -> None:
        raise usb_core.NoBackendError("No backend available")

    monkeypatch.setattr(usb_core, "find", no_backend)
    with pytest.raises(MeterUnreachable, match="libusb is missing") as caught:
        Km003cUsb(SOCKET)
    assert "apt install libusb" in caught.value.remedy


def test_the_vendors_interface_is_found_by_its_class_whatever_its_number() -> None:
    rig = make_rig(interfaces=(0x03, 0x02, 0x0A, 0xFF), product=0x0061)
    with rig.begun() as meter:
        assert rig.record(meter, 1.0)


def test_of_two_meters_the_one_in_the_socket_is_opened() -> None:
    rig = make_rig(LoadHistory([LoadPoint(0.0, 5.0, 1.0)]))
    other = EmulatedUsbMeter(LoadHistory([LoadPoint(0.0, 20.0, 3.0)]), bulk.Km003cCipher(), rig.clock.now)
    rig.bus.sockets.insert(0, EmulatedSocket(other, port=2))
    for port, voltage_v in ((SOCKET, 5.0), ("1-1.2", 20.0)):
        with Km003cUsb(port, backend=rig.bus, now=rig.clock.now, sleep=rig.clock.wait) as meter:
            assert rig.record(meter, 0.2)[0].voltage_v == voltage_v


@pytest.mark.parametrize("rate_hz", [0, 1, 49, 100, 10_000])
def test_a_rate_that_the_meter_does_not_have_is_refused_before_it_is_looked_for(rate_hz: int) -> None:
    with pytest.raises(MeterSettingError, match=f"{rate_hz} times a second") as caught:
        Km003cUsb("1-99", rate_hz=rate_hz)
    assert "2, 10, 50, 1000" in caught.value.remedy


def test_closing_twice_and_reading_after_are_harmless() -> None:
    meter = make_rig().begun()
    meter.close()
    meter.close()
    with pytest.raises(MeterUnreachable, match="closed"):
        meter.read()


def test_garbage_in_place_of_replies_is_never_more_than_an_error_of_the_meter() -> None:
    chance = random.Random(7)
    errors: Counter[str] = Counter()
    for _ in range(60):
        rig = make_rig()
        meter = rig.begun()
        answer = rig.meter.receive
        rig.meter.receive = _mangling(answer, rig.meter, chance)  # type: ignore[method-assign]
        for _ in range(5):
            try:
                meter.read()
            except PowerError as error:
                errors[type(error).__name__] += 1
        meter.close()
    assert {"MeterProtocolError", "MeterUnreachable"} <= set(errors)


def _mangling(
    answer: Callable[[bytes], None], meter: EmulatedUsbMeter, chance: random.Random
) -> Callable[[bytes], None]:
    """Break replies: flip a byte, cut, swap for noise, send twice or not at all."""

    def receive(packet: bytes) -> None:
        answer(packet)
        for _ in range(len(meter.outgoing)):
            transfer = bytearray(meter.outgoing.popleft())
            way = chance.randrange(6)
            if way == 0:
                transfer[chance.randrange(len(transfer))] ^= 1 << chance.randrange(8)
            elif way == 1:
                del transfer[chance.randrange(len(transfer)) :]
            elif way == 2:
                transfer[:] = chance.randbytes(chance.randrange(200))
            meter.outgoing.extend([bytes(transfer)] * (2 if way == 3 else 0 if way == 4 else 1))

    return receive
