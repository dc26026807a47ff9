"""The samples of a streaming session as they come, each once and at its instant on the host's clock."""

from collections.abc import Callable

from power.errors import MeterUnreachable
from power.meters.km003c.adc_queue import QueueSample
from power.meters.km003c.device_clock import DeviceClock
from power.meters.km003c.usb_exchange import SessionEnded
from power.meters.km003c.usb_session import UsbSession

PRIMING_REPLIES = 2
PRIMING_PAUSE_S = 0.001
LONGEST_READ_S = 1.0  # a reply of 63 samples takes about a millisecond, so this empties every queue
STALLED_PERIODS = 4
STALLED_LEAST_S = 1.0
MOST_RESTARTS = 2

StampedSample = tuple[float, QueueSample]


class SampleStream:
    """Reads a session. A session that the meter ended or that has dried up is begun anew; the samples lost
    meanwhile show as a gap. `now` and `sleep` are the host's clock.
    """

    def __init__(
        self, session: UsbSession, rate_hz: int, now: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._session = session
        self._clock = DeviceClock(1.0 / rate_hz)
        self._stalled_s = max(STALLED_LEAST_S, STALLED_PERIODS / rate_hz)
        self._now = now
        self._sleep = sleep
        self._fresh_s = now()
        self._restarts = 0
        self._is_primed = False

    def read(self) -> tuple[StampedSample, ...]:
        """The samples since the last call, perhaps none. The first call begins the session and gives none.

        Raises `MeterUnreachable` when the meter is gone or no sample comes any more, and `MeterProtocolError`.
        """
        if self._is_primed:
            return self._fresh()
        self._prime()
        return ()

    def _prime(self) -> None:
        """Begin the session, and watch the first samples arrive, which tells how the two clocks lie."""
        self._session.begin()
        self._fresh_s = self._now()
        replies = 0
        while replies < PRIMING_REPLIES:
            replies += bool(self._fresh())
            self._sleep(PRIMING_PAUSE_S)
        self._is_primed = True

    def _fresh(self) -> tuple[StampedSample, ...]:
        found: list[StampedSample] = []
        until_s = self._now() + LONGEST_READ_S
        try:
            while self._poll_into(found) and self._now() < until_s:
                pass
        except SessionEnded:
            self._restart()
        if found:
            self._fresh_s, self._restarts = self._now(), 0
        elif self._now() - self._fresh_s > self._stalled_s:
            self._restart()
        return tuple(found)

    def _poll_into(self, found: list[StampedSample]) -> bool:
        """Add one reply's new samples; whether it is worth while to ask for more at once.

        It is not where the reply emptied the queue, nor where it was full of samples that were delivered before.
        """
        poll = self._session.poll()
        clocks = [sample.clock_ms for sample in poll.samples]
        placed = self._clock.place(poll.asked_s, poll.answered_s, clocks, poll.emptied)
        found += [(at_s, poll.samples[position]) for position, at_s in placed]
        return bool(placed) and not poll.emptied

    def _restart(self) -> None:
        if self._restarts == MOST_RESTARTS:
            raise MeterUnreachable(
                "The meter answers but sends no new sample.", "Unplug the meter, plug it in again, and begin anew."
            )
        self._restarts += 1
        self._session.begin()
        self._fresh_s = self._now()
