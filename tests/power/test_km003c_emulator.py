"""The emulated meter on its pseudo-terminal: what it hears, how it answers, and its cable."""

import math
import termios
import time
from pathlib import Path

import pytest
import serial

from power.errors import MeterSettingError, WindowNotCovered
from power.meters.km003c import adc, protocol
from power.meters.km003c.emulated_adc import AdcModel
from power.meters.km003c.emulated_line import EmulatedLine, LineBehaviour, RequestListener
from power.meters.km003c.emulated_load import LoadHistory, LoadPoint
from power.meters.km003c.emulator import CableTimes, Km003cEmulator
from tests.rigs.waiting import until

DISCONNECT_BYTES, REPLY_BYTES = 4, 52
PATIENCE_S = 60.0


def sent(behaviour: LineBehaviour, requests: int, since_began_s: float = 0.0) -> list[bytes]:
    """What goes out for each of so many requests; the reply to the n-th is 52 times the byte n."""
    line = EmulatedLine(behaviour)
    replies = (bytes([number]) * REPLY_BYTES for number in range(1, requests + 1))
    return [b"".join(piece for _, piece in line.send(reply, since_began_s)) for reply in replies]


def test_an_undisturbed_line_carries_the_replies_alone() -> None:
    assert sent(LineBehaviour(), 3) == [bytes([number]) * REPLY_BYTES for number in (1, 2, 3)]
    assert [pause_s for pause_s, _ in EmulatedLine(LineBehaviour()).send(b"reply", 0.0)] == [0.0002]


def test_stale_frames_stand_in_front_of_every_nth_reply() -> None:
    first, second, third, fourth = sent(LineBehaviour(stale_every=2), 4)
    assert [len(data) for data in (first, third)] == [REPLY_BYTES] * 2
    for data, before, after in ((second, 1, 2), (fourth, 3, 4)):
        assert (data[0], data[2:4]) == (protocol.DISCONNECT, b"\0\0")
        assert data[4:] == bytes([before]) * REPLY_BYTES + bytes([after]) * REPLY_BYTES
    assert len(sent(LineBehaviour(stale_every=1), 1)[0]) == DISCONNECT_BYTES + REPLY_BYTES


def test_garbage_stands_in_front_of_every_nth_reply() -> None:
    assert [data[:3] for data in sent(LineBehaviour(garbage_every=3, garbage=b"AT\r"), 3)][1:] == [
        b"\2\2\2",
        b"AT\r",
    ]


def test_silence_always_every_nth_time_or_for_a_stretch() -> None:
    assert sent(LineBehaviour(silent_every=1), 3) == [b""] * 3
    assert [bool(data) for data in sent(LineBehaviour(silent_every=3), 6)] == [True, True, False] * 2
    stretch = LineBehaviour(silent_from_s=1.0, silent_until_s=2.0)
    assert [bool(sent(stretch, 1, at_s)[0]) for at_s in (0.9, 1.0, 1.9, 2.0)] == [True, False, False, True]


def test_split_replies_come_in_pieces_at_other_places_each_time_and_whole() -> None:
    line, cuts = EmulatedLine(LineBehaviour(split=True)), set()
    for _ in range(20):
        pieces = [piece for _, piece in line.send(bytes(range(REPLY_BYTES)), 0.0)]
        assert b"".join(pieces) == bytes(range(REPLY_BYTES))
        assert len(pieces) == 4 and all(pieces)
        cuts.add(tuple(map(len, pieces)))
    assert len(cuts) > 10
    assert sent(LineBehaviour(split=True, seed=1), 9) == sent(LineBehaviour(split=True, seed=1), 9)


@pytest.mark.parametrize("settings", [{"stale_every": -1}, {"silent_every": -2}, {"reply_delay_s": float("nan")}])
def test_impossible_lines_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(MeterSettingError):
        LineBehaviour(**settings)


def test_requests_are_found_among_text_and_other_packets_wherever_they_are_split() -> None:
    data = b"qc 9V" + protocol.get_data(7) + protocol.connect(1) + b"AT\r\n" + protocol.get_data(8, protocol.ADC_QUEUE)
    for cut in range(len(data)):
        listener = RequestListener()
        found = listener.feed(data[:cut]) + listener.feed(data[cut:])
        assert [(request.request_id, request.attributes) for request in found] == [(7, 1), (8, 2)]
        assert (listener.requests, listener.other_bytes) == (2, len(data) - 8)


def test_text_is_ignored_and_kept() -> None:
    with Km003cEmulator() as emulator, serial.Serial(emulator.port, timeout=PATIENCE_S) as line:
        line.write(b"qc 9V")
        line.write(protocol.get_data(3))
        (frame,) = protocol.FrameCutter().feed(line.read(REPLY_BYTES))
        assert frame.header.request_id == 3
        assert line.in_waiting == 0
        assert emulator.received == b"qc 9V" + protocol.get_data(3)
        assert (emulator.requests, emulator.other_bytes) == (1, 5)


