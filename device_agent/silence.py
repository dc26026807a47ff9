"""A stream that knows how long its other end has been silent: a link that was cut says nothing, not even that.

The host sends an empty line every few seconds while it is there, whatever else it sends, but not while the agent
benchmarks. Where nothing at all has come for `QUIET_S`, it is gone, and the device's lock must not stay with whoever
waits for it.
"""

import io
import threading
import time
from collections.abc import Callable
from typing import Any

QUIET_S = 20.0
GONE_EXIT = 75
"""The exit code of an agent whose host is gone: that may have slept, and then it hears of this."""


class Listened(io.RawIOBase):
    """Reads from another raw stream; each read that has to wait is timed."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._since_s: float | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        """What has come, as soon as anything has."""
        self._since_s = time.monotonic()
        try:
            return self._raw.readinto(buffer)
        finally:
            self._since_s = None

    @property
    def silent_s(self) -> float:
        """How long somebody has been waiting here; 0 while nobody does."""
        since_s = self._since_s
        return 0.0 if since_s is None else time.monotonic() - since_s


def watch(
    stream: Listened, gone: Callable[[], None], unless: Callable[[], bool] = lambda: False, quiet_s: float = QUIET_S
) -> None:
    """Call `gone`, once, when the stream has been silent for so long, unless that is right. A thread looks at it."""

    def run() -> None:
        while stream.silent_s < quiet_s or unless():
            time.sleep(quiet_s / 10)
        gone()

    threading.Thread(target=run, daemon=True).start()
