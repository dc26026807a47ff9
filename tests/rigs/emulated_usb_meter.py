"""An emulated KM003C behind its USB interface: packets in, packets out, with sessions, unlocking and the queue.

It measures as the meter does (`power/meters/km003c/emulated_adc.py`) and keeps every packet it received. It cannot
check the contents of an unlock request: the package that knows the keys only builds them. What goes over a bus, and
how, is in `emulated_usb_bus.py`.
"""

import struct
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from power.meters.km003c import protocol
from power.meters.km003c.adc import pack_adc
from power.meters.km003c.adc_queue import MAX_SAMPLES, QueueSample, queue_block
from power.meters.km003c.emulated_adc import AdcModel, EmulatedAdc
from power.meters.km003c.emulated_load import LoadHistory
from power.meters.km003c.usb_unlock import (
    AUTHENTICATE,
    HARDWARE_ID_ADDRESS,
    HARDWARE_ID_BYTES,
    INFO_ADDRESS,
    INFO_BYTES,
    MEMORY_READ,
    PAUSE_S,
    Cipher,
)

WATCHDOG_S = 5.0
REDELIVERED = 27  # samples that firmware 2.0.5 was seen to send again at once
NOT_READABLE = 0x27
UNLOCKED_BITS = 2
SLOWEST_PERIOD_MS = 500
CRASHING_REGION = 0x40000000  # where a read of a wrong address stops the meter


@dataclass(frozen=True)
class UsbBehaviour:
    """What an emulated meter does besides working. Every `…_every` counts questions for the queue; 0 is never.

    `clock_ms` is its uptime at the beginning, modulo 2³². `plain_memory` is that of firmware 2.0.5. The first
    `ignored_connects` and `refused_unlocks` fail. `redelivers_every` sends old samples once more, and
    `dries_up_after` lets the stream stop by itself after so many questions. `buffer_samples` is what the queue
    holds before it loses the oldest.
    """

    clock_ms: int = 1000
    plain_memory: bool = False
    stale_disconnect: bool = False
    ignored_connects: int = 0
    refused_unlocks: int = 0
    redelivers_every: int = 0
    dries_up_after: int = 0
    buffer_samples: int = 512


