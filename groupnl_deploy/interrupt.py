"""Ctrl-C and its polite cousin: both end a command in order, with our exit code."""

import dataclasses
import signal
from collections.abc import Iterator
from contextlib import contextmanager


def forget_interrupt() -> None:
    """Let the exit code be ours although Ctrl-C came in the middle of an import.

    CPython notes a KeyboardInterrupt that leaves any exec of a string (each dataclass and named tuple is made by
    one), and then dies of SIGINT instead of exiting, even when the interrupt was caught. A dataclass that is made
    to its end takes the note back (CPython, `_Py_UnhandledKeyboardInterrupt` in pythonrun.c).
    """
    dataclasses.make_dataclass("Forgotten", ())


@contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """A polite kill in the block must clean up as Ctrl-C does, or it would leave an agent running on the board."""

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
