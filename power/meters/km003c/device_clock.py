"""Pure: the meter's own clock, brought to the host's.

The meter stamps its samples with its uptime in milliseconds, a 32-bit number that begins anew every 49.7 days
and runs by the meter's quartz. The host only knows when it asked and when the reply was there. Each reply
narrows down where the two clocks lie to each other: a sample was taken before the reply that brought it, and
after the question before, whose reply emptied the queue without it. The estimate moves only as far as the
newest such bounds force it to, so that quick round trips count and slow ones do no harm, and a drifting quartz
is followed.
"""

import math
from collections.abc import Sequence

from power.errors import MeterProtocolError

WRAP_MS = 2**32
# How far a sample may seem to lie ahead of the reply that brought it before the clock must have jumped.
LARGEST_LEAD_S = 1.0


class DeviceClock:
    """The meter's clock, for a meter that takes a sample every `period_s` seconds."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._newest_ms: int | None = None
        self._offset_s: float | None = None
        self._latest_s = -math.inf
        self._emptied_s = -math.inf

    def place(
        self, asked_s: float, answered_s: float, clocks_ms: Sequence[int], emptied: bool
    ) -> tuple[tuple[int, float], ...]:
        """The samples of one reply that are new: their positions in it, and their instants on the host's clock.

        `clocks_ms` are the samples' clocks (modulo 2³²) in the reply's order, `emptied` whether the reply left
        nothing in the meter. A sample that is not after the newest one so far was delivered before, and is left
        out. Instants never go backwards. Raises `MeterProtocolError` where the clock has jumped.
        """
        fresh = self._unwrapped(clocks_ms)
        if fresh:
            self._narrow(asked_s, answered_s, fresh[0][1] / 1e3, fresh[-1][1] / 1e3, emptied)
        self._emptied_s = asked_s if emptied else -math.inf
        return tuple((position, self._on_host(clock_ms)) for position, clock_ms in fresh)

    def _unwrapped(self, clocks_ms: Sequence[int]) -> list[tuple[int, int]]:
        """Positions and clocks without wraps of the samples after the newest so far."""
        fresh = []
        for position, clock_ms in enumerate(clocks_ms):
            if self._newest_ms is None:
                self._newest_ms = clock_ms
            elif 0 < (step_ms := (clock_ms - self._newest_ms) % WRAP_MS) < WRAP_MS // 2:
                self._newest_ms += step_ms
            else:
                continue
            fresh.append((position, self._newest_ms))
        return fresh

    def _narrow(self, asked_s: float, answered_s: float, first_s: float, newest_s: float, emptied: bool) -> None:
        """Move the offset (host minus meter) into what this reply allows."""
        highest_s = answered_s - newest_s
        lowest_s = self._emptied_s - first_s
        if emptied:  # the sample after the newest had not been taken when we asked
            lowest_s = max(lowest_s, asked_s - newest_s - self._period_s)
        if self._offset_s is None:
            self._offset_s = (lowest_s + highest_s) / 2 if math.isfinite(lowest_s) else highest_s
        elif highest_s < self._offset_s - LARGEST_LEAD_S:
            raise MeterProtocolError(
                f"The meter's clock jumped {self._offset_s - highest_s:.1f} s ahead.",
                "Begin the recording again; keep this computer from sleeping while it measures.",
            )
        # Where the bounds contradict each other the upper one counts: no reply brings a sample of the future.
        self._offset_s = min(max(self._offset_s, lowest_s), highest_s)

    def _on_host(self, clock_ms: int) -> float:
        assert self._offset_s is not None
        self._latest_s = max(self._latest_s, clock_ms / 1e3 + self._offset_s)
        return self._latest_s
