"""Pure: the samples of the ADC queue, 20 bytes each, oldest first.

Layout as in okhsunrog/km003c-rs, but for the first word: public captures show one 32-bit clock in
milliseconds where that project names a sequence and a marker (gipean/KM003C reads it as a clock too).
"""

import struct
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from power.errors import MeterProtocolError
from power.meters.km003c.protocol import ADC_QUEUE, ASK_AGAIN, Block, Frame

SAMPLE_LAYOUT = struct.Struct("<Iii4H")
SAMPLE_BYTES = SAMPLE_LAYOUT.size
MAX_SAMPLES = 63  # in one reply: its header counts them in six bits


@dataclass(frozen=True)
class QueueSample:
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
    """The queue's samples in a data reply; none where it was empty. Raises `MeterProtocolError` for torn ones."""
    payloads = (block.payload for block in frame.blocks if block.attribute == ADC_QUEUE)
    return tuple(sample for payload in payloads for sample in parse_samples(payload))


def parse_samples(payload: bytes) -> tuple[QueueSample, ...]:
    """Decode samples. Raises `MeterProtocolError` unless `payload` is a whole number of them."""
    if len(payload) % SAMPLE_BYTES:
        raise MeterProtocolError(f"A queue of {len(payload)} bytes holds no whole number of samples.", ASK_AGAIN)
    return tuple(QueueSample(*values) for values in SAMPLE_LAYOUT.iter_unpack(payload))


def queue_block(samples: Sequence[QueueSample]) -> Block:
    """Encode at most `MAX_SAMPLES` samples as the block of a data reply."""
    payload = b"".join(SAMPLE_LAYOUT.pack(*astuple(sample)) for sample in samples)
    return Block(ADC_QUEUE, payload, elements=len(samples))