@pytest.mark.parametrize("block_bytes", [40, 44])
@pytest.mark.parametrize("bits_16_21", [0, 2])
def test_replies_have_the_meters_form(block_bytes: int, bits_16_21: int) -> None:
    model = AdcModel(block_bytes=block_bytes, bits_16_21=bits_16_21)
    with (
        Km003cEmulator(9.0, -0.417, adc=model) as emulator,
        serial.Serial(emulator.port, timeout=PATIENCE_S) as line,
    ):
        line.write(protocol.get_data(200))
        (frame,) = protocol.FrameCutter().feed(line.read(8 + block_bytes))
        expected_words = (8 + block_bytes) // 4 - 3
        assert frame.header == protocol.Header(protocol.PUT_DATA, 200, bits_16_21, expected_words)
        assert adc.adc_block(frame).vbus_uv == 9_000_000
        line.write(protocol.get_data(201, protocol.ADC_QUEUE))
        assert line.read(4) == bytes([0x41, 201, bits_16_21, 0])  # nothing without an unlocked session


def test_the_true_energy_is_the_exact_integral() -> None:
    with Km003cEmulator(5.0, 0.0) as emulator:
        first_s = emulator.set_load(4.0, 0.5)
        second_s = emulator.set_load(5.0, -1.0)
        expected_j = 2.0 * (second_s - first_s) - 5.0 * 3.0
        assert emulator.true_energy_j(first_s - 10.0, second_s + 3.0) == pytest.approx(expected_j, abs=1e-12)
        assert emulator.true_energy_j(second_s + 1.0, second_s + 2.0) == pytest.approx(-5.0, abs=1e-9)
        with pytest.raises(WindowNotCovered):
            emulator.true_energy_j(2.0, 1.0)


def test_a_script_counts_from_the_emulators_beginning() -> None:
    script = LoadHistory([LoadPoint(0.0, 5.0, 1.0), LoadPoint(100.0, 5.0, 2.0), LoadPoint(200.0, 5.0, 2.0)])
    with Km003cEmulator(script=script) as emulator:
        began_s = emulator.began_s
        assert emulator.true_energy_j(began_s, began_s + 150.0) == pytest.approx(500.0 + 500.0, abs=1e-6)
        with pytest.raises(MeterSettingError, match="script"):
            emulator.set_load(5.0, 3.0)


def test_a_script_can_begin_with_the_first_poll() -> None:
    with Km003cEmulator(start_on_first_poll=True) as emulator, serial.Serial(emulator.port, timeout=PATIENCE_S) as line:
        line.write(b"no request")
        until(lambda: emulator.other_bytes == 10)
        asked_s = time.monotonic()
        assert emulator.began_s < asked_s
        for number in range(2):
            line.write(protocol.get_data(number))
            line.read(REPLY_BYTES)
            if number == 0:
                began_s = emulator.began_s
                assert asked_s <= began_s <= time.monotonic()
        assert emulator.began_s == began_s


def test_the_stable_path_leads_to_the_terminal_of_now_and_to_nothing_while_unplugged() -> None:
    with Km003cEmulator() as emulator:
        stable = Path(emulator.stable_port)
        assert "emulated" in stable.name
        assert stable.parent.stat().st_mode & 0o077 == 0
        assert stable.readlink() == Path(emulator.port)
        emulator.unplug()
        emulator.unplug()
        assert (emulator.port, stable.is_symlink()) == ("", False)
        emulator.replug()
        emulator.replug()
        assert stable.readlink() == Path(emulator.port)
    assert not stable.parent.exists()
    emulator.close()
    emulator.replug()
    assert emulator.port == ""


def test_the_cable_is_pulled_and_put_back_at_its_times() -> None:
    with (
        Km003cEmulator(cable=CableTimes(0.05, 0.3), start_on_first_poll=True) as emulator,
        serial.Serial(emulator.port, timeout=PATIENCE_S) as line,
    ):
        line.write(protocol.get_data(1))
        with pytest.raises((OSError, termios.error)):  # hung up, which can be seen however late one looks
            line.read(REPLY_BYTES + 1)
        until(lambda: emulator.port != "")
        assert emulator.port.startswith("/dev/pts/")


def test_a_cable_cannot_be_put_back_before_it_is_pulled() -> None:
    for times in (
        (2.0, 1.0),
        (1.0, 1.0),
        (None, 1.0),
        (1.0, math.inf),
        (-1.0, None),
        (math.nan, None),
        (1e10, None),
        (1.0, 1e10),
    ):
        with pytest.raises(MeterSettingError, match="The cable cannot be"):
            CableTimes(*times)


def test_what_was_heard_and_what_flowed_outlast_the_cable() -> None:
    with Km003cEmulator(5.0, 1.0) as emulator:
        for _ in range(2):
            with serial.Serial(emulator.stable_port, timeout=PATIENCE_S) as line:
                line.write(protocol.get_data(1))
                assert len(line.read(REPLY_BYTES)) == REPLY_BYTES
            emulator.unplug()
            emulator.replug()
        assert emulator.received == protocol.get_data(1) * 2
        assert emulator.true_energy_j(emulator.began_s, emulator.began_s + 2.0) == pytest.approx(10.0)


def test_a_load_no_packet_can_carry_is_refused() -> None:
    for load in ((1e9, 0.0), (5.0, float("nan"))):
        with pytest.raises(MeterSettingError):
            Km003cEmulator(*load)
