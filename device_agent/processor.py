"""Processor time from the kernel's counters: what this process took, and what the whole machine did meanwhile.

The machine's counters (proc_stat(5)) move in ticks, most often of 10 ms; in a container they are the whole
machine's, which is what disturbs. What the kernel does not tell is None, never a guess.
"""

import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from device_agent.messages.bench import CpuUse

# Columns of the first line of /proc/stat. Guests' time is in `user` already.
_BUSY, _IOWAIT, _STEAL = ("user", "nice", "system", "irq", "softirq"), "iowait", "steal"
_COLUMNS = ("user", "nice", "system", "idle", _IOWAIT, "irq", "softirq", _STEAL)
# What a quota kept waiting: the key and its unit in seconds, in version 2 and version 1 of control groups.
_HELD_BACK = {"throttled_usec": 1e-6, "throttled_time": 1e-9}


@dataclass(frozen=True)
class MachineTime:
    """Seconds since boot, summed over `cores`."""

    cores: int
    busy_s: float
    iowait_s: float
    stolen_s: float


@dataclass(frozen=True)
class Reading:
    """All counters at one moment."""

    at_s: float
    own_s: float
    machine: MachineTime | None
    held_back_s: float | None
    clock_hz: float | None


def read_processor(root: Path = Path("/")) -> Reading:
    """Read all counters below `root` (another root serves recorded boards); a fraction of a millisecond."""
    return Reading(time.perf_counter(), _own_s(), _machine_time(root), _held_back_s(root), _clock_hz(root))


def use_between(before: Reading, after: Reading) -> CpuUse:
    """What passed between two readings."""
    was, now = before.machine, after.machine
    known = was is not None and now is not None and was.cores == now.cores
    return CpuUse(
        elapsed_s=after.at_s - before.at_s,
        own_s=after.own_s - before.own_s,
        tick_s=tick_s(),
        cores=now.cores if known and now else None,
        busy_s=now.busy_s - was.busy_s if known and now and was else None,
        iowait_s=now.iowait_s - was.iowait_s if known and now and was else None,
        stolen_s=now.stolen_s - was.stolen_s if known and now and was else None,
        held_back_s=_difference(before.held_back_s, after.held_back_s),
        clock_before_hz=before.clock_hz,
        clock_after_hz=after.clock_hz,
    )


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def tick_s() -> float:
    """Seconds of a tick of the machine's counters."""
    return 1.0 / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    """This process with all its threads, and its children that have ended; finer than the machine's ticks."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in used)


def _machine_time(root: Path) -> MachineTime | None:
    lines = [line.split() for line in _lines(root / "proc/stat") if line.startswith("cpu")]
    if not lines:
        return None
    ticks = _ticks(lines[0])
    if ticks is None or len(lines) == 1:
        return None
    seconds = {name: count * tick_s() for name, count in ticks.items()}
    return MachineTime(len(lines) - 1, sum(seconds[name] for name in _BUSY), seconds[_IOWAIT], seconds[_STEAL])


def busy_ticks(line: str) -> int | None:
    """Ticks since boot in which a core was busy, out of the first line of /proc/stat; None for another line."""
    ticks = _ticks(line.split())
    return None if ticks is None else sum(ticks[name] for name in _BUSY)


def _ticks(words: list[str]) -> dict[str, int] | None:
    if len(words) <= len(_COLUMNS) or words[0] != "cpu" or not all(word.isdigit() for word in words[1:]):
        return None
    return dict(zip(_COLUMNS, map(int, words[1:]), strict=False))


def _held_back_s(root: Path) -> float | None:
    """What the quotas of our control group and of those around it kept waiting; 0 where none of them has a quota."""
    found = [_lines(folder / "cpu.stat") for folder in _control_groups(root)]
    if not any(found):
        return None
    pairs = (line.split() for lines in found for line in lines)
    return sum(int(pair[1]) * _HELD_BACK[pair[0]] for pair in pairs if len(pair) == 2 and pair[0] in _HELD_BACK)


def _control_groups(root: Path) -> Iterator[Path]:
    """Where our control group may have its files: its own folder and every one above it, up to the mount."""
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number != "0" and "cpu" not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / controllers
        own = mount / path.strip("/")
        yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(mount))


def _clock_hz(root: Path) -> float | None:
    """The fastest core's: which of them we run on changes."""
    found = (root / "sys/devices/system/cpu/cpufreq").glob("policy*/scaling_cur_freq")
    clocks = [int(lines[0]) * 1e3 for path in found if (lines := _lines(path)) and lines[0].isdigit()]
    return max(clocks, default=None)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
