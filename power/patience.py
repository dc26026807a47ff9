"""How long a meter that gives nothing is waited for: its driver has no reading, or its cable was pulled.

Until then its silence is a hole in the recording, and from then on an error.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from power.errors import NoReading

NO_READING_PATIENCE_S = 5.0  # a driver that cannot read its sensor mostly can again a moment later
REPLUG_PATIENCE_S = 60.0  # a person has to find the cable and plug it in again

Reply = TypeVar("Reply")


class NoReadingPatience:
    """Takes a driver's missing readings for empty replies, for `NO_READING_PATIENCE_S` seconds at most."""

    def __init__(self) -> None:
        self._missing_since_s: float | None = None

    def read(self, read: Callable[[], tuple[Reply, ...]]) -> tuple[Reply, ...]:
        """What `read` gives; nothing where it raises `NoReading`, which is raised on when the patience is over."""
        try:
            reply = read()
        except NoReading:
            now_s = time.monotonic()
            if self._missing_since_s is None:
                self._missing_since_s = now_s
            if now_s - self._missing_since_s > NO_READING_PATIENCE_S:
                raise
            return ()
        self._missing_since_s = None
        return reply


POLL_HZ = 20.0
"""How often a meter is asked, where nobody says otherwise."""
