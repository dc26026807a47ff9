"""Ctrl-C and a polite kill wait for the end of a step, so that it can be saved; a second one waits for nothing."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from groupnl_deploy.interrupt import ONE_END_S, POLITE_ENDS


@contextlib.contextmanager
def waiting_for_a_step() -> Iterator[Callable[[], bool]]:
    """In the block the first signal to end is only noted. Gives what tells whether there was one.

    Whoever started us with a signal ignored, as `nohup` does, is not contradicted. Outside of the main thread, which
    alone hears signals, nothing changes.
    """
    asked_s: list[float] = []

    def noted(number: int, frame: FrameType | None) -> None:
        now_s = time.monotonic()
        one_end = bool(asked_s) and number != signal.SIGINT and now_s - asked_s[-1] < ONE_END_S
        if asked_s and not one_end:
            raise KeyboardInterrupt
        asked_s.append(now_s)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, *POLITE_ENDS):
            handler = signal.getsignal(number)
            if handler not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, noted)
    try:
        yield lambda: bool(asked_s)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
