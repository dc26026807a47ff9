"""The most memory that a benchmark and its processes have at once. What they share counts once (PSS)."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil


@contextmanager
def peak_pss_mb(every_s: float = 0.1) -> Iterator[Callable[[], float]]:
    """Watch this process and its children, a look every so often; the function tells the most there was.

    A look at a process that has PyTorch costs some milliseconds: beside what is timed there should be few.
    """
    peak, ended, this = 0.0, threading.Event(), psutil.Process()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(every_s):
            total = 0
            for process in (this, *this.children(recursive=True)):
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:  # it has just ended
                    continue
            peak = max(peak, total / 2**20)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: peak
    finally:
        ended.set()
        watcher.join()
