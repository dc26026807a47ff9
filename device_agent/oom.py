"""Whether a process was killed because memory ran out: the kernel counts whom it kills so, in any control group."""

from contextlib import suppress
from pathlib import Path

VMSTAT = "/proc/vmstat"


def kills_in(vmstat: str) -> int | None:
    """How many since the machine was started, by the text of `VMSTAT`; None where it does not tell."""
    found = (line.split() for line in vmstat.splitlines() if line.startswith("oom_kill "))
    return next((int(words[1]) for words in found), None)


def kills() -> int | None:
    """How many on this machine."""
    with suppress(OSError):
        return kills_in(Path(VMSTAT).read_text())
    return None


def more(before: int | None, now: int | None) -> bool | None:
    """Whether the kernel did it meanwhile; None where nobody knows."""
    return None if before is None or now is None else now > before
