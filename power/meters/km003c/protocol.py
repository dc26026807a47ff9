"""Pure: the KM003C's packets, from bytes to volts and amperes and from a request to bytes.

Every integer is little-endian. A packet begins with one 32-bit header; a data reply carries blocks, each
behind a 32-bit header of its own. Layout as in Linux `drivers/hwmon/powerz.c`, okhsunrog/km003c-rs and the
vendor's "KM002C&3C API Description". The only error is `MeterProtocolError`.
"""

import struct
from dataclasses import dataclass

from power.errors import MeterProtocolError

GET_DATA = 0x0C
DISCONNECT = 0x03
REJECT = 0x06
ERROR = 0x0B
PUT_DATA = 0x41
FIRST_DATA_TYPE = 0x40  # packets of a lower type are control answers: a header and nothing else

ADC = 0x0001
QUEUES = (0x0002, 0x0004)  # their headers give the size of one element and the number of elements

HEADER_BYTES = 4
MAX_FRAME_BYTES = 5000  # the vendor's limit for one block is 4080; the longest reply in public captures 1268

# Six i32, the temperature as i16, then u16 fields; firmware before the D+ and D- averages sends 40 bytes.
ADC_LAYOUTS = {40: struct.Struct("<6ih7H"), 44: struct.Struct("<6ih9H")}
TEMPERATURE_MISSING = -0x8000


@dataclass(frozen=True)
class Header:
    """The first word of a packet. `words` (the vendor's "obj") is 0 for an empty data reply, else unreliable."""

    packet_type: int
    request_id: int
    words: int


@dataclass(frozen=True)
class Block:
    """One part of a data reply: which quantity (`attribute`) and its bytes."""

    attribute: int
    payload: bytes


@dataclass(frozen=True)
class Frame:
    """One whole packet; control answers and empty data replies have no blocks."""

    header: Header
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class AdcRaw:
    """The ADC block as the meter sends it: µV, µA, 1/128 °C, tenths of mV, mV for the last averages.

    The "ori" averages are before calibration. `word_36` has no settled meaning. The two last are absent
    (None) in the 40-byte block.
    """

    vbus_uv: int
    ibus_ua: int
    vbus_avg_uv: int
    ibus_avg_ua: int
    vbus_ori_avg_uv: int
    ibus_ori_avg_ua: int
    temperature_raw: int
    cc1_raw: int
    cc2_raw: int
    d_plus_raw: int
    d_minus_raw: int
    vdd_raw: int
    word_36: int
    cc2_avg_mv: int
    d_plus_avg_mv: int | None = None
    d_minus_avg_mv: int | None = None


@dataclass(frozen=True)
class AdcReading:
    """The ADC block in volts, amperes, watts and °C. Currents and power are signed as the meter sends them."""

    voltage_v: float
    current_a: float
    power_w: float
    voltage_avg_v: float
    current_avg_a: float
    temperature_c: float | None
    cc1_v: float
    cc2_v: float
    d_plus_v: float
    d_minus_v: float
    vdd_v: float


def get_data(request_id: int, attributes: int = ADC) -> bytes:
    """The request for a data reply; `request_id` counts modulo 256, `attributes` is a mask of 15 bits."""
    return struct.pack("<I", GET_DATA | (request_id % 256) << 8 | (attributes & 0x7FFF) << 17)


def parse_header(data: bytes | bytearray) -> Header:
    """Read a packet's first four bytes. Raises `MeterProtocolError` when no packet begins like that."""
    if len(data) < HEADER_BYTES:
        raise MeterProtocolError(f"A packet header has {len(data)} bytes.", _ASK_AGAIN)
    (word,) = struct.unpack_from("<I", data)
    if word & 0x80:
        raise MeterProtocolError(f"No packet begins with {data[:HEADER_BYTES].hex()}.", _ASK_AGAIN)
    return Header(packet_type=word & 0x7F, request_id=word >> 8 & 0xFF, words=word >> 22)


def adc_block(frame: Frame) -> AdcRaw:
    """The ADC block of a data reply. Raises `MeterProtocolError` when it has none or one of unknown size."""
    for block in frame.blocks:
        if block.attribute == ADC:
            return parse_adc(block.payload)
    raise MeterProtocolError("The meter's reply holds no ADC block.", _ASK_AGAIN)


