"""Published KM003C packets and what they say: every integer, both ways."""

import json
import struct
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from power.energy import window_energy
from power.errors import MeterProtocolError
from power.meters.km003c import adc, adc_queue, protocol
from power.meters.km003c.emulated_load import LoadHistory, LoadPoint
from power.trace import MeterFacts, PowerTrace

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data/km003c/vectors.json").read_text())
REPLIES = {vector["name"]: vector for vector in VECTORS["replies"]}
ADC_REPLIES = [name for name, vector in REPLIES.items() if "adc" in vector]
QUEUE_REPLIES = [name for name, vector in REPLIES.items() if "samples" in vector]


def reply(name: str) -> bytes:
    return bytes.fromhex(REPLIES[name]["hex"])


def only_frame(name: str) -> protocol.Frame:
    (frame,) = protocol.FrameCutter().feed(reply(name))
    return frame


@pytest.mark.parametrize("packet", VECTORS["control_packets"]["packets"], ids=lambda packet: packet["hex"])
def test_d1_control_packets_are_read_and_built_bit_by_bit(packet: dict[str, Any]) -> None:
    fields = {name: packet[name] for name in ("packet_type", "request_id", "attributes")}
    assert asdict(protocol.parse_request(bytes.fromhex(packet["hex"]))) == fields
    assert protocol.request(**fields).hex() == packet["hex"]


def test_d1_each_request_has_a_function_of_its_own() -> None:
    built = {
        protocol.get_data(0),
        protocol.get_data(10),
        protocol.get_data(7, protocol.PD_STATUS),
        protocol.get_data(1, protocol.ADC_QUEUE),
        protocol.get_data(1, protocol.ADC | protocol.ADC_QUEUE),
        protocol.connect(1),
        protocol.accept(1),
        protocol.start_graph(34, protocol.GRAPH_RATES_HZ.index(50)),
        protocol.accept(34),
        *(protocol.start_graph(1, index) for index in range(4)),
        protocol.stop_graph(127),
        protocol.accept(127),
        protocol.stop_graph(182),
        protocol.reject(182),
        protocol.disconnect(5),
    }
    assert {packet.hex() for packet in built} == {p["hex"] for p in VECTORS["control_packets"]["packets"]}


def test_d1_what_a_meter_answers_is_four_bytes_without_blocks() -> None:
    answers = [bytes.fromhex(text) for text in ("05010000", "05220000", "057f0000", "06b60000", "03050000")]
    frames = protocol.FrameCutter().feed(b"".join(answers))
    expected = [(0x05, 1), (0x05, 34), (0x05, 127), (0x06, 182), (0x03, 5)]
    assert [(frame.header.packet_type, frame.header.request_id) for frame in frames] == expected
    assert all(frame.blocks == () for frame in frames)


@pytest.mark.parametrize("name", REPLIES)
def test_d2_to_d12_headers_and_blocks(name: str) -> None:
    vector, frame = REPLIES[name], only_frame(name)
    header = dict(vector["header"])
    assert len(reply(name)) == header.pop("total_bytes")
    assert asdict(frame.header) == header
    for block, expected in zip(frame.blocks, vector["blocks"], strict=True):
        assert (block.attribute, block.elements) == (expected["attribute"], expected["elements"])
        assert len(block.payload) == expected["size_bytes"] * (expected["elements"] or 1)
    assert [expected["next"] for expected in vector["blocks"]] == [1] * (len(frame.blocks) - 1) + [0] * bool(
        frame.blocks
    )
    assert protocol.parse_transfer(reply(name)) == frame


@pytest.mark.parametrize("name", ADC_REPLIES)
def test_d2_to_d12_every_field_of_the_adc_block(name: str) -> None:
    vector, raw = REPLIES[name], adc.adc_block(only_frame(name))
    assert asdict(raw) == vector["adc"]
    power_w = raw.voltage_v * raw.current_a
    assert power_w == pytest.approx(vector["power_w"], abs=5e-7 if name != "D12" else 5e-11)
    assert raw.temperature_c == vector["temperature_c"]


@pytest.mark.parametrize("name", QUEUE_REPLIES)
def test_d5_and_d9_every_field_of_the_queue(name: str) -> None:
    vector, samples = REPLIES[name], adc_queue.queue_samples(only_frame(name))
    assert [asdict(sample) for sample in samples] == vector["samples"]
    mean_w = sum(sample.voltage_v * sample.current_a for sample in samples) / len(samples)
    assert mean_w == pytest.approx(vector["mean_power_w"], abs=5e-7)


