"""The agent says every few seconds that it lives, so that a host need not wait long for one that does not.

The link hears of it too: when the host is gone without a word, the next beat that cannot be delivered is how this
device's SSH server notices, and the agent's end frees the lock. Nothing of this happens while something is measured.
"""

import threading
from collections.abc import Callable
from contextlib import suppress

EVERY_S = 5.0


class Heartbeat:
    """Calls `beat` from a thread of its own."""

    def __init__(self, beat: Callable[[], None], every_s: float = EVERY_S) -> None:
        self._beat, self._every_s = beat, every_s
        self._changed, self._paused = threading.Condition(), False

    def start(self) -> None:
        """Begin; the first beat is one interval from now."""
        threading.Thread(target=self._run, daemon=True).start()

    def pause(self) -> None:
        """From the return of this call on the thread does nothing, and does not even wake."""
        self._set(paused=True)

    def resume(self) -> None:
        """Go on."""
        self._set(paused=False)

    def _set(self, *, paused: bool) -> None:
        with self._changed:
            self._paused = paused
            self._changed.notify()

    def _run(self) -> None:
        with self._changed, suppress(OSError):  # nobody listens any more: the end of stdin tells so, too
            while True:
                if not self._changed.wait(None if self._paused else self._every_s):
                    self._beat()
