"""The KM003C over its serial port (CDC ACM), the only file here that imports pyserial.

Only GET_DATA is ever sent: the meter acts on text that reaches this port (some words make the charger
change its voltage), and bytes of other commands begin a second stream of newer firmware. The baud rate
means nothing to the meter. That Linux's ttyACM takes these packets is stated by vendor and community
(inuchanbt/KM003C-CLI, chaseleif/km003c) and not yet confirmed here on a real meter.
"""

import contextlib
import os
import secrets
import termios
import time

import serial
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from power.errors import MeterProtocolError, PowerError
from power.meters.base import Measurement, Meter, closed, with_sign
from power.meters.km003c import adc, port_errors, protocol
from power.meters.km003c.measuring_range import require_in_range
from power.meters.km003c.pseudo_terminal import is_pseudo_terminal
from power.meters.km003c.wrong_device import wrong_device
from power.trace import MeterFacts

BAUD = 115200
QUIET_S = 0.05
REPLY_TIMEOUT_S = 0.5
RESYNC_TIMEOUT_S = 1.0
ATTEMPTS = 3
KEPT_BYTES = 512  # of what was heard, to tell which device it is
SHOWN_BYTES = 8


class Km003cSerial(Meter):
    """An open KM003C; `sign` (+1 or -1) is applied to every current.

    Whether its numbers are emulated is decided by the port alone: a pseudo-terminal is an emulator. After
    `MeterUnreachable` a meter that was plugged in again is opened anew; under /dev/serial/by-id its path stays.
    Raises `MeterUnreachable` when the port cannot be opened.
    """

    def __init__(self, port: str, sign: int = 1) -> None:
        self._port = port
        self._cutter = protocol.FrameCutter()
        self._request_id = secrets.randbelow(256)  # that of an earlier program must not be the next
        self._is_drained = False
        self._asked = bytearray()
        self._heard = bytearray()
        self._line = _open_line(port)
        try:
            # Asked while the line is open, which breaks when another device takes the port's name.
            self._serial_number = _serial_number(port)
            self._facts = MeterFacts(
                meter="km003c",
                transport="serial",
                port=port,
                emulated=is_pseudo_terminal(port, self._line.fileno()),
                sign=sign,
                field="vbus/ibus instantaneous",
                update_period_s=adc.UPDATE_PERIOD_S,
                averaging="block",
            )
        except PowerError:
            self.close()
            raise

    @property
    def facts(self) -> MeterFacts:
        """What must be known to judge this meter's numbers."""
        return self._facts

    @property
    def serial_number(self) -> str | None:
        """That of the meter's USB device, where the system tells."""
        return self._serial_number

    def read(self) -> tuple[Measurement, ...]:
        """Ask for the ADC block until it comes, a few times at most.

        Raises `MeterUnreachable` on silence, a vanished or a closed port, and `MeterProtocolError` on persistent
        garbage or another device: within a few seconds, and at once where the port is gone.
        """
        if not self._line.is_open:
            raise closed(f"The meter on {self._port}")
        self._drop_leftovers()
        self._asked.clear()
        self._heard.clear()
        problem = None
        for _ in range(ATTEMPTS):
            try:
                measurement = self._ask()
            except MeterProtocolError as error:
                problem = error
            else:
                if measurement is not None:
                    return (measurement,)
            if not self._became_quiet():
                break
        raise self._diagnosis(problem)

    def close(self) -> None:
        """Close the port; harmless when called again or when the meter is gone."""
        with contextlib.suppress(OSError, termios.error):
            self._line.close()

    def _ask(self) -> Measurement | None:
        """One request; None when nothing came back."""
        self._request_id = (self._request_id + 1) % 256
        asked_s = time.monotonic()
        self._send(protocol.get_data(self._request_id))
        frame = self._collect(asked_s + REPLY_TIMEOUT_S)
        if frame is None:
            return None
        return self._measurement(adc.adc_block(frame), (asked_s + time.monotonic()) / 2)

    def _send(self, request: bytes) -> None:
        self._asked += request
        with port_errors.port_errors(self._port, port_errors.UNPLUGGED):
            try:
                self._line.write(request)
            except serial.SerialTimeoutException as error:
                raise port_errors.unreachable(port_errors.TAKES_NOTHING, self._port) from error

    def _receive(self, most_bytes: int) -> bytes:
        """What comes until `most_bytes` are there or the line is quiet."""
        with port_errors.port_errors(self._port, port_errors.UNPLUGGED):
            data = self._line.read(most_bytes)
        self._heard += data[: KEPT_BYTES - len(self._heard)]
        return data

    def _collect(self, deadline_s: float) -> protocol.Frame | None:
        """Read by length, never past the packet, until the answer to the current request is complete."""
        while time.monotonic() < deadline_s:
            for frame in self._cutter.feed(self._receive(self._cutter.missing_bytes)):
                if self._is_answer(frame.header):
                    self._require_nothing_behind()
                    return frame
        if self._cutter.pending_bytes:
            raise MeterProtocolError(
                f"A reply broke off after {self._cutter.pending_bytes} bytes.",
                "Ask again; try another cable or USB port if this persists.",
            )
        return None

    def _is_answer(self, header: protocol.Header) -> bool:
        """Packets of an earlier program, and a DISCONNECT the meter sends on its own, are passed over."""
        if header.request_id != self._request_id:
            return False
        if header.packet_type in (protocol.REJECT, protocol.ERROR):
            raise MeterProtocolError("The meter refused to send a measurement.", "Plug the meter in again.")
        return header.packet_type == protocol.PUT_DATA

    def _require_nothing_behind(self) -> None:
        """Stray bytes inside an answer shift its numbers, and as many of its own are left over."""
        if self._waiting_bytes():
            raise MeterProtocolError("The meter's answer is longer than it says.", protocol.ASK_AGAIN)

    def _waiting_bytes(self) -> int:
        with port_errors.port_errors(self._port, port_errors.UNPLUGGED):
            return int(self._line.in_waiting)

    def _drop_leftovers(self) -> None:
        """What came unasked is no answer: that of an earlier program, which may still be on its way, or stray bytes."""
        if not self._is_drained or self._waiting_bytes():
            self._became_quiet()
            self._is_drained = True

    def _became_quiet(self) -> bool:
        """Drop everything until the line has been quiet for one read time-out; False if it never is."""
        self._cutter.clear()
        deadline_s = time.monotonic() + RESYNC_TIMEOUT_S
        while self._receive(protocol.MAX_FRAME_BYTES):
            if time.monotonic() > deadline_s:
                return False
        return True

    def _diagnosis(self, problem: MeterProtocolError | None) -> PowerError:
        """Why no attempt succeeded: another device, else the last `problem`, else silence."""
        stranger = wrong_device(self._port, bytes(self._heard), bytes(self._asked))
        if stranger is not None:
            return stranger
        if problem is not None:
            return MeterProtocolError(f"{self._port}: {problem.message}", problem.remedy)
        if self._heard:
            return MeterProtocolError(
                f"The device on {self._port} sends, but no answer: {self._heard[:SHOWN_BYTES].hex()}.",
                "Check that the port is a KM003C's, and plug the meter in again.",
            )
        return port_errors.unreachable(port_errors.NO_ANSWER, self._port)

    def _measurement(self, raw: adc.AdcRaw, t_s: float) -> Measurement:
        require_in_range(raw.voltage_v, raw.current_a)
        # Not the averages: they lag by a second or more and are low by up to 0.2 % on a studied unit.
        return Measurement(
            t_s=t_s,
            voltage_v=raw.voltage_v,
            current_a=with_sign(self._facts.sign, raw.current_a),
            identity=(raw.vbus_uv, raw.ibus_ua, raw.cc1_raw, raw.cc2_raw),
        )


def _open_line(port: str) -> serial.Serial:
    """Open raw and exclusive; pyserial flushes what was queued. No setting is touched after this."""
    line = serial.Serial(baudrate=BAUD, timeout=QUIET_S, write_timeout=REPLY_TIMEOUT_S, exclusive=True)
    # Before opening, because a pseudo-terminal has no modem lines and refuses them afterwards.
    line.dtr = True
    line.rts = True
    with port_errors.port_errors(port, port_errors.NOT_SERIAL):
        line.port = port
        line.open()
    return line


def usb_ports() -> tuple[ListPortInfo, ...]:
    """The serial ports that the system knows, with the USB device behind each; asked of the system, not of them."""
    try:
        return tuple(list_ports.comports())
    except (OSError, TypeError, ValueError):
        return ()  # pyserial reads a device's files one by one, and breaks where it is unplugged meanwhile


def _serial_number(port: str) -> str | None:
    device = os.path.realpath(port)
    return next((usb.serial_number or None for usb in usb_ports() if usb.device == device), None)
