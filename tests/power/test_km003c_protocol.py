"""The rules by which the KM003C's packets are cut and read."""

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.errors import MeterProtocolError
from power.meters.km003c import adc, adc_queue, protocol

VECTORS = json.loads((Path(__file__).parents[1] / "data/km003c/vectors.json").read_text())
REPLIES = {vector["name"]: bytes.fromhex(vector["hex"]) for vector in VECTORS["replies"]}
DISCONNECT = bytes.fromhex("03050000")

ATTRIBUTES = [1 << bit for bit in range(15) if 1 << bit not in protocol.QUEUES]
PLAIN_BLOCKS = st.builds(protocol.Block, st.sampled_from(ATTRIBUTES), st.binary(max_size=60))
QUEUE_BLOCKS = st.builds(
    lambda attribute, elements, size: protocol.Block(attribute, bytes(elements * size), elements),
    st.sampled_from(protocol.QUEUES),
    st.integers(1, 63),
    st.integers(0, 20),
)
SAMPLES = st.builds(
    adc_queue.QueueSample,
    st.integers(0, 2**32 - 1),
    *[st.integers(-(2**31), 2**31 - 1)] * 2,
    *[st.integers(0, 2**16 - 1)] * 4,
)


@given(st.integers(0, 255), st.lists(PLAIN_BLOCKS | QUEUE_BLOCKS, min_size=1, max_size=3), st.integers(0, 63))
def test_any_reply_that_is_built_is_read_back(request_id: int, blocks: list[protocol.Block], bits: int) -> None:
    data = protocol.data_reply(request_id, blocks, bits)
    frame = protocol.parse_transfer(data)
    assert (frame.header.request_id, frame.header.bits_16_21, frame.blocks) == (request_id, bits, tuple(blocks))
    if frame.header.words:
        assert protocol.FrameCutter().feed(data) == [frame]


@given(st.lists(SAMPLES, max_size=adc_queue.MAX_SAMPLES))
def test_any_queue_that_is_built_is_read_back(samples: list[adc_queue.QueueSample]) -> None:
    data = protocol.data_reply(1, [adc_queue.queue_block(samples)])
    assert len(data) <= 1268  # the longest reply in public captures
    assert adc_queue.queue_samples(protocol.parse_transfer(data)) == tuple(samples)


@given(st.lists(st.integers(1, 60), max_size=12))
def test_frames_are_cut_the_same_wherever_the_stream_is_split(steps: list[int]) -> None:
    stream = DISCONNECT + REPLIES["D7"] + REPLIES["D8"] + REPLIES["D12"] + REPLIES["D9"] + REPLIES["D2"]
    whole = protocol.FrameCutter().feed(stream)
    assert [len(frame.blocks) for frame in whole] == [0, 2, 0, 1, 1, 1]
    cutter, frames, position = protocol.FrameCutter(), [], 0
    for step in [*steps, len(stream)]:
        frames += cutter.feed(stream[position : position + step])
        position += step
    assert frames == whole
    assert cutter.pending_bytes == 0


def test_reading_by_missing_bytes_never_reads_past_a_frame() -> None:
    stream, cutter, position, frames = REPLIES["D7"] + REPLIES["D12"], protocol.FrameCutter(), 0, []
    while position < len(stream):
        step = cutter.missing_bytes
        assert step > 0
        (*cut,) = cutter.feed(stream[position : position + step])
        assert len(cut) <= 1
        position += step
        frames += cut
    assert [len(frame.blocks) for frame in frames] == [2, 1]


@pytest.mark.parametrize("words", [1, 9, 511, 1023])
def test_the_number_of_words_frames_nothing_but_the_empty_reply(words: int) -> None:
    data = bytearray(REPLIES["D2"])
    struct.pack_into("<I", data, 0, protocol.PUT_DATA | words << 22)
    (frame,) = protocol.FrameCutter().feed(bytes(data) + DISCONNECT)[:-1]
    assert adc.adc_block(frame).vbus_uv == 5_053_509
    struct.pack_into("<I", data, 0, protocol.PUT_DATA)
    assert protocol.FrameCutter().feed(bytes(data[:4]))[0].blocks == ()
    assert adc.adc_block(protocol.parse_transfer(bytes(data))).vbus_uv == 5_053_509  # the transfer tells its length


