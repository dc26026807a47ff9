"""Whether an emulator computes what this process thinks a processor does: then no time and no memory means anything.

Such an emulator (QEMU's user mode, which runs one program of another processor) shows a program its own file, its own
`/proc/self` and whatever board its maker likes. What it does not hide is the kernel's view of this very thread: there
the program that runs is the emulator, which was built for another processor than Python was.
"""

import sys
from contextlib import suppress
from pathlib import Path

_ELF = b"\x7fELF"
_MACHINE = slice(18, 20)


def is_emulated(python: Path = Path(sys.executable), running: Path = Path("/proc/thread-self/exe")) -> bool | None:
    """Whether the program that the kernel runs is for another processor than Python; None where that cannot be told."""
    machines = [_machine(path) for path in (python, running)]
    return None if None in machines else machines[0] != machines[1]


def _machine(program: Path) -> bytes | None:
    """What processor a program is for, as the word of its ELF header."""
    with suppress(OSError), program.open("rb") as stream:
        header = stream.read(_MACHINE.stop)
        if header.startswith(_ELF):
            return header[_MACHINE]
    return None
