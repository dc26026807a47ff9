"""The board's state each second, written down by a process of its own beside a benchmark.

It is niced, reads files of the kernel alone, and computes nothing: a line has what was read, and the agent makes sense
of the lines later (`board_states.py`). It imports little, for its start must not disturb either, and ends with the
agent, whose end closes its stdin.
"""

# pathlib alone would double the time that it takes to start.
# ruff: noqa: PTH118, PTH120, PTH123, PTH207

import glob
import json
import os
import select
import sys
import time

PERIOD_S = 1.0

# Of which sensors the alarm and the voltage are, as the kernel calls them (`name`): the Pi's own, and monitors of a
# supply, whose second input is the voltage of its bus. The first input of any other may be a rail within the processor.
SENSORS = {"alarm": ("rpi_volt",), "voltage": ("ina2",)}

# What is read, by the names that the lines have: a pattern of files, and whether each of them counts or the first.
FILES: dict[str, tuple[str, bool]] = {
    "clocks": ("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq", True),
    "governor": ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", False),
    "temperature": ("sys/class/thermal/thermal_zone0/temp", False),
    "throttled": ("sys/devices/platform/soc*/soc*:firmware/get_throttled", False),
    "alarm": ("sys/class/hwmon/hwmon*/in0_lcrit_alarm", False),
    "voltage": ("sys/class/hwmon/hwmon*/in1_input", False),
    "processor": ("proc/stat", False),
}


def watch(agent: int, root: str = "/", period_s: float = PERIOD_S) -> None:
    """Write a line each `period_s` seconds until stdin ends. `agent` is the process that is told from all others."""
    os.nice(19)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a text stream, as in every child
    paths = {name: paths_of(name, root) for name in FILES}
    due = time.monotonic()
    while True:
        line = {name: _read(paths[name], every) for name, (_, every) in FILES.items()}
        own = sum(os.times()[:2])
        at = {"at_ns": time.perf_counter_ns(), "own_s": own, "agent": _text(f"/proc/{agent}/stat")}
        sys.stdout.write(json.dumps({**at, **line}) + "\n")
        due = max(due + period_s, time.monotonic())
        while (left_s := due - time.monotonic()) > 0:
            if select.select([0], [], [], left_s)[0] and not os.read(0, 1):
                return


def paths_of(name: str, root: str) -> list[str]:
    """The files of a reading, by length first: cpu2, then cpu10."""
    found = sorted(glob.glob(os.path.join(root, FILES[name][0])), key=lambda path: (len(path), path))
    wanted = SENSORS.get(name)
    if wanted is None:
        return found
    return [path for path in found if _text(os.path.join(os.path.dirname(path), "name")).startswith(wanted)]


def _read(paths: list[str], every: bool) -> list[str]:
    """The first line of each; of several cores' files the cores' order is the names'."""
    return [_text(path) for path in paths[: None if every else 1]]


def _text(path: str) -> str:
    try:
        with open(path, errors="replace") as file:
            return file.readline().strip()
    except OSError:
        return ""
