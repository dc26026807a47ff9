"""What a process died of, by its exit code: 128 + n where signal n ended it. Pure; both ends of the wire read it.

SIGKILL has many senders. Only the kernel's own count (`oom.py`) tells whether memory ran out.
"""

import signal
from dataclasses import dataclass

_ANOTHER_RUNTIME = "Install another version of the backend's package on the device."


@dataclass(frozen=True)
class Death:
    """A stable code, a clause that has the process as its subject, and what to do."""

    code: str
    what: str
    remedy: str


_CRASHED = Death("crashed", "crashed inside a library", _ANOTHER_RUNTIME)
_BY_SIGNAL = {
    signal.SIGILL: Death(
        "illegal_instruction",
        "met an instruction that its processor does not have",
        "A library there was built for a newer processor: install another version of the backend's package.",
    ),
    signal.SIGALRM: Death(  # of our own: `detached.py`
        "too_long",
        "was ended: a phase of its benchmark took far too long",
        "See what keeps the device busy, then bench again.",
    ),
    signal.SIGSEGV: _CRASHED,
    signal.SIGBUS: _CRASHED,
    signal.SIGABRT: _CRASHED,
}
_KILLED = {
    True: Death(
        "out_of_memory",
        "was killed by the kernel, because memory ran out",
        "Use a smaller model, or free memory on the device.",
    ),
    False: Death(
        "killed",
        "was killed (SIGKILL), and not by the kernel for want of memory",
        "Somebody or something there ended it, such as `earlyoom` where that runs: run the command again.",
    ),
    None: Death(
        "killed",
        "was killed (SIGKILL)",
        "The kernel does so where memory runs out, and `sudo dmesg | grep -i oom` there tells; else run it again.",
    ),
}


def exit_code_of(returncode: int) -> int:
    """As a shell has it, of what `subprocess` says of a process that ended: -n for signal n."""
    return returncode if returncode >= 0 else 128 - returncode


def death_of(exit_code: int, ran_out: bool | None = None) -> Death | None:
    """None for a process that ended by itself, or by a signal that somebody sends.

    `ran_out` is whether the kernel killed one there for want of memory meanwhile, None where nobody knows.
    """
    if exit_code == 128 + signal.SIGKILL:
        return _KILLED[ran_out]
    return next((death for number, death in _BY_SIGNAL.items() if exit_code == 128 + number), None)