def parse_adc(payload: bytes) -> AdcRaw:
    """Decode an ADC block of 40 or 44 bytes."""
    layout = ADC_LAYOUTS.get(len(payload))
    if layout is None:
        raise MeterProtocolError(
            f"An ADC block has {len(payload)} bytes; 40 and 44 are known.",
            "Check that the meter is a KM003C, and report its firmware version.",
        )
    return AdcRaw(*layout.unpack(payload))


def adc_reading(raw: AdcRaw) -> AdcReading:
    """Convert to physical units; power is the product of the integers, so no digit is lost before it."""
    missing = raw.temperature_raw == TEMPERATURE_MISSING
    return AdcReading(
        voltage_v=raw.vbus_uv / 1e6,
        current_a=raw.ibus_ua / 1e6,
        power_w=raw.vbus_uv * raw.ibus_ua / 1e12,
        voltage_avg_v=raw.vbus_avg_uv / 1e6,
        current_avg_a=raw.ibus_avg_ua / 1e6,
        temperature_c=None if missing else raw.temperature_raw / 128,
        cc1_v=raw.cc1_raw / 1e4,
        cc2_v=raw.cc2_raw / 1e4,
        d_plus_v=raw.d_plus_raw / 1e4,
        d_minus_v=raw.d_minus_raw / 1e4,
        vdd_v=raw.vdd_raw / 1e4,
    )


class FrameCutter:
    """Cuts packets out of a byte stream that may split or join them anywhere.

    Holds at most one incomplete packet, and no packet is longer than `MAX_FRAME_BYTES`. After a
    `MeterProtocolError` the buffer is empty: the caller waits until the line is quiet and asks again.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending_bytes(self) -> int:
        """Bytes held of a packet that is not complete."""
        return len(self._buffer)

    @property
    def missing_bytes(self) -> int:
        """How many more bytes can be read without reading past the current packet; at least one."""
        return _known_length(self._buffer) - len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Add received bytes and return the packets they complete."""
        self._buffer += data
        frames = []
        try:
            while (length := _known_length(self._buffer)) <= len(self._buffer):
                frames.append(_parse_frame(bytes(self._buffer[:length])))
                del self._buffer[:length]
        except MeterProtocolError:
            self.clear()
            raise
        return frames

    def clear(self) -> None:
        """Forget the incomplete packet."""
        self._buffer.clear()


_ASK_AGAIN = "Ask again; if this persists, unplug the meter and plug it in again."


@dataclass(frozen=True)
class _BlockHeader:
    attribute: int
    length: int
    more: bool


def _known_length(buffer: bytes | bytearray) -> int:
    """Length of the first packet as far as the headers in `buffer` tell; never more than the real one."""
    if len(buffer) < HEADER_BYTES:
        return HEADER_BYTES
    header = parse_header(buffer)
    if not _has_blocks(header):
        return HEADER_BYTES
    end, more = HEADER_BYTES, True
    while more:
        if len(buffer) < end + HEADER_BYTES:
            return end + HEADER_BYTES
        block = _parse_block_header(buffer, end)
        end, more = end + HEADER_BYTES + block.length, block.more
        if end > MAX_FRAME_BYTES:
            raise MeterProtocolError(f"A packet announces more than {MAX_FRAME_BYTES} bytes.", _ASK_AGAIN)
    return end


def _has_blocks(header: Header) -> bool:
    if header.packet_type < FIRST_DATA_TYPE:
        return False
    if header.packet_type != PUT_DATA:
        raise MeterProtocolError(f"A packet of type 0x{header.packet_type:02x} was not asked for.", _ASK_AGAIN)
    return header.words != 0


def _parse_block_header(buffer: bytes | bytearray, offset: int) -> _BlockHeader:
    (word,) = struct.unpack_from("<I", buffer, offset)
    attribute, elements, size = word & 0x7FFF, word >> 16 & 0x3F, word >> 22
    if attribute.bit_count() != 1:
        raise MeterProtocolError(f"A block claims the attributes 0x{attribute:04x}; it can be only one.", _ASK_AGAIN)
    length = size * elements if attribute in QUEUES else size
    return _BlockHeader(attribute, length, more=bool(word & 0x8000))


def _parse_frame(data: bytes) -> Frame:
    """Split a packet whose length is already known to be exact."""
    blocks = []
    offset = HEADER_BYTES
    while offset < len(data):
        block = _parse_block_header(data, offset)
        offset += HEADER_BYTES + block.length
        blocks.append(Block(block.attribute, data[offset - block.length : offset]))
    return Frame(parse_header(data), tuple(blocks))
