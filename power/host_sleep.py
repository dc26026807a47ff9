"""Whether the host has slept. A recording's clock, `time.monotonic`, stands still meanwhile.

So a sleep leaves no hole among the instants of a recording, and its joules would be missing unseen. A second clock,
which goes on, tells. A virtual machine that was paused stops both and goes unnoticed.
"""

import math
import sys
import time
from collections.abc import Callable
from functools import partial

from power.errors import HostSlept

Clock = Callable[[], float]

LEAST_SLEEP_S = 0.05  # two clocks of an awake host part by microseconds, and no host sleeps and wakes that fast
# Clocks that go on, by `sys.platform`: Linux' clock_gettime(2); for macOS https://reviews.llvm.org/D74341.
SLEEPLESS = {"linux": "CLOCK_BOOTTIME", "darwin": "CLOCK_MONOTONIC_RAW"}


def sleepless_clock(platform: str = sys.platform) -> Clock:
    """Seconds that go on while the host sleeps; `time.monotonic`, which cannot tell, on a system without them."""
    number: int | None = getattr(time, SLEEPLESS.get(platform, ""), None)
    return time.monotonic if number is None else partial(time.clock_gettime, number)


class SleepWatch:
    """Compares a clock that stands still while the host sleeps with a `sleepless` one, from now on."""

    def __init__(self, awake: Clock = time.monotonic, sleepless: Clock | None = None) -> None:
        self._awake = awake
        self._sleepless = sleepless or sleepless_clock()
        self._began_s = awake()
        self._awake_s = 0.0
        self._lead_s = math.inf
        self.require_awake()

    def require_awake(self) -> None:
        """Raise `HostSlept` if the host has slept since the last call."""
        before_s, sleepless_s, after_s = self._awake(), self._sleepless(), self._awake()
        slept_s = sleepless_s - after_s - self._lead_s
        if slept_s > LEAST_SLEEP_S:
            raise HostSlept(
                f"The host slept for {slept_s:.2f} s, {self._awake_s:.1f} s after the recording began.",
                "Keep it awake (put systemd-inhibit on Linux, or caffeinate on macOS, before the command), "
                "and record again.",
            )
        # This thread may have been held up between two readings, so a look gives no more than bounds of the lead.
        self._lead_s = min(self._lead_s, sleepless_s - before_s)
        self._awake_s = after_s - self._began_s
