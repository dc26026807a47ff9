"""The KM003C over its serial port (CDC ACM), the only file here that imports pyserial.

Only GET_DATA is ever sent: the meter acts on text that reaches this port (some words make the charger
change its voltage), and bytes of other commands begin a second stream of newer firmware. The baud rate
means nothing to the meter. That Linux's ttyACM takes these packets is stated by vendor and community
(inuchanbt/KM003C-CLI, chaseleif/km003c) and not yet confirmed here on a real meter.
"""

import contextlib
import errno
import os
import re
import sys
import termios
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import serial

from power.errors import MeterProtocolError, MeterUnreachable, PowerError
from power.meters.base import Measurement
from power.meters.km003c import protocol
from power.trace import MeterFacts

UPDATE_PERIOD_S = 0.5  # two measurements a second after power-up, however often it is polled
BAUD = 115200
QUIET_S = 0.05
REPLY_TIMEOUT_S = 0.5
RESYNC_TIMEOUT_S = 1.0
ATTEMPTS = 3

# Linux Documentation/admin-guide/devices.txt: 2 and 3 are BSD pseudo-terminals, 136-143 Unix98 ones.
LINUX_PTY_MAJORS = frozenset({2, 3, *range(136, 144)})
PTY_NAME = re.compile(r"/dev/(pts/|pty|ttys[0-9])")


class Km003cSerial:
    """An open KM003C; `sign` (+1 or -1) is applied to every current.

    Whether its numbers are emulated is decided by the port alone: a pseudo-terminal is an emulator.
    Raises `MeterUnreachable` when the port cannot be opened.
    """

    def __init__(self, port: str, sign: int = 1) -> None:
        self._port = port
        self._cutter = protocol.FrameCutter()
        self._request_id = 0
        self._line = _open_line(port)
        try:
            self._facts = MeterFacts(
                meter="km003c",
                transport="serial",
                port=port,
                emulated=_is_pseudo_terminal(port, self._line.fileno()),
                sign=sign,
                field="vbus/ibus instantaneous",
                update_period_s=UPDATE_PERIOD_S,
            )
        except PowerError:
            self.close()
            raise

    @property
    def facts(self) -> MeterFacts:
        """What must be known to judge this meter's numbers."""
        return self._facts

    def read(self) -> Measurement:
        """Ask for the ADC block until it comes, a few times at most.

        Raises `MeterUnreachable` on silence or a vanished port, `MeterProtocolError` on persistent garbage.
        """
        problem: PowerError = MeterUnreachable(
            f"The meter on {self._port} does not answer.",
            "Check that the port is a KM003C's and plug the meter in again.",
        )
        for _ in range(ATTEMPTS):
            try:
                measurement = self._ask()
            except MeterProtocolError as error:
                problem = error
            else:
                if measurement is not None:
                    return measurement
            self._resynchronise()
        raise problem

    def close(self) -> None:
        """Close the port; harmless when called again or when the meter is gone."""
        with contextlib.suppress(OSError, termios.error):
            self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self) -> Measurement | None:
        """One request; None when nothing came back."""
        self._request_id = (self._request_id + 1) % 256
        asked_s = time.monotonic()
        with _port_errors(self._port, _UNPLUGGED):
            self._line.write(protocol.get_data(self._request_id))
            frame = self._collect(asked_s + REPLY_TIMEOUT_S)
        if frame is None:
            return None
        return self._measurement(protocol.adc_block(frame), (asked_s + time.monotonic()) / 2)

    def _collect(self, deadline_s: float) -> protocol.Frame | None:
        """Read by length, never past the packet, until the answer to the current request is complete."""
        while time.monotonic() < deadline_s:
            for frame in self._cutter.feed(self._line.read(self._cutter.missing_bytes)):
                if self._is_answer(frame.header):
                    return frame
        if self._cutter.pending_bytes:
            raise MeterProtocolError(
                f"A reply on {self._port} broke off after {self._cutter.pending_bytes} bytes.",
                "Ask again; try another cable or USB port if this persists.",
            )
        return None

    def _is_answer(self, header: protocol.Header) -> bool:
        """Packets of an earlier program, and a DISCONNECT the meter sends on its own, are passed over."""
        if header.request_id != self._request_id:
            return False
        if header.packet_type in (protocol.REJECT, protocol.ERROR):
            raise MeterProtocolError(
                f"The meter on {self._port} refused to send a measurement.", "Plug the meter in again."
            )
        return header.packet_type == protocol.PUT_DATA

    def _resynchronise(self) -> None:
        """Drop everything until the line has been quiet for one read time-out."""
        self._cutter.clear()
        deadline_s = time.monotonic() + RESYNC_TIMEOUT_S
        with _port_errors(self._port, _UNPLUGGED):
            while self._line.read(protocol.MAX_FRAME_BYTES):
                if time.monotonic() > deadline_s:
                    raise MeterProtocolError(
                        f"{self._port} sends without being asked.", "Check that the port is a KM003C's."
                    )

    def _measurement(self, raw: protocol.AdcRaw, t_s: float) -> Measurement:
        # Not the averages: they lag by a second or more and are low by up to 0.2 % on a studied unit.
        reading = protocol.adc_reading(raw)
        return Measurement(
            t_s=t_s,
            voltage_v=reading.voltage_v,
            current_a=self._facts.sign * reading.current_a + 0.0,  # no negative zero
            identity=(raw.vbus_uv, raw.ibus_ua, raw.cc1_raw, raw.cc2_raw),
        )


