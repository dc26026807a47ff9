"""The KM003C over its own USB interface: 2, 10, 50 or 1000 samples a second. Tried on no real meter.

Needs the extra `usb`. At 1000 samples a second the meter renews voltage and current in turn.
"""

import time
from collections.abc import Callable
from typing import Any

from power.meters.base import Measurement, Meter, with_sign
from power.meters.km003c.adc_queue import QueueSample
from power.meters.km003c.measuring_range import require_in_range
from power.meters.km003c.usb_bulk import Km003cCipher, UsbPipe, device_at, is_emulated, serial_number, socket_path
from power.meters.km003c.usb_exchange import Exchange
from power.meters.km003c.usb_session import UsbSession, rate_index
from power.meters.km003c.usb_stream import SampleStream
from power.trace import MeterFacts

DEFAULT_RATE_HZ = 50


class Km003cUsb(Meter):
    """An open KM003C that measures `rate_hz` times a second; `port` is its socket, `/sys/bus/usb/devices/1-1.2`.

    The kernel's driver is put aside while it is open and given the meter back after; the first `read` begins the
    session. `backend` is pyusb's, by default that of libusb; numbers through any that is not pyusb's own are marked
    as emulated. `now` and `sleep` are the host's clock. Raises `MeterUnreachable`, and `MeterSettingError` for a
    rate that the meter does not have.
    """

    def __init__(
        self,
        port: str,
        sign: int = 1,
        *,
        rate_hz: int = DEFAULT_RATE_HZ,
        backend: Any = None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        index = rate_index(rate_hz)
        device = device_at(port, backend)
        self._facts = MeterFacts(
            meter="km003c-usb",
            transport="usb",
            port=socket_path(device),
            emulated=is_emulated(device),
            sign=sign,
            field="queue vbus/ibus (reader tried on no real meter)",
            update_period_s=1.0 / rate_hz,
            averaging="block",
        )
        self._serial_number = serial_number(device)
        self._pipe = UsbPipe(device)
        self._session = UsbSession(Exchange(self._pipe, now), Km003cCipher(), index, now, sleep)
        self._stream = SampleStream(self._session, rate_hz, now, sleep)

    @property
    def facts(self) -> MeterFacts:
        """What must be known to judge this meter's numbers."""
        return self._facts

    @property
    def serial_number(self) -> str | None:
        """The meter's own, as its USB device tells it."""
        return self._serial_number

    def read(self) -> tuple[Measurement, ...]:
        """The samples since the last call, each once; at 1000 a second ask every 50 ms at least, or some are lost.

        The first call begins the session and gives none.

        Raises `MeterUnreachable` when the meter is gone, closed or silent, and `MeterProtocolError` for replies
        that are none, all within a few seconds.
        """
        return tuple(self._measurement(at_s, sample) for at_s, sample in self._stream.read())

    def close(self) -> None:
        """End the session and give the meter back; harmless when called again or when the meter is gone."""
        if self._pipe.is_open:
            self._session.end()
            self._pipe.close()

    def _measurement(self, at_s: float, sample: QueueSample) -> Measurement:
        require_in_range(sample.voltage_v, sample.current_a)
        return Measurement(
            t_s=at_s,
            voltage_v=sample.voltage_v,
            current_a=with_sign(self._facts.sign, sample.current_a),
            identity=(sample.clock_ms, sample.vbus_uv, sample.ibus_ua),
        )
