"""Whether a serial port is a pseudo-terminal, which alone decides that a measurement is emulated."""

import contextlib
import fcntl
import os
import re
import sys

# Linux Documentation/admin-guide/devices.txt: 2 and 3 are BSD pseudo-terminals, 136-143 Unix98 ones.
LINUX_PTY_MAJORS = frozenset({2, 3, *range(136, 144)})
PTY_NAME = re.compile(r"/dev/(pts/|pty|ttys[0-9])")
TIOCGDEV = 0x80045432  # Linux asm-generic/ioctls.h: the device number of the terminal itself


def is_pseudo_terminal(port: str, descriptor: int) -> bool:
    """By the open device itself where the system numbers its devices as Linux does, and by its real name."""
    named = PTY_NAME.match(os.path.realpath(port)) is not None
    return named or (sys.platform == "linux" and not LINUX_PTY_MAJORS.isdisjoint(_majors(descriptor)))


def _majors(descriptor: int) -> set[int]:
    """Of the file that was opened, and of the terminal it leads to: /dev/tty has a number of its own."""
    numbers = {os.fstat(descriptor).st_rdev}
    with contextlib.suppress(OSError):  # no terminal, or a machine that numbers this request differently
        numbers.add(int.from_bytes(fcntl.ioctl(descriptor, TIOCGDEV, bytes(4)), sys.byteorder))
    return {os.major(number) for number in numbers}
