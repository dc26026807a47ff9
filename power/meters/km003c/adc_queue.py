"""Pure: the samples of the ADC queue, 20 bytes each, oldest first.

Layout as in okhsunrog/km003c-rs, but for the first word: public captures show one 32-bit clock in
milliseconds where that project names a sequence and a marker (gipean/KM003C reads it as a clock too).
"""

import struct
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from power.errors import MeterProtocolError
from power.meters.km003c.adc import InMicros
from power.meters.km003c.protocol import ADC_QUEUE, Block, Frame

SAMPLE_LAYOUT = struct.Struct("<Iii4H")
SAMPLE_BYTES = SAMPLE_LAYOUT.size
MAX_SAMPLES = 63  # in one reply: its header counts them in six bits


@dataclass(frozen=True)
class QueueSample(InMicros):
    """One sample: the meter's uptime in ms modulo 2³², µV, µA, and four line levels.

    The levels are tenths of mV at 2 samples per second and whole mV at the faster rates.
    """

    clock_ms: int
    vbus_uv: int
    ibus_ua: int
    cc1_raw: int
    cc2_raw: int
    d_plus_raw: int
    d_minus_raw: int


def queue_samples(frame: Frame) -> tuple[QueueSample, ...]:
    """The queue's samples in a data reply; none where it was empty. Raises `MeterProtocolError` as `parse_samples`."""
    queues = (block for block in frame.blocks if block.attribute == ADC_QUEUE)
    return tuple(sample for block in queues for sample in parse_samples(block))


def parse_samples(block: Block) -> tuple[QueueSample, ...]:
    """Decode a queue. Raises `MeterProtocolError` for samples of another length, which would read as wrong numbers."""
    if len(block.payload) != block.elements * SAMPLE_BYTES:
        raise MeterProtocolError(
            f"A queue of {len(block.payload)} bytes holds {block.elements} samples; {SAMPLE_BYTES} each are known.",
            "Check that the meter is a KM003C, and report its firmware version.",
        )
    return tuple(QueueSample(*values) for values in SAMPLE_LAYOUT.iter_unpack(block.payload))


def queue_block(samples: Sequence[QueueSample]) -> Block:
    """Encode at most `MAX_SAMPLES` samples as the block of a data reply."""
    payload = b"".join(SAMPLE_LAYOUT.pack(*astuple(sample)) for sample in samples)
    return Block(ADC_QUEUE, payload, elements=len(samples))
