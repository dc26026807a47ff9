"""A KM003C on a pseudo-terminal, with a load whose energy is known exactly.

It measures as the meter does: block means of voltage and current over the last update period, renewed at
that period however often it is polled. It keeps every byte it received, so that tests can prove what a
reader sent. A reader recognises the pseudo-terminal and marks everything it records as emulated.
"""

import math
import os
import random
import select
import struct
import threading
import time
import tty
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from types import TracebackType
from typing import Self

from power.errors import MeterSettingError, WindowNotCovered
from power.meters.km003c import protocol

STALE_DISCONNECT = bytes.fromhex("03050000")
AVERAGE_PERIOD_S = 1.0
MAX_PIECE_PAUSE_S = 0.002
LARGEST_MICRO = 2**31 - 1  # volts and amperes travel as signed 32-bit millionths


@dataclass(frozen=True)
class Load:
    """What flows from `since_s` (`time.monotonic()`) until the next load."""

    since_s: float
    voltage_v: float
    current_a: float


class LoadHistory:
    """Loads in time order, each constant until the next; the first is taken to have held for ever before."""

    def __init__(self, first: Load) -> None:
        self._loads = [first]

    def append(self, load: Load) -> None:
        """Add a load that begins after all others."""
        self._loads.append(load)

    def energy_j(self, start_s: float, end_s: float) -> float:
        """Exact joules between two instants."""
        return math.fsum(held_s * load.voltage_v * load.current_a for held_s, load in self._held(start_s, end_s))

    def mean(self, start_s: float, end_s: float) -> tuple[float, float]:
        """Mean volts and mean amperes between two instants."""
        held = list(self._held(start_s, end_s))
        whole_s = math.fsum(held_s for held_s, _ in held)
        voltage = math.fsum(held_s * load.voltage_v for held_s, load in held) / whole_s
        current = math.fsum(held_s * load.current_a for held_s, load in held) / whole_s
        return voltage, current

    def _held(self, start_s: float, end_s: float) -> Iterator[tuple[float, Load]]:
        """Seconds each load was held inside the window."""
        begins = [start_s, *(load.since_s for load in self._loads[1:])]
        ends = [*begins[1:], end_s]
        for load, begin_s, until_s in zip(self._loads, begins, ends, strict=True):
            held_s = min(until_s, end_s) - max(begin_s, start_s)
            if held_s > 0.0:
                yield held_s, load


