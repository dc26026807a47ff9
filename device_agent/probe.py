"""The board's facts, read from the kernel's files; a fact the board does not tell is None, never a guess."""

import os
import platform
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from device_agent.emulation import is_emulated
from device_agent.messages.board import BoardFacts

# The Pi's firmware publishes its throttle bit field here (raspberrypi/linux, firmware driver); a Pi 5 calls its bus
# by an address. Where it does not, the firmware's own program asks for it.
_THROTTLED = "sys/devices/platform/soc*/soc*:firmware/get_throttled"
_ASK_FIRMWARE, _FIRMWARE_S = "vcgencmd", 5.0
_CPUFREQ = Path("sys/devices/system/cpu/cpu0/cpufreq")
_BOOSTING = ("intel_pstate", "intel_cpufreq", "amd-pstate", "amd_pstate")


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def board_facts(root: Path = Path("/")) -> BoardFacts:
    """Read all facts below `root` (another root serves recorded boards)."""
    memory = _meminfo(root)
    clock_khz = _number(root / _CPUFREQ / "scaling_cur_freq")
    return BoardFacts(
        model=_text(root / "sys/firmware/devicetree/base/model"),
        machine=platform.machine(),
        system=_pretty_name(root) or platform.system(),
        kernel=platform.release(),
        python=platform.python_version(),
        cores=usable_cores(),
        memory_total_bytes=memory.get("MemTotal"),
        memory_available_bytes=memory.get("MemAvailable"),
        disk_free_bytes=shutil.disk_usage(Path.home()).free if Path.home().exists() else None,
        governor=_text(root / _CPUFREQ / "scaling_governor"),
        clock_hz=None if clock_khz is None else clock_khz * 1e3,
        temperature_c=temperature_c(root),
        throttled=_throttled(root),
        emulated=is_emulated(),
        clock_target_hz=_clock_target_hz(root),
        core_v=_core_v() if root == Path("/") else None,
    )


def temperature_c(root: Path = Path("/")) -> float | None:
    """Of the processor, in degrees Celsius."""
    milli_c = _number(root / "sys/class/thermal/thermal_zone0/temp")
    return None if milli_c is None else milli_c / 1e3


def _clock_target_hz(root: Path) -> float | None:
    """What the governor goes to under load. A processor with a boost goes beyond or below it as it likes."""
    driver, boost = _text(root / _CPUFREQ / "scaling_driver"), _text(root / "sys/devices/system/cpu/cpufreq/boost")
    if driver is None or driver.startswith(_BOOSTING) or boost == "1":
        return None
    target_khz = _number(root / _CPUFREQ / "scaling_max_freq")
    return None if target_khz is None else target_khz * 1e3


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def _number(path: Path) -> float | None:
    text = _text(path)
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _throttled(root: Path) -> int | None:
    files = sorted(root.glob(_THROTTLED))
    text = _text(files[0]) if files else _firmware("get_throttled") if root == Path("/") else None
    try:
        return None if text is None else int(text, 16)
    except ValueError:
        return None


def _core_v() -> float | None:
    """Such as "volt=0.8600V"."""
    said = _firmware("measure_volts", "core")
    try:
        return None if said is None else float(said.rstrip("V"))
    except ValueError:
        return None


def _firmware(*question: str) -> str | None:
    """What `vcgencmd` answers behind "="; the user has to be in the group video."""
    program = shutil.which(_ASK_FIRMWARE)
    if program is None:
        return None
    with suppress(OSError, subprocess.TimeoutExpired):
        command = [program, *question]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_FIRMWARE_S, check=False)
        return done.stdout.decode(errors="replace").strip().partition("=")[2] or None
    return None


def _meminfo(root: Path) -> dict[str, int]:
    lines = (_text(root / "proc/meminfo") or "").splitlines()
    pairs = (line.split() for line in lines if line.endswith(" kB"))
    return {pair[0].rstrip(":"): int(pair[1]) * 1024 for pair in pairs}


def _pretty_name(root: Path) -> str | None:
    for line in (_text(root / "etc/os-release") or "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return None
