"""The memory of this process, as the kernel tells it; what it does not tell is None, never a guess."""

import os
from contextlib import suppress
from pathlib import Path

from device_agent.messages.bench import MemoryUse

_KB = 1024
_RESET_PEAK = "5"  # proc_pid_clear_refs(5)


def memory_use(swapped_before_bytes: int | None = None) -> MemoryUse:
    """The memory now; the peak is since the last `reset_peak`, or since the process began."""
    status = _kilobytes("/proc/self/status")
    swapped = swapped_bytes()
    return MemoryUse(
        rss_bytes=status["VmRSS"],
        pss_bytes=_kilobytes("/proc/self/smaps_rollup").get("Pss"),
        peak_rss_bytes=status.get("VmHWM"),
        swap_bytes=status.get("VmSwap"),
        swapped_bytes=None if swapped is None or swapped_before_bytes is None else swapped - swapped_before_bytes,
    )


def reset_peak() -> None:
    """From now on the peak is that of what follows; where the kernel does not let us, it stays that of the process."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK)


def swapped_bytes() -> int | None:
    """What the whole machine has moved to and from swap since its start."""
    try:
        counters = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
        return (int(counters["pswpin"]) + int(counters["pswpout"])) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, KeyError, ValueError):
        return None


def _kilobytes(path: str) -> dict[str, int]:
    """The lines "name: n kB" of a file, in bytes; none where it cannot be read."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return {}
    words = (line.replace(":", " ").split() for line in lines if line.endswith(" kB"))
    return {word[0]: int(word[1]) * _KB for word in words}