class Km003cEmulator:
    """An emulated meter, answering on `port` from construction until `close()` or the end of a `with` block.

    `update_hz` is the rate of new measurements and `block_bytes` the size of the ADC block (40 or 44).
    `split_replies` sends each reply in pieces cut at random places (seeded by `seed`), `stale_bytes` go out
    once in front of the first reply (as `STALE_DISCONNECT`), and a `silent` emulator never answers.
    """

    def __init__(
        self,
        voltage_v: float = 5.1,
        current_a: float = 0.0,
        update_hz: float = 2.0,
        *,
        block_bytes: int = 44,
        split_replies: bool = False,
        stale_bytes: bytes = b"",
        silent: bool = False,
        seed: int = 0,
    ) -> None:
        _check_settings(update_hz, block_bytes)
        self._began_s = time.monotonic()
        self._loads = LoadHistory(_checked_load(self._began_s, voltage_v, current_a))
        self._update_period_s = 1.0 / update_hz
        self._block_bytes = block_bytes
        self._split_replies = split_replies
        self._stale_bytes = stale_bytes
        self._silent = silent
        self._random = random.Random(seed)
        self._received = bytearray()
        self._lock = threading.Lock()
        self._open()

    def _open(self) -> None:
        # The slave end stays open, or the master would fail between two readers.
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._port = os.ttyname(self._slave)
        self._wake_reader, self._wake_writer = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="km003c-emulator", daemon=True)
        self._thread.start()

    @property
    def port(self) -> str:
        """Path of the pseudo-terminal that a reader opens."""
        return self._port

    @property
    def received(self) -> bytes:
        """Every byte that any reader has sent so far."""
        with self._lock:
            return bytes(self._received)

    def set_load(self, voltage_v: float, current_a: float) -> float:
        """Change the load now; returns the instant on `time.monotonic()`."""
        with self._lock:
            load = _checked_load(time.monotonic(), voltage_v, current_a)
            self._loads.append(load)
        return load.since_s

    def true_energy_j(self, start_monotonic_s: float, end_monotonic_s: float) -> float:
        """Exact joules of the load between two instants of `time.monotonic()`.

        The first load is taken to have held before the emulator began, the latest to hold from now on.
        """
        if not start_monotonic_s < end_monotonic_s:
            raise WindowNotCovered("The window has no duration.", "Give an end that is after the start.")
        with self._lock:
            return self._loads.energy_j(start_monotonic_s, end_monotonic_s)

    def unplug(self) -> None:
        """Vanish as a meter does whose cable is pulled; harmless when called again."""
        if self._thread.is_alive():
            os.write(self._wake_writer, b"x")
            self._thread.join()
            for descriptor in (self._master, self._slave, self._wake_reader, self._wake_writer):
                os.close(descriptor)

    def close(self) -> None:
        """Stop answering and remove the port."""
        self.unplug()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self) -> None:
        pending = bytearray()
        while True:
            ready, _, _ = select.select([self._master, self._wake_reader], [], [])
            if self._wake_reader in ready:
                return
            data = os.read(self._master, 4096)
            with self._lock:
                self._received += data
            pending += data
            self._answer_requests(pending)

    def _answer_requests(self, pending: bytearray) -> None:
        while len(pending) >= protocol.HEADER_BYTES:
            (word,) = struct.unpack_from("<I", pending)
            del pending[: protocol.HEADER_BYTES]
            if word & 0xFF != protocol.GET_DATA:
                pending.clear()  # text or another command: ignored, but kept in `received`
            elif not self._silent:
                self._send(self._reply(request_id=word >> 8 & 0xFF, attributes=word >> 17))

    def _send(self, reply: bytes) -> None:
        data, self._stale_bytes = self._stale_bytes + reply, b""
        for piece in self._pieces(data):
            try:
                os.write(self._master, piece)
            except BlockingIOError:
                return  # nobody reads: a full line loses bytes, as a real one does

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        if not self._split_replies:
            yield data
            return
        cuts = sorted(self._random.sample(range(1, len(data)), k=min(3, len(data) - 1)))
        for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            yield data[begin:end]
            time.sleep(self._random.uniform(0.0, MAX_PIECE_PAUSE_S))

    def _reply(self, request_id: int, attributes: int) -> bytes:
        header = protocol.PUT_DATA | request_id << 8
        if not attributes & protocol.ADC:
            return struct.pack("<I", header)
        block = self._adc_block()
        words = (2 * protocol.HEADER_BYTES + len(block)) // 4 - 3  # as in nearly every captured reply
        return struct.pack("<II", header | words << 22, protocol.ADC | len(block) << 22) + block

    def _adc_block(self) -> bytes:
        now_s = time.monotonic()
        with self._lock:
            voltage_v, current_a = self._mean_of_last(self._update_period_s, now_s)
            voltage_avg_v, current_avg_a = self._mean_of_last(AVERAGE_PERIOD_S, now_s)
        raw = _adc_raw(voltage_v, current_a, voltage_avg_v, current_avg_a)
        fields = [field for field in astuple(raw) if field is not None]
        layout = protocol.ADC_LAYOUTS[self._block_bytes]
        return layout.pack(*fields[: 14 if self._block_bytes == 40 else 16])

    def _mean_of_last(self, period_s: float, now_s: float) -> tuple[float, float]:
        """Mean over the last whole period, counted from the emulator's beginning."""
        renewed_s = self._began_s + (now_s - self._began_s) // period_s * period_s
        return self._loads.mean(renewed_s - period_s, renewed_s)


def _adc_raw(voltage_v: float, current_a: float, voltage_avg_v: float, current_avg_a: float) -> protocol.AdcRaw:
    """Line levels and temperature as in a capture published by okhsunrog/km003c-rs; offsets of "ori" too."""
    vbus_avg_uv, ibus_avg_ua = round(voltage_avg_v * 1e6), round(current_avg_a * 1e6)
    return protocol.AdcRaw(
        vbus_uv=round(voltage_v * 1e6),
        ibus_ua=round(current_a * 1e6),
        vbus_avg_uv=vbus_avg_uv,
        ibus_avg_ua=ibus_avg_ua,
        vbus_ori_avg_uv=vbus_avg_uv + 6,
        ibus_ori_avg_ua=ibus_avg_ua + 94,
        temperature_raw=3273,
        cc1_raw=4234,
        cc2_raw=14,
        d_plus_raw=0,
        d_minus_raw=0,
        vdd_raw=32376,
        word_36=0x8000,
        cc2_avg_mv=2,
        d_plus_avg_mv=0,
        d_minus_avg_mv=0,
    )


def _check_settings(update_hz: float, block_bytes: int) -> None:
    if not 0.0 < update_hz <= 1000.0:
        raise MeterSettingError(f"An update rate of {update_hz} Hz is impossible.", "Choose 2, 10, 50 or 1000.")
    if block_bytes not in protocol.ADC_LAYOUTS:
        raise MeterSettingError(f"No firmware sends an ADC block of {block_bytes} bytes.", "Choose 40 or 44.")


def _checked_load(since_s: float, voltage_v: float, current_a: float) -> Load:
    # The margin leaves room for the offset of the uncalibrated averages.
    if not all(abs(value) * 1e6 <= LARGEST_MICRO - 1000 for value in (voltage_v, current_a)):
        raise MeterSettingError(
            f"A load of {voltage_v} V and {current_a} A does not fit the meter's packet.", "Stay below 2147 V and A."
        )
    return Load(since_s, voltage_v, current_a)
