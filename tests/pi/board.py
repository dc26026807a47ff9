"""What a Raspberry Pi 4 shows of itself: `/proc/cpuinfo`, `/proc/meminfo`, the files of `/sys` and `vcgencmd`.

They are plain files in a folder of the host that is mounted over the emulated Pi's, so that a test heats or throttles
the board by writing one. The numbers are those of a Pi 4B Rev 1.5 with 4 GB.
"""

from pathlib import Path

MODEL = "Raspberry Pi 4 Model B Rev 1.5"
CORES = 4
_MEMORY_KB = 3_884_376
_CORE = """\
processor\t: {core}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""
_BOARD = f"Revision\t: c03115\nSerial\t\t: 10000000deadbeef\nModel\t\t: {MODEL}\n"
_CLOCK_KHZ = {
    "cpuinfo_max_freq": 1_800_000,
    "cpuinfo_min_freq": 600_000,
    "scaling_max_freq": 1_800_000,
    "scaling_min_freq": 600_000,
    "scaling_cur_freq": 1_800_000,
}
# A Cortex-A72's in a BCM2711, which the kernel tells since 5.17: level, kind, kB, ways, whether all cores share it.
_CACHES = ((1, "Data", 32, 2, False), (1, "Instruction", 48, 3, False), (2, "Unified", 1024, 16, True))
_CACHE_LINE_BYTES = 64
_TEMPERATURE = "class/thermal/thermal_zone0/temp"
_THROTTLED = "devices/platform/soc/soc:firmware/get_throttled"
_VCGENCMD = f"""\
#!/bin/sh
case "$1" in
  get_throttled) echo "throttled=0x$(cat /sys/{_THROTTLED})" ;;
  measure_temp) awk '{{printf "temp=%.1f\\047C\\n", $1 / 1000}}' /sys/{_TEMPERATURE} ;;
  *) echo 'error=1 error_msg="Command not registered"'; exit 255 ;;
esac
"""


class Board:
    """The files, in `folder`: `sys/`, `cpuinfo`, `meminfo` and `vcgencmd`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sys = folder / "sys"
        (folder / "sys").mkdir(parents=True)
        (folder / "cpuinfo").write_text("".join(_CORE.format(core=core) for core in range(CORES)) + _BOARD)
        available = f"MemAvailable:    {_MEMORY_KB - 600_000} kB\n"
        (folder / "meminfo").write_text(f"MemTotal:        {_MEMORY_KB} kB\nMemFree:         3000000 kB\n{available}")
        (folder / "vcgencmd").write_text(_VCGENCMD)
        (folder / "vcgencmd").chmod(0o755)
        self._write("firmware/devicetree/base/model", f"{MODEL}\0")
        self._write("firmware/devicetree/base/compatible", "raspberrypi,4-model-b\0brcm,bcm2711\0")
        self._write("class/thermal/thermal_zone0/type", "cpu-thermal\n")
        self.heat(48.3)
        self.throttle(0)
        self._cores()

    def heat(self, celsius: float) -> None:
        """Set the processor's temperature."""
        self._write(_TEMPERATURE, f"{1000 * celsius:.0f}\n")

    def throttle(self, bits: int) -> None:
        """Set the firmware's bit field: bits 0 to 3 are now, 16 to 19 since the board was started."""
        self._write(_THROTTLED, f"{bits:x}\n")

    def _cores(self) -> None:
        cpu = "devices/system/cpu"
        for name in ("possible", "present", "online"):
            self._write(f"{cpu}/{name}", f"0-{CORES - 1}\n")
        self._write(f"{cpu}/kernel_max", f"{CORES - 1}\n")
        for name in ("offline", "isolated"):
            self._write(f"{cpu}/{name}", "\n")
        for core in range(CORES):
            topology, clock = f"{cpu}/cpu{core}/topology", f"{cpu}/cpu{core}/cpufreq"
            siblings = {"core_siblings_list": f"0-{CORES - 1}", "core_siblings": f"{2**CORES - 1:x}"}
            threads = {"thread_siblings_list": f"{core}", "thread_siblings": f"{1 << core:x}"}
            for name, value in {"physical_package_id": "0", "core_id": f"{core}", **siblings, **threads}.items():
                self._write(f"{topology}/{name}", f"{value}\n")
            for name, khz in _CLOCK_KHZ.items():
                self._write(f"{clock}/{name}", f"{khz}\n")
            self._write(f"{clock}/scaling_governor", "ondemand\n")
            self._write(f"{clock}/scaling_available_governors", "ondemand performance powersave\n")
            self._caches(f"{cpu}/cpu{core}/cache", core)

    def _caches(self, folder: str, core: int) -> None:
        for index, (level, kind, size_kb, ways, shared) in enumerate(_CACHES):
            values = {
                "level": f"{level}",
                "type": kind,
                "size": f"{size_kb}K",
                "ways_of_associativity": f"{ways}",
                "coherency_line_size": f"{_CACHE_LINE_BYTES}",
                "number_of_sets": f"{1024 * size_kb // (ways * _CACHE_LINE_BYTES)}",
                "shared_cpu_list": f"0-{CORES - 1}" if shared else f"{core}",
                "shared_cpu_map": f"{2**CORES - 1 if shared else 1 << core:x}",
            }
            for name, value in values.items():
                self._write(f"{folder}/index{index}/{name}", f"{value}\n")

    def _write(self, relative: str, text: str) -> None:
        path = self._sys / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