def _open_line(port: str) -> serial.Serial:
    """Open raw and exclusive; pyserial flushes what was queued. No setting is touched after this."""
    line = serial.Serial(baudrate=BAUD, timeout=QUIET_S, write_timeout=REPLY_TIMEOUT_S, exclusive=True)
    # Before opening, because a pseudo-terminal has no modem lines and refuses them afterwards.
    line.dtr = True
    line.rts = True
    with _port_errors(port, _NOT_SERIAL):
        line.port = port
        line.open()
    return line


def _is_pseudo_terminal(port: str, descriptor: int) -> bool:
    """By the open device itself where the system numbers its devices as Linux does, and by its real name."""
    named = PTY_NAME.match(os.path.realpath(port)) is not None
    numbered = sys.platform == "linux" and os.major(os.fstat(descriptor).st_rdev) in LINUX_PTY_MAJORS
    return named or numbered


_Reason = tuple[str, str]

_NO_SUCH_PORT: _Reason = (
    "There is no port {port}.",
    "Plug the meter in and look for its port under /dev/serial/by-id.",
)
_NO_PERMISSION: _Reason = (
    "No permission to open {port}.",
    "Join the group that owns the port (sudo usermod -aG dialout $USER) and log in again.",
)
_BUSY: _Reason = (
    "Another program uses {port}.",
    "Stop the other program; ModemManager probes unknown ports too.",
)
_NOT_SERIAL: _Reason = (
    "{port} is not a serial port.",
    "Give the meter's port; it is listed under /dev/serial/by-id.",
)
_UNPLUGGED: _Reason = (
    "The meter on {port} is gone.",
    "Plug the meter in again and check its cable, then repeat the measurement.",
)
_REASONS: dict[int, _Reason] = {
    errno.ENOENT: _NO_SUCH_PORT,
    errno.ENOTDIR: _NO_SUCH_PORT,
    errno.EACCES: _NO_PERMISSION,
    errno.EPERM: _NO_PERMISSION,
    errno.EBUSY: _BUSY,
    errno.EAGAIN: _BUSY,
    errno.ENOTTY: _NOT_SERIAL,
    errno.EISDIR: _NOT_SERIAL,
    errno.EIO: _UNPLUGGED,
    errno.ENODEV: _UNPLUGGED,
    errno.ENXIO: _UNPLUGGED,
}


@contextlib.contextmanager
def _port_errors(port: str, otherwise: _Reason) -> Iterator[None]:
    """Turn what pyserial, the system and termios raise into `MeterUnreachable`."""
    try:
        yield
    except (OSError, termios.error, ValueError) as error:  # ValueError: a name that no port can have
        message, remedy = _REASONS.get(_error_number(error), otherwise)
        raise MeterUnreachable(message.format(port=port), remedy) from error


def _error_number(error: BaseException | None) -> int:
    """The system's error number, which pyserial often leaves in the exception it was handling; 0 if none."""
    while error is not None:
        if error.args and isinstance(error.args[0], int):
            return error.args[0]
        error = error.__context__
    return 0
