"""Build the checks of the native kernels in native/tests, and run them for every instruction set of this processor.

fuzz_*.c compute random layers between guard pages and compare them with a plain loop in double; check_*.c compare the
functions of vectors with those of the C library. Standard library only.
"""

import argparse
import contextlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from build import SOURCES, compile_units
from compilers import Compiler, find_compiler, run
from targets import NotBuilt, Target, host

CHECKS = SOURCES.parent / "tests"
ON_ARM = Target("linux-aarch64", "linux", "aarch64", "aarch64-linux-musl")
"""A program of its own, which the emulator runs without a root file system."""

_SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
_FLAGS_OF = {
    "avx512": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx2", "fma"},
    "avx2": {"avx2", "fma", "bmi2"},
}
_BLOCKED = ("avx512", "avx2")
_PLAIN_ALONE = ("fuzz_pointwise",)
_EPILOG = """\
examples:
  python native/check.py                              300 layers for each instruction set of this processor
  python native/check.py --layers 20000 --set avx2    many, for one
  python native/check.py --arm                        NEON, in Debian's emulator (apt-get install qemu-user)
  python native/check.py --sanitize                   with the sanitizers of this machine's own compiler
"""


def sets_of_this_processor() -> list[str]:
    """The instruction sets that there are kernels for, the best first."""
    if platform.machine() != "x86_64":
        return ["neon", "portable"]
    found = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    flags = set(found[1].split()) if found else set()
    return [*(name for name, needed in _FLAGS_OF.items() if needed <= flags), "portable"]


@dataclass(frozen=True)
class Builder:
    """Builds programs in a folder; `flags` are for compiling and linking."""

    target: Target
    compiler: Compiler
    work: Path
    flags: tuple[str, ...]

    def units(self, paths: list[Path], *more: str) -> list[Path]:
        """The object files of these sources, those of other architectures left out."""
        extra = (*self.flags, "-D_DEFAULT_SOURCE", "-I", str(SOURCES), *more)
        return compile_units(sorted(paths), self.target, self.compiler, self.work, extra)

    def program(self, objects: list[Path], name: str) -> Path:
        """Link them."""
        static = ("-static",) if self.target is ON_ARM else ()
        command = [*self.compiler.for_target(self.target), *self.flags, *static, *map(str, objects)]
        run([*command, "-lm", "-lpthread", "-o", name], self.work, self.work / "zig")
        return self.work / name

    def fuzzers(self) -> dict[str, Path]:
        """Each fuzz_*.c with all of the library and with the other files of its folder; by name."""
        parts = [path for path in CHECKS.glob("*.c") if not path.stem.startswith(("fuzz_", "check_"))]
        common = self.units([*SOURCES.glob("*.c"), *parts])
        mains = {unit.stem: unit for unit in self.units([*CHECKS.glob("fuzz_*.c")])}
        return {name: self.program([*common, unit], name) for name, unit in mains.items()}

    def check_of_functions(self, instructions: str) -> Path:
        """check_functions.c, compiled whole for one instruction set."""
        unit = self.work / f"isa_{instructions}.c"  # its name decides the flags
        unit.write_bytes((CHECKS / "check_functions.c").read_bytes())
        return self.program(
            self.units([unit], f'-DVECTORS="vector_{instructions}.h"'), f"check_functions_{instructions}"
        )


def fuzz_runs(program: Path, instructions: str, layers: int, seed: int) -> Iterator[tuple[str, ...]]:
    """The commands that make so many layers of each layout, in as many parts as there are cores, each with its seed."""
    parts = os.cpu_count() or 1
    has_blocks = instructions in _BLOCKED and program.name not in _PLAIN_ALONE
    for layout in ("plain", "blocked") if has_blocks else ("plain",):
        for part in range(parts):
            count = layers // parts + (part < layers % parts)
            yield str(program), str(seed + part), str(count), instructions, layout


def check(arguments: argparse.Namespace) -> int:
    """Build and run; how many went wrong."""
    target = ON_ARM if arguments.arm else host()
    compiler = find_compiler("zig" if arguments.arm else "cc" if arguments.sanitize else arguments.compiler)
    sets = _sets(arguments)
    with tempfile.TemporaryDirectory(prefix="groupnl-checks-") as temporary:
        builder = Builder(target, compiler, Path(temporary), _SANITIZED if arguments.sanitize else ())
        fuzzers = builder.fuzzers().values()
        commands = [
            one
            for name in sets
            for program in fuzzers
            for one in fuzz_runs(program, name, arguments.layers, arguments.seed)
        ]
        commands += [(str(builder.check_of_functions(name)),) for name in sets]
        emulator = _emulator() if arguments.arm else ()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return sum(pool.map(lambda command: _fails((*emulator, *command)), commands))


def _sets(arguments: argparse.Namespace) -> list[str]:
    has = ["neon", "portable"] if arguments.arm else sets_of_this_processor()
    if missing := [name for name in arguments.set or () if name not in has]:
        raise NotBuilt(f"This processor does not have {', '.join(missing)}.", f"It has {', '.join(has)}.")
    return arguments.set or has


def _fails(command: tuple[str, ...]) -> bool:
    """Run it and print how it went; whether it went wrong."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines() or [""]
    name = " ".join(Path(word).name for word in command)
    if done.returncode == 0:
        print(f"ok    {name}: {said[-1]}", flush=True)
    else:
        print(f"WRONG {name} ended with {done.returncode}", *said, sep="\n      ", flush=True)
    return done.returncode != 0


def _emulator() -> tuple[str, ...]:
    if platform.machine() == "aarch64":
        return ()
    path = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if path is None:
        raise NotBuilt("There is no emulator of a 64-bit Arm here.", "Install it: apt-get install qemu-user")
    return (path,)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=300, metavar="N", help="for each set and layout; default: 300")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the first; default: 1")
    parser.add_argument("--set", action="append", metavar="NAME", help="avx512, avx2, neon or portable; default: all")
    parser.add_argument("--arm", action="store_true", help="for the NEON of a 64-bit Arm, emulated where this is none")
    parser.add_argument("--sanitize", action="store_true", help="address and undefined behaviour, by this machine's cc")
    parser.add_argument("--compiler", choices=["zig", "cc"], help="default: zig where it is installed, else cc")
    return parser.parse_args()


def main() -> None:
    """Ends with 1 where anything went wrong, with 1 and two sentences where it could not be tried."""
    with contextlib.suppress(BrokenPipeError):
        try:
            wrong = check(_arguments())
        except NotBuilt as error:
            sys.exit(f"{error.message}\n{error.remedy}")
        sys.exit(f"{wrong} went wrong." if wrong else 0)


if __name__ == "__main__":
    main()