def test_d7_the_block_behind_the_adc_block_begins_where_it_should() -> None:
    frame = only_frame("D7")
    assert frame.blocks[1].attribute == protocol.PD_STATUS
    clock_ms, vbus_mv, ibus_ma, cc1_mv, cc2_mv = struct.unpack("<IHhHH", frame.blocks[1].payload)
    expected = REPLIES["D7"]["pd_status"]
    assert [clock_ms, vbus_mv, ibus_ma, cc1_mv, cc2_mv] == list(expected.values())


def test_d8_the_empty_reply_holds_nothing_and_is_no_measurement() -> None:
    frame = only_frame("D8")
    assert (frame.blocks, adc_queue.queue_samples(frame)) == ((), ())
    with pytest.raises(MeterProtocolError, match="no ADC block"):
        adc.adc_block(frame)


@pytest.mark.parametrize("cut", [4, 5, 8, 24])
def test_d13_the_other_stream_is_refused_by_name(cut: int) -> None:
    data = bytes.fromhex(VECTORS["other_stream"]["hex"])
    for read in (protocol.FrameCutter().feed, protocol.parse_transfer):
        with pytest.raises(MeterProtocolError, match="the streaming format of newer firmware") as caught:
            read(data[:cut])
        assert "unplug the meter" in caught.value.remedy


def test_d14_bare_queue_samples() -> None:
    vector = VECTORS["queue_payload"]
    payload = bytes.fromhex(vector["hex"])
    samples = adc_queue.parse_samples(protocol.Block(protocol.ADC_QUEUE, payload, elements=3))
    assert [asdict(sample) for sample in samples] == vector["samples"]
    power_w = [sample.voltage_v * sample.current_a for sample in samples]
    assert power_w == pytest.approx(vector["power_w"], abs=5e-7)


@pytest.mark.parametrize("window", VECTORS["energy"]["trapezoid"], ids=str)
def test_d15_a_linear_load_has_the_energy_that_was_computed_by_hand(window: dict[str, float]) -> None:
    energy = VECTORS["energy"]
    points = [LoadPoint(t, 1.0, power) for t, power in zip(energy["t_s"], energy["power_w"], strict=True)]
    load = LoadHistory(points, interpolate=True)
    assert load.energy_j(window["start_s"], window["end_s"]) == pytest.approx(window["energy_j"], abs=1e-12)


@pytest.mark.parametrize(("averaging", "rule"), [("instant", "trapezoid"), ("block", "covers_the_interval_before")])
def test_d15_a_trace_has_the_energy_that_was_computed_by_hand(averaging: Any, rule: str) -> None:
    energy = VECTORS["energy"]
    facts = MeterFacts("km003c", "serial", "/dev/ttyACM0", False, 1, "vbus/ibus", 0.5, averaging)
    trace = PowerTrace(facts, 0.0, "2026-01-02T03:04:05+00:00", energy["t_s"], [1.0] * 5, energy["power_w"])
    for window in energy[rule]:
        result = window_energy(trace, window["start_s"], window["end_s"])
        assert result.energy_j == pytest.approx(window["energy_j"], abs=1e-12)


@pytest.mark.parametrize("name", REPLIES)
def test_replies_are_built_as_the_meter_builds_them(name: str) -> None:
    """But for the number of words, which meters write in more than one way."""
    frame = only_frame(name)
    built = protocol.data_reply(frame.header.request_id, frame.blocks, frame.header.bits_16_21)
    assert built[:2] == reply(name)[:2] and built[4:] == reply(name)[4:]
    (again,) = protocol.FrameCutter().feed(built)
    assert replace(again, header=replace(again.header, words=frame.header.words)) == frame
    if name not in ("D5", "D12"):
        assert built == reply(name)


@pytest.mark.parametrize("name", ADC_REPLIES)
def test_adc_blocks_are_packed_as_they_were_read(name: str) -> None:
    block = only_frame(name).blocks[0]
    assert adc.pack_adc(adc.parse_adc(block.payload), len(block.payload)) == block.payload


@pytest.mark.parametrize("name", QUEUE_REPLIES)
def test_queues_are_packed_as_they_were_read(name: str) -> None:
    frame = only_frame(name)
    assert adc_queue.queue_block(adc_queue.queue_samples(frame)) == frame.blocks[0]
