"""The KM003C's packets against public vectors (okhsunrog/km003c-rs, its captures, the vendor's example)."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.errors import MeterProtocolError
from power.meters.km003c import protocol

# name: reply, then id, vbus µV, ibus µA, vbus_avg, ibus_avg, vbus_ori_avg, ibus_ori_avg, temperature,
# cc1, cc2, D+, D-, VDD, word 36, cc2_avg, D+_avg, D-_avg
ADC_VECTORS = {
    "D2": (
        "410080020100000b451c4d00ae9efeffdb1c4d00239ffeffe11c4d00819ffeffc90c8a100e0000000000787e0080020000000000",
        (0, 5053509, -90450, 5053659, -90333, 5053665, -90239, 3273, 4234, 14, 0, 0, 32376, 0x8000, 2, 0, 0),
    ),
    "D3": (
        "410a82020100000b5c0f0000faffffffa00f0000f2ffffff04100000500000007e0d7b7ed40471014201837e0080780025002100",
        (10, 3932, -6, 4000, -14, 4100, 80, 3454, 32379, 1236, 369, 322, 32387, 0x8000, 120, 37, 33),
    ),
    "D4": (
        "410c82020100000be08d4d001e000000218e4d00eaffffff278e4d00480000001c0c9502737e000001007b7e0080a40c00000000",
        (12, 5082592, 30, 5082657, -22, 5082663, 72, 3100, 661, 32371, 0, 1, 32379, 0x8000, 3236, 0, 0),
    ),
    "D6": (
        "41ac82020100000b4a66a5019efebbff55f7aa013ab1deff5bf7aa01f2c2deff3e0f00009d3ce77bbf519e7e00802006650c2108",
        (
            172,
            27616842,
            -4456802,
            27981653,
            -2182854,
            27981659,
            -2178318,
            3902,
            0,
            15517,
            31719,
            20927,
            32414,
            0x8000,
            1568,
            3173,
            2081,
        ),
    ),
    "D7": (
        "410682030180000ba10f0000daffffff760f0000f6ffffffda0f000054000000a60d717ecf0430010101797e00807a001e001900"
        "1000000331d45b0004000000a50c7c00",
        (6, 4001, -38, 3958, -10, 4058, 84, 3494, 32369, 1231, 304, 257, 32377, 0x8000, 122, 30, 25),
    ),
    "D10": (
        "413382020100000b5a648900efa3f9ff7e1d8a00c6adfbff841d8a0024aefbffdc0fd8405e0044228122947e008004006f037603",
        (
            51,
            9004122,
            -416785,
            9051518,
            -283194,
            9051524,
            -283100,
            4060,
            16600,
            94,
            8772,
            8833,
            32404,
            0x8000,
            4,
            879,
            886,
        ),
    ),
    "D11": (
        "411382020100000b1e988a00e3f3eeff739a8a0091efeeff799a8a009cf8eeff760fd240050135173017967e0080180051025102",
        (
            19,
            9082910,
            -1117213,
            9083507,
            -1118319,
            9083513,
            -1116004,
            3958,
            16594,
            261,
            5941,
            5936,
            32406,
            0x8000,
            24,
            593,
            593,
        ),
    ),
    "D12": (
        "410902020100000a053e00001a000000fa3d000014000000fa3d00001400000000007b7c7080810283024d84690cd20c",
        (9, 15877, 26, 15866, 20, 15866, 20, 0, 31867, 32880, 641, 643, 33869, 3177, 3282, None, None),
    ),
}
POWER_W = {"D2": -0.457090, "D6": -123.082797, "D10": -3.752783, "D11": -10.147545, "D12": 4.12802e-7}
EMPTY_REPLY = bytes.fromhex("411f0200")  # D8
STALE_DISCONNECT = bytes.fromhex("03050000")


def reply(name: str) -> bytes:
    return bytes.fromhex(ADC_VECTORS[name][0])


@pytest.mark.parametrize("name", ADC_VECTORS)
def test_every_field_of_a_published_reply(name: str) -> None:
    (frame,) = protocol.FrameCutter().feed(reply(name))
    assert frame.header.packet_type == protocol.PUT_DATA
    assert (frame.header.request_id, *vars(protocol.adc_block(frame)).values()) == ADC_VECTORS[name][1]


@pytest.mark.parametrize("name", POWER_W)
def test_power_is_the_product_of_the_integers(name: str) -> None:
    (frame,) = protocol.FrameCutter().feed(reply(name))
    assert protocol.adc_reading(protocol.adc_block(frame)).power_w == pytest.approx(POWER_W[name], abs=5e-7, rel=1e-6)


def test_physical_units() -> None:
    (frame,) = protocol.FrameCutter().feed(reply("D2"))
    reading = protocol.adc_reading(protocol.adc_block(frame))
    assert (reading.voltage_v, reading.current_a) == (5.053509, -0.09045)
    assert reading.temperature_c == 25.5703125
    assert (reading.cc1_v, reading.vdd_v) == (0.4234, 3.2376)


def test_a_missing_temperature_is_not_minus_256_degrees() -> None:
    data = bytearray(reply("D2"))
    data[32:34] = b"\x00\x80"
    (frame,) = protocol.FrameCutter().feed(bytes(data))
    assert protocol.adc_reading(protocol.adc_block(frame)).temperature_c is None


def test_blocks_after_the_adc_block_are_cut_by_their_size() -> None:
    frames = protocol.FrameCutter().feed(reply("D7") + reply("D2"))
    assert [[(block.attribute, len(block.payload)) for block in frame.blocks] for frame in frames] == [
        [(1, 44), (0x10, 12)],
        [(1, 44)],
    ]


def test_queue_blocks_are_cut_by_element_count() -> None:
    queue = bytes.fromhex(
        "413e0202020002050de80800d5c38c00598ce8ffdc401f015b17581701ea08000bac8c000255e9ff92401e0158175417"
    )
    frames = protocol.FrameCutter().feed(queue + reply("D2"))
    assert [len(frame.blocks[0].payload) for frame in frames] == [40, 44]
    with pytest.raises(MeterProtocolError, match="no ADC block"):
        protocol.adc_block(frames[0])


def test_control_answers_and_the_empty_reply_are_four_bytes() -> None:
    frames = protocol.FrameCutter().feed(STALE_DISCONNECT + EMPTY_REPLY + bytes.fromhex("06b60000") + reply("D3"))
    assert [(frame.header.packet_type, frame.header.request_id) for frame in frames] == [
        (protocol.DISCONNECT, 5),
        (protocol.PUT_DATA, 31),
        (protocol.REJECT, 182),
        (protocol.PUT_DATA, 10),
    ]
    with pytest.raises(MeterProtocolError, match="no ADC block"):
        protocol.adc_block(frames[1])


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (protocol.get_data(0), "0c000200"),
        (protocol.get_data(10), "0c0a0200"),
        (protocol.get_data(7, 0x0010), "0c072000"),
        (protocol.get_data(1, 0x0003), "0c010600"),
        (protocol.get_data(1, 0x0200), "0c010004"),
        (protocol.get_data(257), "0c010200"),
    ],
)
def test_requests(request_bytes: bytes, expected: str) -> None:
    assert request_bytes.hex() == expected


@given(st.lists(st.integers(1, 60), max_size=12))
def test_frames_are_cut_the_same_wherever_the_stream_is_split(steps: list[int]) -> None:
    stream = STALE_DISCONNECT + reply("D7") + EMPTY_REPLY + reply("D12") + reply("D2")
    whole = protocol.FrameCutter().feed(stream)
    cutter, frames, position = protocol.FrameCutter(), [], 0
    for step in [*steps, len(stream)]:
        frames += cutter.feed(stream[position : position + step])
        position += step
    assert frames == whole
    assert cutter.pending_bytes == 0


def test_reading_by_missing_bytes_never_reads_past_a_frame() -> None:
    stream, cutter, position, frames = reply("D7") + reply("D12"), protocol.FrameCutter(), 0, []
    while position < len(stream):
        step = cutter.missing_bytes
        assert step > 0
        (*cut,) = cutter.feed(stream[position : position + step])
        assert len(cut) <= 1
        position += step
        frames += cut
    assert [len(frame.blocks) for frame in frames] == [2, 1]


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("c1008002"),  # bit 7 is never set
        bytes.fromhex("42008002"),  # a data type nobody asks for
        bytes.fromhex("41008002 00000000"),  # a block of no attribute
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


def test_an_adc_block_of_another_size_is_refused() -> None:
    with pytest.raises(MeterProtocolError, match="48 bytes"):
        protocol.parse_adc(bytes(48))


def mutated(rng: random.Random) -> bytes:
    """A published stream with bytes changed, removed, doubled and invented."""
    data = bytearray(reply(rng.choice(list(ADC_VECTORS))) * rng.randint(1, 3))
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data))
        match rng.randrange(4):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                del data[at : at + rng.randint(1, 6)]
            case 2:
                data[at:at] = rng.randbytes(rng.randint(1, 6))
            case _:
                data += data[at:]
        data = data or bytearray(b"A")
    return bytes(data) if rng.random() < 0.8 else rng.randbytes(rng.randint(1, 200))


def test_any_bytes_give_frames_or_a_protocol_error_and_never_grow_the_buffer() -> None:
    rng, cutter, refused, decoded = random.Random(3), protocol.FrameCutter(), 0, 0
    for _ in range(6000):
        try:
            for frame in cutter.feed(mutated(rng)):
                protocol.adc_reading(protocol.adc_block(frame))
                decoded += 1
        except MeterProtocolError:
            refused += 1
        assert cutter.pending_bytes <= protocol.MAX_FRAME_BYTES
    assert refused > 1000 and decoded > 500
