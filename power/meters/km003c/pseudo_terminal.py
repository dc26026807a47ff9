"""Whether a serial port is a pseudo-terminal, which alone decides that a measurement is emulated."""

import os
import re
import sys

# Linux Documentation/admin-guide/devices.txt: 2 and 3 are BSD pseudo-terminals, 136-143 Unix98 ones.
LINUX_PTY_MAJORS = frozenset({2, 3, *range(136, 144)})
PTY_NAME = re.compile(r"/dev/(pts/|pty|ttys[0-9])")


def is_pseudo_terminal(port: str, descriptor: int) -> bool:
    """By the open device itself where the system numbers its devices as Linux does, and by its real name."""
    named = PTY_NAME.match(os.path.realpath(port)) is not None
    numbered = sys.platform == "linux" and os.major(os.fstat(descriptor).st_rdev) in LINUX_PTY_MAJORS
    return named or numbered
