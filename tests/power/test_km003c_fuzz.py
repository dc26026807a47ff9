"""Any bytes at all: frames or the protocol error, a bounded buffer, and always a next byte to wait for."""

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path

from power.errors import MeterProtocolError
from power.meters.km003c import adc, adc_queue, protocol

VECTORS = json.loads((Path(__file__).parents[1] / "data/km003c/vectors.json").read_text())
STREAMS = [
    *(bytes.fromhex(vector["hex"]) for vector in VECTORS["replies"]),
    *(bytes.fromhex(packet["hex"]) for packet in VECTORS["control_packets"]["packets"]),
    bytes.fromhex(VECTORS["other_stream"]["hex"]),
    bytes.fromhex(VECTORS["queue_payload"]["hex"]),
]
STRINGS = 40_000
# A packet is at most this long, so an incomplete one is shorter.
MOST_PENDING = protocol.MAX_FRAME_BYTES - 1


def mutated(rng: random.Random) -> bytes:
    """One or two published packets with bytes changed, removed, doubled or put in."""
    data = bytearray(rng.choice(STREAMS))
    if rng.random() < 0.5:
        data += rng.choice(STREAMS)
    for _ in range(int(rng.random() * 4)):
        at = int(rng.random() * len(data))
        match int(rng.random() * 4):
            case 0:
                data[at : at + 1] = rng.randbytes(1)
            case 1:
                del data[at : at + 3]
            case 2:
                data[at:at] = rng.randbytes(3)
            case _:
                data += data[at:]
    return bytes(data)


def strings(rng: random.Random) -> Iterator[bytes]:
    for _ in range(STRINGS):
        yield rng.randbytes(int(rng.random() * 40)) if rng.random() < 0.3 else mutated(rng)


def pieces(data: bytes, rng: random.Random) -> Iterator[bytes]:
    """Whole, or in two at a random place."""
    at = int(rng.random() * 2 * len(data))
    yield data[:at]
    if at < len(data):
        yield data[at:]


def decode(frame: protocol.Frame) -> int:
    """Everything a reader does with a frame; how many measurements it held."""
    samples = adc_queue.queue_samples(frame)
    raw = adc.adc_block(frame)
    assert math.isfinite(raw.voltage_v * raw.current_a)
    return 1 + len(samples)


def test_forty_thousand_random_and_mutated_strings() -> None:
    rng, cutter = random.Random(20260102), protocol.FrameCutter()
    refused = frames = measurements = 0
    for data in strings(rng):
        for piece in pieces(data, rng):
            try:
                for frame in cutter.feed(piece):
                    frames += 1
                    measurements += decode(frame)
            except MeterProtocolError:
                refused += 1
            assert cutter.pending_bytes <= MOST_PENDING
            assert cutter.missing_bytes >= 1
    assert min(refused, frames, measurements) > 2_000


def test_whole_transfers_of_any_bytes() -> None:
    rng = random.Random(20260103)
    refused = measurements = 0
    for _ in range(8_000):
        try:
            measurements += decode(protocol.parse_transfer(mutated(rng)))
        except MeterProtocolError:
            refused += 1
    assert min(refused, measurements) > 400


def test_the_longest_packet_byte_by_byte_stays_within_the_bound() -> None:
    """A chain of empty blocks without end is the most headers that fit, and the slowest to read."""
    cutter = protocol.FrameCutter()
    chain = bytes.fromhex("41008002") + bytes.fromhex("08800000") * protocol.MAX_FRAME_BYTES
    most_pending = 0
    for at in range(len(chain)):
        try:
            assert cutter.feed(chain[at : at + 1]) == []
        except MeterProtocolError as error:
            assert "announces more than" in error.message
            break
        most_pending = max(most_pending, cutter.pending_bytes)
    else:
        raise AssertionError("an endless packet was swallowed")
    assert protocol.MAX_FRAME_BYTES - 8 <= most_pending <= MOST_PENDING
    assert cutter.pending_bytes == 0
