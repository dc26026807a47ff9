"""The terminal lent to a command, as a shell lends it: Ctrl-C and what is typed are the command's meanwhile."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def in_foreground() -> bool:
    """Whether what is typed at our terminal reaches us."""
    terminal = _opened()
    if terminal is None:
        return False
    try:
        return _foreground(terminal) == os.getpgrp()
    finally:
        os.close(terminal)


@contextmanager
def lent_to(group: int) -> Iterator[bool]:
    """In the block a process group of this session has the terminal, where we had it; whether it has.

    Who asked for it before that was stopped, and has to be woken.
    """
    terminal = _opened() if in_foreground() else None
    if terminal is None:
        yield False
        return
    # From the background, taking it back would stop us.
    previous = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        with suppress(OSError):  # the group may have ended already
            os.tcsetpgrp(terminal, group)
        yield True
    finally:
        with suppress(OSError):
            os.tcsetpgrp(terminal, os.getpgrp())
        signal.signal(signal.SIGTTOU, previous)
        os.close(terminal)


def _opened() -> int | None:
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None


def _foreground(terminal: int) -> int:
    try:
        return os.tcgetpgrp(terminal)
    except OSError:  # it has hung up
        return -1
