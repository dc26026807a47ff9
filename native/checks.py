"""Build and run the checks of the kernels in native/tests: random layers between guard pages, errors of the functions.

Programs named fuzz_*.c take a seed, a count, an instruction set and a layout; check_functions.c is compiled for each
instruction set. Standard library only.
"""

import argparse
import dataclasses
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from build import SOURCES, compile_units, kept_in, key
from compilers import Compiler, find_compiler, run
from targets import TARGETS, NotBuilt, Target, host

_TESTS = Path(__file__).resolve().parent / "tests"
_SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")
_STATIC = {"linux-aarch64": "aarch64-linux-musl"}
"""Targets whose programs run under an emulator, which has none of their shared libraries."""


def build_checks(target: Target, compiler: Compiler, out: Path, extra: tuple[str, ...] = ()) -> list[Path]:
    """Build all programs into a folder, with the kernels compiled as in the library, and `extra`. Raises `NotBuilt`."""
    if compiler.is_zig and target.name in _STATIC and target != host():
        target, extra = dataclasses.replace(target, triple=_STATIC[target.name]), (*extra, "-static")
    programs = sorted(_TESTS.glob("fuzz_*.c"))
    shared = [path for path in sorted(_TESTS.glob("*.c")) if "_" not in path.stem or path.stem.startswith("random_")]
    kernels = [*sorted(SOURCES.glob("isa_*.c")), SOURCES / "processor.c"]
    with tempfile.TemporaryDirectory(prefix="groupnl-checks-") as temporary:
        work = Path(temporary)
        include = (f"-I{SOURCES}", "-std=gnu11", *extra)
        objects = compile_units([*kernels, *shared, *programs], target, compiler, work, include)
        common = [one for one in objects if one.stem not in {program.stem for program in programs}]
        made = []
        for program in programs:
            link = [*compiler.for_target(target), *extra, str(work / f"{program.stem}.o"), *map(str, common), "-lm"]
            made.append(_linked(link, out / program.stem, work))
        for name, flags in _vector_units(target, compiler):
            source = [*compiler.for_target(target), *flags, *include, f'-DVECTORS="vector_{name}.h"']
            made.append(
                _linked([*source, str(_TESTS / "check_functions.c"), "-lm"], out / f"check_functions-{name}", work)
            )
    return made


def _vector_units(target: Target, compiler: Compiler) -> Iterator[tuple[str, tuple[str, ...]]]:
    for unit in sorted(SOURCES.glob("isa_*.c")):
        flags = target.flags(unit.stem, compiler.is_zig)
        if flags is not None:
            yield unit.stem.removeprefix("isa_"), flags


def _linked(command: list[str], path: Path, work: Path) -> Path:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    run([*command, "-o", str(part)], work, work / "zig")
    return part.replace(path)


def checks_key(target: Target, compiler: Compiler) -> str:
    """A digest of all that decides the programs' bytes."""
    digest = hashlib.sha256(key(target, compiler).encode())
    for path in sorted(_TESTS.glob("*.[ch]")):
        digest.update(f"{path.name}\n{path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def commands(programs: list[Path], count: int, seed: int, runner: Sequence[str] = ()) -> Iterator[list[str]]:
    """What to run: every program for every instruction set of this processor, fuzz_*.c for both layouts.

    A program that ends with 2 has no such kernels.
    """
    for name in ("avx512", "avx2", "neon", "portable"):
        if not _has(programs, name, runner):
            continue
        for program in programs:
            if program.name == f"check_functions-{name}":
                yield [*runner, str(program)]
            elif program.name.startswith("fuzz_"):
                for layout in ("plain", "blocked"):
                    yield [*runner, str(program), str(seed), str(count), name, layout]


def _has(programs: list[Path], name: str, runner: Sequence[str]) -> bool:
    fuzz = next(program for program in programs if program.name == "fuzz_layer")
    return subprocess.run([*runner, str(fuzz), "1", "0", name], capture_output=True, check=False).returncode == 0


def programs_for(target: Target, compiler: Compiler, sanitize: bool = False) -> list[Path]:
    """The programs of these sources, built unless they are kept from before. Raises `NotBuilt`."""
    folder = (
        kept_in(target, compiler).parent
        / "checks"
        / f"{checks_key(target, compiler)}{'-sanitized' if sanitize else ''}"
    )
    kept = folder / "complete"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = build_checks(target, compiler, folder, _SANITIZERS if sanitize else ())
        kept.write_text("".join(f"{path.name}\n" for path in made), encoding="utf-8")
    return [folder / name for name in kept.read_text(encoding="utf-8").split()]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default=host().name, choices=[*TARGETS], help="default: this machine")
    parser.add_argument("--compiler", choices=["zig", "cc"], help="default: zig where it is installed")
    parser.add_argument("--sanitize", action="store_true", help="stop at undefined behaviour (use --compiler cc)")
    parser.add_argument("--count", type=int, default=20000, help="random layers a program, set and layout")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runner", default="", help="emulator, for programs of another machine: qemu-aarch64")
    return parser.parse_args()


def main() -> None:
    """Run all; ends with 1 where one is wrong."""
    arguments = _arguments()
    try:
        programs = programs_for(TARGETS[arguments.target], find_compiler(arguments.compiler), arguments.sanitize)
    except NotBuilt as error:
        sys.exit(f"{error.message}\n{error.remedy}")
    codes = []
    for command in commands(programs, arguments.count, arguments.seed, arguments.runner.split()):
        codes.append(subprocess.run(command, check=False).returncode)
        if codes[-1] not in (0, 2):
            print(f"{' '.join(command)} ended with {codes[-1]}", flush=True)
    sys.exit(any(code not in (0, 2) for code in codes))


if __name__ == "__main__":
    main()
