"""One push, benchmark or evaluation at a time: they would disturb each other, and no number would say so."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from device_agent.errors import UPDATE_BOTH, BadRequest, DeviceBusy
from device_agent.messages.lock import Waiting

_LOOK_EVERY_S = 0.25  # some tens of microseconds of one core each time: what waits must not disturb what it waits for
_LONGEST_NAME = 200
_NAMELESS = "another command of groupnl"


class DeviceLock:
    """The device's one lock, as a file that the kernel unlocks when the process ends, however it ends.

    The file says what its holder does, so that whoever waits can be told for whom.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: BinaryIO | None = None

    @property
    def held(self) -> bool:
        """Whether this process holds it."""
        return self._stream is not None

    def take(self, purpose: str, wait_s: float, tell: Callable[[Waiting], None] = lambda _: None) -> None:
        """Wait up to `wait_s` for it; `tell` hears of every other holder met. Raises `DeviceBusy` after that.

        Taking what this process holds already only changes the purpose.
        """
        deadline, told = time.monotonic() + wait_s, ""
        while not self._try(purpose):
            holder = self.holder()
            if time.monotonic() >= deadline:
                raise DeviceBusy(
                    f"The device is busy with {holder.holder}, for {holder.since_s:.0f} s already; "
                    f"{'nothing was waited' if wait_s == 0 else f'{wait_s:g} s were waited'}.",
                    "Run it again when that has ended; push, bench and evaluate wait longer with --wait SECONDS. If "
                    "who began it is gone, end the process groupnl-agent there.",
                )
            if holder.holder != told:
                told = holder.holder
                tell(holder)
            time.sleep(min(_LOOK_EVERY_S, max(0.0, deadline - time.monotonic())))

    @contextmanager
    def kept(self, purpose: str) -> Iterator[None]:
        """Under the lock that the host has taken; else under the block's own, to be had at once or not at all."""
        if self.held:
            yield
            return
        self.take(purpose, wait_s=0)
        try:
            yield
        finally:
            self.release()

    def require_held(self, what: str) -> None:
        """Raise `BadRequest` where this process does not hold it."""
        if not self.held:
            raise BadRequest(f"The device's lock was not taken before {what}.", UPDATE_BOTH)

    def release(self) -> None:
        """Give it back; the end of the process does the same."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def holder(self) -> Waiting:
        """Who holds it now, and for how long. What another host wrote is printed by this one: letters alone pass."""
        name, since_s = "", 0.0
        with suppress(OSError):
            name = self._path.read_text(encoding="utf-8", errors="replace").strip()
            since_s = max(0.0, time.time() - self._path.stat().st_mtime)
            # A board without a clock may have been set right meanwhile, by decades: no lock outlives a boot.
            since_s = min(since_s, time.monotonic())
        plain = "".join(letter for letter in name if letter.isprintable())
        return Waiting(plain[:_LONGEST_NAME] or _NAMELESS, since_s)

    def _try(self, purpose: str) -> bool:
        stream = self._stream or self._path.open("ab", buffering=0)
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            return False
        self._stream = stream
        with suppress(OSError):  # a full disk: the lock is had all the same, and without a name
            stream.truncate(0)
            stream.write(purpose.encode(errors="replace"))
        return True