class EmulatedUsbMeter:
    """A meter with a load (on the clock `now`). Everything it sends waits in `outgoing`, a transfer each."""

    def __init__(
        self,
        load: LoadHistory,
        cipher: Cipher,
        now: Callable[[], float],
        behaviour: UsbBehaviour | None = None,
        adc: AdcModel | None = None,
    ) -> None:
        self._load = load
        self._cipher = cipher
        self._now = now
        self._behaviour = behaviour or UsbBehaviour()
        self._model = adc or AdcModel()
        self._began_s = now()
        self._heard_s = now()
        self._connects = self._unlocks = self._polls = 0
        self._in_session = self._unlocked = self._knows_id = False
        self._unlock_tried_s = float("-inf")
        self._crashed = False
        self._adc: EmulatedAdc | None = None
        self._period_ms = 0
        self._sent = 0
        self.received: list[bytes] = []
        self.outgoing: deque[bytes] = deque()
        if self._behaviour.stale_disconnect:
            self.outgoing.append(protocol.disconnect(0x55))

    @property
    def in_session(self) -> bool:
        """Whether a host is connected, as far as the meter knows."""
        self._watch()
        return self._in_session

    @property
    def is_streaming(self) -> bool:
        """Whether the queue is being filled."""
        return self._adc is not None

    def receive(self, packet: bytes) -> None:
        """Take a packet, and put what it answers into `outgoing`."""
        self._watch()
        self._heard_s = self._now()
        self.received.append(packet)
        if not self._crashed:
            answer = self._answers.get(packet[0] & 0x7F, EmulatedUsbMeter._refuse)
            self.outgoing.extend(answer(self, packet))

    def _watch(self) -> None:
        """End a session that nobody used for a while, as the meter does on its own."""
        if self._in_session and self._now() - self._heard_s > WATCHDOG_S:
            self._end_session()
            self.outgoing.append(protocol.disconnect(0x55))

    def _end_session(self) -> None:
        self._in_session = self._unlocked = self._knows_id = False
        self._adc = None

    def _connect(self, packet: bytes) -> list[bytes]:
        self._connects += 1
        if self._connects <= self._behaviour.ignored_connects:
            return []
        self._in_session = True
        return [protocol.accept(packet[1])]

    def _disconnect(self, packet: bytes) -> list[bytes]:
        self._end_session()
        return [protocol.accept(packet[1])]

    def _refuse(self, packet: bytes) -> list[bytes]:
        return [protocol.reject(packet[1])]

    def _start_graph(self, packet: bytes) -> list[bytes]:
        if not self._unlocked:
            return self._refuse(packet)
        rate_hz = protocol.GRAPH_RATES_HZ[protocol.parse_request(packet).attributes]
        self._adc = EmulatedAdc(self._load, replace(self._model, update_hz=rate_hz), self._began_s)
        self._period_ms = 1000 // rate_hz
        self._sent = self._adc.newest(self._now())
        return [protocol.accept(packet[1])]

    def _stop_graph(self, packet: bytes) -> list[bytes]:
        if not self._unlocked:
            return self._refuse(packet)
        self._adc = None
        return [protocol.accept(packet[1])]

    def _get_data(self, packet: bytes) -> list[bytes]:
        asked = protocol.parse_request(packet)
        wanted = asked.attributes if self._unlocked else asked.attributes & protocol.WITHOUT_UNLOCK
        blocks = []
        if wanted & protocol.ADC:
            adc = self._adc or EmulatedAdc(self._load, self._model, self._began_s)
            blocks.append(protocol.Block(protocol.ADC, pack_adc(adc.block(self._now()), self._model.block_bytes)))
        if wanted & protocol.ADC_QUEUE and (samples := self._samples()):
            blocks.append(queue_block(samples))
        return [protocol.data_reply(asked.request_id, blocks, UNLOCKED_BITS if self._unlocked else 0)]

    def _samples(self) -> list[QueueSample]:
        if self._adc is None:
            return []
        self._polls += 1
        newest = self._adc.newest(self._now())
        first = max(self._sent, newest - self._behaviour.buffer_samples) + 1
        due = self._behaviour.redelivers_every
        again = REDELIVERED if due and self._polls % due == 0 else 0
        numbers = range(max(1, first - again), newest + 1)[:MAX_SAMPLES]
        self._sent = max(self._sent, numbers[-1] if numbers else 0)
        samples = [self._sample(self._adc, number) for number in numbers]
        if self._polls == self._behaviour.dries_up_after:
            self._adc = None
        return samples

    def _sample(self, adc: EmulatedAdc, number: int) -> QueueSample:
        measured = adc.measured(number)
        clock_ms = (self._behaviour.clock_ms + number * self._period_ms) % 2**32
        levels = (measured.cc1_raw, measured.cc2_raw)
        if self._period_ms < SLOWEST_PERIOD_MS:  # whole mV at the faster rates
            levels = (levels[0] // 10, levels[1] // 10)
        return QueueSample(clock_ms, measured.vbus_uv, measured.ibus_ua, *levels, d_plus_raw=0, d_minus_raw=0)

    def _read_memory(self, packet: bytes) -> list[bytes]:
        if not self._in_session or len(packet) != 36:
            return self._refuse(packet)
        body = self._cipher.decrypted(packet[4:])
        address, size_bytes, _ = struct.unpack_from("<III", body)
        if body[8:] != b"\xff" * 4 + struct.pack("<I", zlib.crc32(body[:12])) + b"\xff" * 16:
            return self._refuse(packet)
        eights = _MEMORY.get((address, size_bytes))
        if eights is None:
            self._crashed = address >= CRASHING_REGION
            return [] if self._crashed else [protocol.request(NOT_READABLE, packet[1])]
        self._knows_id = self._knows_id or address == HARDWARE_ID_ADDRESS
        return [bytes((MEMORY_READ | 0x80, packet[1], 1, 1)) + body[:16], b"".join(map(self._stored, eights))]

    def _stored(self, eight: bytes) -> bytes:
        """A block of memory as it is sent.

        The package `km003c` encrypts nothing but memory requests, whose first block is an address, a size, four
        bytes of 0xFF and a checksum. So that is the form of every block in this meter.
        """
        address, size_bytes = struct.unpack("<II", eight)
        encrypted = self._cipher.memory_request(address, size_bytes, 0)[4:20]
        return self._cipher.decrypted(encrypted) if self._behaviour.plain_memory else encrypted

    def _authenticate(self, packet: bytes) -> list[bytes]:
        early = self._now() - self._unlock_tried_s < PAUSE_S
        self._unlock_tried_s = self._now()
        self._unlocks += 1
        fine = self._in_session and self._knows_id and len(packet) == 36 and packet[2:4] == b"\x00\x02" and not early
        self._unlocked = fine and self._unlocks > self._behaviour.refused_unlocks
        return [struct.pack("<BBH", AUTHENTICATE, 0, 0x0203 if self._unlocked else 0x0201) + bytes(32)]

    _answers: ClassVar[dict[int, Callable[["EmulatedUsbMeter", bytes], list[bytes]]]] = {
        protocol.CONNECT: _connect,
        protocol.DISCONNECT: _disconnect,
        protocol.GET_DATA: _get_data,
        protocol.START_GRAPH: _start_graph,
        protocol.STOP_GRAPH: _stop_graph,
        MEMORY_READ: _read_memory,
        AUTHENTICATE: _authenticate,
    }


# The first eight bytes of each block: the model's name is in the second block of the information.
_MEMORY = {
    (INFO_ADDRESS, INFO_BYTES): (bytes(8), b"KM003C\0\0", b"2.1\0\0\0\0\0", bytes(8)),
    (HARDWARE_ID_ADDRESS, HARDWARE_ID_BYTES): (b"\x51\x00\x3a\x00\x0b\x50\x42\x54",),
}
