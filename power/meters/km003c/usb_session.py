"""A streaming session with a KM003C: begun, polled for samples, begun anew, ended.

The order of its packets is that of okhsunrog/km003c-rs and of the vendor's program. Tried on no real meter.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from power.errors import MeterProtocolError, MeterSettingError, MeterUnreachable, PowerError
from power.meters.km003c import protocol
from power.meters.km003c.adc_queue import MAX_SAMPLES, QueueSample, queue_samples
from power.meters.km003c.usb_exchange import TYPE_BITS, Exchange
from power.meters.km003c.usb_unlock import Cipher, unlock

CONNECT_ATTEMPTS = 3
CONNECT_PAUSE_S = 0.1
POLL_ATTEMPTS = 3
MOST_LEFT_POLLS = 64  # replies that a queue of an earlier stream can fill


@dataclass(frozen=True)
class Poll:
    """One reply of the queue: when it was asked for and when it was there, on the host's clock, and its samples."""

    asked_s: float
    answered_s: float
    samples: tuple[QueueSample, ...]

    @property
    def emptied(self) -> bool:
        """Whether it left no sample in the meter: a reply that is not full was all there was."""
        return len(self.samples) < MAX_SAMPLES


def rate_index(rate_hz: int) -> int:
    """The number by which START_GRAPH names a rate. Raises `MeterSettingError` for a rate the meter does not have."""
    if rate_hz not in protocol.GRAPH_RATES_HZ:
        rates = ", ".join(str(rate) for rate in protocol.GRAPH_RATES_HZ)
        raise MeterSettingError(f"The meter cannot measure {rate_hz} times a second.", f"Choose one of {rates}.")
    return protocol.GRAPH_RATES_HZ.index(rate_hz)


class UsbSession:
    """A session that streams at a rate given by its index; `now` and `sleep` are the host's clock."""

    def __init__(
        self,
        exchange: Exchange,
        cipher: Cipher,
        index: int,
        now: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._exchange = exchange
        self._cipher = cipher
        self._rate_index = index
        self._now = now
        self._sleep = sleep
        self._is_begun = False

    def begin(self) -> None:
        """Connect, unlock and start the stream, with nothing of an earlier one left in the queue.

        Also what helps after the meter has ended a session. Raises `MeterUnreachable` and `MeterProtocolError`.
        """
        self._is_begun = True
        self._exchange.drain()
        self._connect()
        unlock(self._exchange, self._cipher, self._sleep)
        self._command(protocol.stop_graph, "stop measuring", protocol.REJECT)  # refused where nothing runs
        for _ in range(MOST_LEFT_POLLS):
            if self.poll().emptied:
                break
        self._command(lambda number: protocol.start_graph(number, self._rate_index), "start measuring")

    def poll(self) -> Poll:
        """Take what is in the queue, at most `MAX_SAMPLES`.

        Raises `SessionEnded` when the meter has ended the session, `MeterUnreachable` on silence and
        `MeterProtocolError` for a reply that is none.
        """
        for _ in range(POLL_ATTEMPTS):
            asked_s = self._now()
            reply = self._exchange.ask(lambda number: protocol.get_data(number, protocol.ADC_QUEUE), protocol.PUT_DATA)
            if reply is not None:
                return Poll(asked_s, self._now(), queue_samples(protocol.parse_transfer(reply)))
        raise _silent()

    def end(self) -> None:
        """Stop the stream and disconnect, as far as the meter still listens; nothing where nothing was begun."""
        if not self._is_begun:
            return
        self._is_begun = False
        for packet in (protocol.stop_graph, protocol.disconnect):
            with contextlib.suppress(PowerError):
                self._exchange.ask(packet, protocol.ACCEPT, protocol.REJECT)

    def _connect(self) -> None:
        for attempt in range(CONNECT_ATTEMPTS):
            if attempt:
                self._sleep(CONNECT_PAUSE_S)
            reply = self._exchange.ask(protocol.connect, protocol.ACCEPT, protocol.ERROR, in_session=False)
            if reply is not None and reply[0] & TYPE_BITS == protocol.ACCEPT:
                return
            if reply is not None:  # KM002C: a session is still open
                self._exchange.ask(protocol.disconnect, protocol.ACCEPT, in_session=False)
        raise _silent()

    def _command(self, build: Callable[[int], bytes], what: str, *also_fine: int) -> None:
        reply = self._exchange.ask(build, protocol.ACCEPT, protocol.REJECT, protocol.ERROR)
        if reply is None:
            raise _silent()
        if reply[0] & TYPE_BITS not in (protocol.ACCEPT, *also_fine):
            raise MeterProtocolError(f"The meter refuses to {what}.", "Plug the meter in again.")


def _silent() -> MeterUnreachable:
    return MeterUnreachable(
        "The meter does not answer over USB.", "Plug it in again, and close other programs that use it."
    )
