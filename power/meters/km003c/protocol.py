"""Pure: the KM003C's packets, from bytes to headers and blocks, and from a request to bytes.

Every integer is little-endian. A packet begins with one 32-bit header; a data reply carries blocks, each
behind a 32-bit header of its own. What the blocks hold is in `adc.py` and `adc_queue.py`. Layout as in Linux
`drivers/hwmon/powerz.c`, okhsunrog/km003c-rs and the vendor's "KM002C&3C API Description". The only error is
`MeterProtocolError`.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from power.errors import MeterProtocolError

# To the meter.
CONNECT = 0x02
GET_DATA = 0x0C
START_GRAPH = 0x0E
STOP_GRAPH = 0x0F
# From the meter; DISCONNECT goes both ways.
DISCONNECT = 0x03
ACCEPT = 0x05
REJECT = 0x06
ERROR = 0x0B
PUT_DATA = 0x41
FIRST_DATA_TYPE = 0x40  # packets of a lower type are control answers: a header and nothing else

# What GET_DATA asks for and a block is marked with: one bit each.
ADC = 0x0001
ADC_QUEUE = 0x0002
ADC_QUEUE_10K = 0x0004
SETTINGS = 0x0008
PD_STATUS = 0x0010
WITHOUT_UNLOCK = ADC | SETTINGS | PD_STATUS  # the meter ignores every other bit until its session is unlocked
QUEUES = (ADC_QUEUE, ADC_QUEUE_10K)  # their headers give the size of one element and the number of elements

GRAPH_RATES_HZ = (2, 10, 50, 1000)  # by the rate index of START_GRAPH

HEADER_BYTES = 4
MAX_FRAME_BYTES = 5000  # the vendor's limit for one block is 4080; the longest reply in public captures 1268


@dataclass(frozen=True)
class Request:
    """A packet to the meter. `attributes` is a mask for GET_DATA and a parameter for other types."""

    packet_type: int
    request_id: int
    attributes: int


@dataclass(frozen=True)
class Header:
    """The first word of a packet from the meter.

    `bits_16_21` were 2 in captures of unlocked sessions and 0 in others; nothing may depend on them. `words`
    (the vendor's "obj") is 0 for an empty data reply, else unreliable. Both mean nothing in a control answer.
    """

    packet_type: int
    request_id: int
    bits_16_21: int
    words: int


@dataclass(frozen=True)
class Block:
    """One part of a data reply: which quantity (`attribute`), its bytes, and a queue's number of elements."""

    attribute: int
    payload: bytes
    elements: int = 0


@dataclass(frozen=True)
class Frame:
    """One whole packet; control answers and empty data replies have no blocks."""

    header: Header
    blocks: tuple[Block, ...]


def request(packet_type: int, request_id: int, attributes: int = 0) -> bytes:
    """A control packet. `request_id` counts modulo 256; `attributes` has 15 bits and begins at bit 17."""
    return struct.pack("<I", packet_type | (request_id % 256) << 8 | (attributes & 0x7FFF) << 17)


def get_data(request_id: int, attributes: int = ADC) -> bytes:
    """Ask for a data reply with the blocks of a mask. The only packet that may go to the serial port."""
    return request(GET_DATA, request_id, attributes)


def connect(request_id: int) -> bytes:
    """Begin a session."""
    return request(CONNECT, request_id)


def disconnect(request_id: int) -> bytes:
    """End the session; the meter sends the same on its own after five seconds of silence."""
    return request(DISCONNECT, request_id)


def start_graph(request_id: int, rate_index: int) -> bytes:
    """Fill the queue at `GRAPH_RATES_HZ[rate_index]` samples per second."""
    return request(START_GRAPH, request_id, rate_index)


def stop_graph(request_id: int) -> bytes:
    """Stop filling the queue."""
    return request(STOP_GRAPH, request_id)


def accept(request_id: int) -> bytes:
    """The meter's consent to a control packet."""
    return request(ACCEPT, request_id)


def reject(request_id: int) -> bytes:
    """The meter's refusal of a control packet."""
    return request(REJECT, request_id)


def parse_request(data: bytes | bytearray) -> Request:
    """Read a control packet as the meter does. Raises `MeterProtocolError` for fewer than four bytes."""
    word = _first_word(data)
    return Request(packet_type=word & 0x7F, request_id=word >> 8 & 0xFF, attributes=word >> 17)


def data_reply(request_id: int, blocks: Sequence[Block], bits_16_21: int = 0) -> bytes:
    """A data reply as the meter builds it, with `words` by the rule of nearly every captured reply."""
    parts = []
    for number, block in enumerate(blocks, start=1):
        size = len(block.payload) // block.elements if block.elements else len(block.payload)
        more = number < len(blocks)
        word = block.attribute | more << 15 | block.elements << 16 | size << 22
        parts.append(struct.pack("<I", word) + block.payload)
    payload = b"".join(parts)
    words = (HEADER_BYTES + len(payload)) // 4 - 3 if blocks else 0
    header = PUT_DATA | (request_id % 256) << 8 | (bits_16_21 & 0x3F) << 16 | (words % 1024) << 22
    return struct.pack("<I", header) + payload


def parse_transfer(data: bytes) -> Frame:
    """Read a packet whose length its transport tells, as USB does; what follows the last block is passed over.

    Raises `MeterProtocolError` where it is shorter than its headers say.
    """
    outline = _Outline(empty_without_words=len(data) == HEADER_BYTES)
    if not outline.complete_in(data):
        raise MeterProtocolError(f"A packet broke off after {len(data)} bytes.", ASK_AGAIN)
    return outline.frame(data)


class FrameCutter:
    """Cuts packets out of a byte stream that may split or join them anywhere.

    Holds at most one incomplete packet, and no packet is longer than `MAX_FRAME_BYTES`. After a
    `MeterProtocolError` the buffer is empty: the caller waits until the line is quiet and asks again.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._outline = _Outline()

    @property
    def pending_bytes(self) -> int:
        """Bytes held of a packet that is not complete."""
        return len(self._buffer)

    @property
    def missing_bytes(self) -> int:
        """How many more bytes can be read without reading past the current packet; at least one."""
        return self._outline.end - len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Add received bytes and return the packets they complete."""
        self._buffer += data
        frames = []
        try:
            while self._outline.complete_in(self._buffer):
                frames.append(self._outline.frame(self._buffer))
                del self._buffer[: self._outline.end]
                self._outline = _Outline()
        except MeterProtocolError:
            self.clear()
            raise
        return frames

    def clear(self) -> None:
        """Forget the incomplete packet."""
        self._buffer.clear()
        self._outline = _Outline()


ASK_AGAIN = "Ask again; if this persists, unplug the meter and plug it in again."


@dataclass
class _Outline:
    """Where a packet's blocks lie, as far as its headers have arrived; `end` never lies past the real end."""

    empty_without_words: bool = True
    header: Header | None = None
    spans: list[tuple[int, int, int, int]] = field(default_factory=list)  # attribute, elements, begin, end
    end: int = HEADER_BYTES
    more: bool = True  # the four bytes before `end` are a header that has not been read

    def complete_in(self, data: bytes | bytearray) -> bool:
        """Read all headers that `data` holds; whether it holds the whole packet."""
        while self.more and self.end <= len(data):
            if self.header is None:
                self._read_header(data)
            else:
                self._read_block_header(data)
            if self.end > MAX_FRAME_BYTES:
                raise MeterProtocolError(f"A packet announces more than {MAX_FRAME_BYTES} bytes.", ASK_AGAIN)
        return not self.more and self.end <= len(data)

    def frame(self, data: bytes | bytearray) -> Frame:
        """The packet; only once it is complete."""
        assert self.header is not None
        blocks = (Block(kind, bytes(data[begin:end]), count) for kind, count, begin, end in self.spans)
        return Frame(self.header, tuple(blocks))

    def _read_header(self, data: bytes | bytearray) -> None:
        self.header = _parse_header(data)
        empty = self.empty_without_words and self.header.words == 0
        self.more = self.header.packet_type == PUT_DATA and not empty
        self.end += HEADER_BYTES * self.more

    def _read_block_header(self, data: bytes | bytearray) -> None:
        (word,) = struct.unpack_from("<I", data, self.end - HEADER_BYTES)
        attribute, elements, size = word & 0x7FFF, word >> 16 & 0x3F, word >> 22
        if attribute.bit_count() != 1:
            raise MeterProtocolError(f"A block claims the attributes 0x{attribute:04x}; it can be only one.", ASK_AGAIN)
        begin = self.end
        block_end = begin + (size * elements if attribute in QUEUES else size)
        self.spans.append((attribute, elements, begin, block_end))
        self.more = bool(word & 0x8000)
        self.end = block_end + HEADER_BYTES * self.more


def _parse_header(data: bytes | bytearray) -> Header:
    """Read a packet's first four bytes. Raises `MeterProtocolError` when no packet of a meter begins like that."""
    word = _first_word(data)
    packet_type = word & 0xFF
    if packet_type == CONNECT:
        raise MeterProtocolError(
            "These bytes are the streaming format of newer firmware (frames that begin with 02), not read here.",
            "Close the program that started the stream, then unplug the meter and plug it in again.",
        )
    if packet_type >= FIRST_DATA_TYPE and packet_type != PUT_DATA:
        raise MeterProtocolError(f"No packet begins with {bytes(data[:HEADER_BYTES]).hex()}.", ASK_AGAIN)
    return Header(packet_type, word >> 8 & 0xFF, word >> 16 & 0x3F, word >> 22)


def _first_word(data: bytes | bytearray) -> int:
    if len(data) < HEADER_BYTES:
        raise MeterProtocolError(f"A packet header has {len(data)} bytes.", ASK_AGAIN)
    (word,) = struct.unpack_from("<I", data)
    return int(word)