def test_a_block_of_an_unknown_quantity_is_passed_over_by_its_size() -> None:
    unknown = protocol.Block(0x0200, b"offline log")
    (known,) = protocol.parse_transfer(REPLIES["D2"]).blocks
    frames = protocol.FrameCutter().feed(protocol.data_reply(1, [unknown, known]) + DISCONNECT)
    assert adc.adc_block(frames[0]).ibus_ua == -90_450
    assert len(frames) == 2


def test_bytes_after_the_last_block_of_a_transfer_are_passed_over() -> None:
    """A public vector declares two samples and carries five."""
    data = bytearray(REPLIES["D9"])
    struct.pack_into("<I", data, 4, protocol.ADC_QUEUE | 2 << 16 | adc_queue.SAMPLE_BYTES << 22)
    frame = protocol.parse_transfer(bytes(data))
    assert [sample.clock_ms for sample in adc_queue.queue_samples(frame)] == [3_902_914, 3_902_934]
    assert protocol.parse_transfer(DISCONNECT + b"\0") == protocol.parse_transfer(DISCONNECT)


@pytest.mark.parametrize("length", range(0, 68))
def test_a_transfer_that_is_cut_short_is_refused(length: int) -> None:
    with pytest.raises(MeterProtocolError, match=f"{length} bytes"):
        protocol.parse_transfer(REPLIES["D7"][:length])


def test_a_missing_temperature_is_none_and_not_minus_256_degrees() -> None:
    data = bytearray(REPLIES["D2"])
    data[32:34] = b"\x00\x80"
    assert adc.adc_block(protocol.parse_transfer(bytes(data))).temperature_c is None


def test_the_shorter_adc_block_has_no_averages_of_the_data_lines() -> None:
    raw = adc.adc_block(protocol.parse_transfer(REPLIES["D12"]))
    assert (raw.d_plus_avg_mv, raw.d_minus_avg_mv) == (None, None)
    assert len(adc.pack_adc(adc.adc_block(protocol.parse_transfer(REPLIES["D2"])), 40)) == 40


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1))
def test_volts_and_amperes_keep_every_digit_of_the_meters_however_large_the_load(vbus_uv: int, ibus_ua: int) -> None:
    raw = adc.parse_adc(struct.pack("<ii", vbus_uv, ibus_ua) + bytes(36))
    assert (round(raw.voltage_v * 1e6), round(raw.current_a * 1e6)) == (vbus_uv, ibus_ua)


def test_queue_samples_of_another_length_are_refused_and_not_read_as_wrong_numbers() -> None:
    five_longer_ones = protocol.Block(protocol.ADC_QUEUE, bytes(5 * 24), elements=5)
    frame = protocol.parse_transfer(protocol.data_reply(1, [five_longer_ones]))
    with pytest.raises(MeterProtocolError, match="120 bytes holds 5 samples") as caught:
        adc_queue.queue_samples(frame)
    assert "firmware" in caught.value.remedy


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("c1008002"),  # bit 7 is never set
        bytes.fromhex("42008002"),  # a data type nobody asks for
        bytes.fromhex("41008002 00000000"),  # a block of no quantity
        bytes.fromhex("41008002 0300000b"),  # a block of two
        bytes.fromhex("41008002 0280ffff") + bytes(4095),  # 63 elements of 1023 bytes
    ],
)
def test_implausible_bytes_empty_the_buffer(data: bytes) -> None:
    cutter = protocol.FrameCutter()
    with pytest.raises(MeterProtocolError) as caught:
        cutter.feed(data)
    assert caught.value.remedy
    assert cutter.pending_bytes == 0
    assert cutter.feed(REPLIES["D2"])[0].header.request_id == 0


def test_blocks_and_headers_of_another_length_are_refused() -> None:
    with pytest.raises(MeterProtocolError, match="48 bytes"):
        adc.parse_adc(bytes(48))
    with pytest.raises(MeterProtocolError, match="19 bytes"):
        adc_queue.parse_samples(protocol.Block(protocol.ADC_QUEUE, bytes(19), elements=1))
    with pytest.raises(MeterProtocolError, match="3 bytes"):
        protocol.parse_request(b"\x0c\x00\x02")


def test_request_ids_count_modulo_256() -> None:
    assert protocol.get_data(257) == protocol.get_data(1) == bytes.fromhex("0c010200")
    assert protocol.get_data(1, 0x0200) == bytes.fromhex("0c010004")
