"""Ctrl-C and its polite cousin end a command in order, with our exit code; and workers end with whom they work for."""

import ctypes
import dataclasses
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

ONE_END_S = 1.0
"""Within so many seconds two polite ends are of one cause."""
_DROPPED_S = 0.01  # after which a Ctrl-C that was dropped is sent again


def forget_interrupt() -> None:
    """Let the exit code be ours although Ctrl-C came in the middle of an import.

    CPython notes a KeyboardInterrupt that leaves any exec of a string (each dataclass and named tuple is made by
    one), and then dies of SIGINT instead of exiting, even when the interrupt was caught. A dataclass that is made
    to its end takes the note back (CPython, `_Py_UnhandledKeyboardInterrupt` in pythonrun.c).
    """
    dataclasses.make_dataclass("Forgotten", ())


POLITE_ENDS = (signal.SIGTERM, signal.SIGHUP)
"""A polite kill, and a terminal or SSH session that was closed."""


@contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """A polite kill or a hang-up in the block must clean up as Ctrl-C does, or it would leave an agent running on the
    board. Whoever started us with one of them ignored, as `nohup` does, is not contradicted.
    """
    heeded = {number: handler for number in POLITE_ENDS if (handler := signal.getsignal(number)) is not signal.SIG_IGN}
    interrupt = _once_interrupting()
    for number in heeded:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in heeded.items():
            signal.signal(number, handler)


def _once_interrupting() -> Callable[[int, object], None]:
    """A handler that interrupts once for one end: the kernel, the shell, sshd and systemd each tell of a session that
    is over, and what comes second must not end the cleaning up. A later SIGTERM is somebody's who has lost patience.
    """
    first_s = -math.inf

    def interrupt(number: int, frame: object) -> None:
        nonlocal first_s
        now_s = time.monotonic()
        if first_s > -math.inf and (number == signal.SIGHUP or now_s - first_s < ONE_END_S):
            return
        first_s = now_s
        raise KeyboardInterrupt

    return interrupt


def hear_every_interrupt() -> None:
    """From now on a Ctrl-C that falls into code whose errors Python drops is sent again, until something meets it.

    Finalizers and the callbacks of weak references are such code; each import runs some. Python tells what it drops
    to `sys.unraisablehook` alone, and goes on.
    """
    others = sys.unraisablehook

    def again(told: "sys.UnraisableHookArgs") -> None:
        if told.exc_type is KeyboardInterrupt:
            # Not at once: it would be dropped in this hook, too.
            threading.Timer(_DROPPED_S, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()
        else:
            others(told)

    sys.unraisablehook = again


class ThreadInterrupt(KeyboardInterrupt):
    """What `interrupt_thread` has a thread meet. `met_by` has the numbers of those that did."""

    met_by: ClassVar[set[int]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.met_by.add(threading.get_ident())  # CPython makes it within the thread that meets it


def interrupt_thread(thread: threading.Thread) -> None:
    """Have a thread meet Ctrl-C as the main one does, as soon as it comes back to Python; once, however often called.

    What waits for a device does so in a dozen places, also within paramiko; this way all of them clean up as they do in
    the main thread, and none has to ask whether it is to end.
    """
    if thread.ident is not None and thread.ident not in ThreadInterrupt.met_by:
        # CPython's own way to do so: https://docs.python.org/3/c-api/init.html#c.PyThreadState_SetAsyncExc
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(ThreadInterrupt))


@contextmanager
def interrupting_threads() -> Iterator[None]:
    """In the block a thread that meets a `ThreadInterrupt` and has nothing to undo ends without a word.

    Before Python 3.12 a thread that is just being started has its starter's number, and may meet what that should.
    """
    threads, unraisable = threading.excepthook, sys.unraisablehook

    def of_a_thread(told: threading.ExceptHookArgs) -> None:
        if told.exc_type is not ThreadInterrupt:
            threads(told)

    def of_its_beginning(told: "sys.UnraisableHookArgs") -> None:
        if told.exc_type is not ThreadInterrupt:
            unraisable(told)

    ThreadInterrupt.met_by.clear()
    threading.excepthook, sys.unraisablehook = of_a_thread, of_its_beginning
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = threads, unraisable


def end_with_parent() -> None:
    """From now on this process of `multiprocessing` ends when the one that started it does, however that ends."""
    threading.Thread(target=_outlive_nobody, daemon=True).start()


def _outlive_nobody() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os.kill(os.getpid(), signal.SIGKILL)  # nobody is left to hear of anything; what was begun is begun again
