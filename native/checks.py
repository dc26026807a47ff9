"""Build the checks of the native kernels in native/tests, and run them for every instruction set of this processor.

fuzz_*.c make random layers between guard pages and compare them with plain loops in double; check_functions.c compares
the functions on vectors with those of the C library. --time runs time_*.c in their place. Standard library only.
"""

import argparse
import itertools
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from check_programs import OF_CHECKS, OF_TIMES, ON_ARM, Programs, programs_for

from compilers import find_compiler
from targets import NotBuilt, host

_NEEDS = {
    "avx512": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx2", "fma"},
    "avx2": {"avx2", "fma", "bmi2"},
}
_LAYOUTS = ("plain", "blocked")
_PLAIN_ALONE = {"fuzz_pointwise"}
_EPILOG = """\
examples:
  python native/checks.py                              300 layers for each instruction set of this processor
  python native/checks.py --count 20000 --set avx2     many, for one
  python native/checks.py --target linux-aarch64       NEON, in Debian's emulator (apt-get install qemu-user)
  python native/checks.py --time --set avx2            how long layers and functions take, by processor time
  python native/checks.py --sanitize                   with the sanitizers of this machine's own compiler
"""


def sets_of_this_processor() -> list[str]:
    """The instruction sets that there are kernels for, the best first."""
    if platform.machine() != "x86_64":
        return ["neon", "portable"]
    found = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    flags = set(found[1].split()) if found else set()
    return [*(name for name, needed in _NEEDS.items() if needed <= flags), "portable"]


def commands(programs: Programs, sets: list[str], count: int, seed: int) -> Iterator[list[str]]:
    """All that is to run; of the layers as many parts as there are cores, each with a seed of its own."""
    yield from ([str(programs.check_of_functions(name))] for name in sets)
    parts = os.cpu_count() or 1
    for name, program in itertools.product(sets, programs.fuzzers):
        layouts = ("plain",) if program.name in _PLAIN_ALONE else _LAYOUTS
        for layout, part in itertools.product(layouts, range(parts)):
            yield [str(program), str(seed + part), str(count // parts + (part < count % parts)), name, layout]


def timings(programs: Programs, sets: list[str]) -> Iterator[list[str]]:
    """All that is timed."""
    for name in sets:
        layer, functions = programs.timers(name)
        yield [str(functions)]
        yield from ([str(layer), name, layout] for layout in _LAYOUTS)


def check(arguments: argparse.Namespace) -> int:
    """Build and run; how many went wrong. Raises `NotBuilt` where something is missing."""
    on_arm = arguments.target == ON_ARM.name and host().name != ON_ARM.name
    has = ["neon", "portable"] if on_arm else sets_of_this_processor()
    if missing := [name for name in arguments.set or () if name not in has]:
        raise NotBuilt(f"There is no {', '.join(missing)} here.", f"There is {', '.join(has)}.")
    sets, emulator = arguments.set or has, arm_emulator() if on_arm else ()
    compiler = find_compiler("zig" if on_arm else "cc" if arguments.sanitize else arguments.compiler)
    kinds = OF_TIMES if arguments.time else OF_CHECKS
    programs = programs_for(ON_ARM if on_arm else host(), compiler, sets, kinds, arguments.sanitize)
    if arguments.time:
        return sum(_fails([*emulator, *command], whole=True) for command in timings(programs, sets))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        all_of_it = commands(programs, sets, arguments.count, arguments.seed)
        return sum(pool.map(lambda command: _fails([*emulator, *command]), all_of_it))


def _fails(command: list[str], whole: bool = False) -> bool:
    """Run it and print how it went, with the last or the whole of what it said; whether it went wrong."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines() or [""]
    name = " ".join(Path(word).name for word in command)
    if done.returncode == 0:
        print("\n      ".join([f"ok    {name}:", *said]) if whole else f"ok    {name}: {said[-1]}", flush=True)
    else:
        print("\n      ".join([f"WRONG {name} ended with {done.returncode}", *said]), flush=True)
    return done.returncode != 0


def arm_emulator() -> tuple[str, ...]:
    """The command of Debian's emulator. Raises `NotBuilt` where there is none."""
    path = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if path is None:
        raise NotBuilt("There is no emulator of a 64-bit Arm here.", "Install it: apt-get install qemu-user")
    return (path,)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--count", type=int, default=300, metavar="N", help="layers, of each set and layout; default 300"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the first; default: 1")
    parser.add_argument("--set", action="append", metavar="NAME", help="avx512, avx2, neon or portable; default: all")
    parser.add_argument("--target", choices=[ON_ARM.name], help="default: this machine")
    parser.add_argument("--time", action="store_true", help="time layers and functions; nothing is compared")
    parser.add_argument("--sanitize", action="store_true", help="address and undefined behaviour, by this machine's cc")
    parser.add_argument("--compiler", choices=["zig", "cc"], help="default: zig where it is installed, else cc")
    return parser.parse_args()


def main() -> None:
    """Ends with 1 where anything went wrong, and with 1 and two sentences where it could not be tried."""
    try:
        wrong = check(_arguments())
    except NotBuilt as error:
        sys.exit(f"{error.message}\n{error.remedy}")
    sys.exit(f"{wrong} went wrong." if wrong else 0)


if __name__ == "__main__":
    main()
