"""The programs of native/tests, built with the kernels as they are in the library, and kept for the same sources."""

import hashlib
import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path

from build import SOURCES, compile_units, forget_all_but, kept_in, key
from compilers import Compiler, kept, run
from targets import Target

CHECKS = SOURCES.parent / "tests"
ON_ARM = Target("linux-aarch64", "linux", "aarch64", "aarch64-linux-musl")
"""Programs of their own, which an emulator runs without a root file system."""

_SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
Kinds = tuple[str, ...]
"""What the names of programs begin with."""
OF_CHECKS: Kinds = ("fuzz_", "check_")
OF_TIMES: Kinds = ("time_",)
OF_COUNTS: Kinds = ("count_",)
_PROGRAMS = OF_CHECKS + OF_TIMES + OF_COUNTS  # other files are parts of them
_OF_FUNCTIONS = {"check_functions", "time_functions"}  # one for each instruction set
_MOST_KEPT = 4


@dataclass(frozen=True)
class Programs:
    """Where they lie: by the names of their files, those of the functions for each instruction set, "…-avx2"."""

    folder: Path

    @property
    def fuzzers(self) -> list[Path]:
        """By name."""
        return sorted(self.folder.glob("fuzz_*"))

    def check_of_functions(self, instructions: str) -> Path:
        """That of one instruction set."""
        return self.folder / f"check_functions-{instructions}"

    @property
    def counter(self) -> Path:
        """That which runs one layer for an emulator that counts."""
        return self.folder / "count_layer"

    def timers(self, instructions: str) -> list[Path]:
        """Those that time the kernels and functions of one instruction set: the second is for it alone."""
        return [self.folder / "time_layer", self.folder / f"time_functions-{instructions}"]


def programs_for(target: Target, compiler: Compiler, sets: list[str], kinds: Kinds, sanitize: bool = False) -> Programs:
    """Those kinds of these sources, built unless they are kept from before. Raises `NotBuilt`."""
    folder = kept() / "checks" / _key(target, compiler, sets, kinds, sanitize)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent, ignore_cleanup_errors=True) as temporary:
            work = Path(temporary)
            _Builder(target, compiler, work, _SANITIZED if sanitize else ()).build(kinds, sets, work / "made")
            if not folder.exists():
                (work / "made").rename(folder)
        forget_all_but(_MOST_KEPT, folder.parent)
    return Programs(folder)


def _key(target: Target, compiler: Compiler, sets: list[str], kinds: Kinds, sanitize: bool) -> str:
    """A digest of all that decides the programs' bytes."""
    digest = hashlib.sha256(f"{key(target, compiler)} {target.triple} {sets} {kinds} {sanitize}\n".encode())
    for path in sorted(CHECKS.glob("*.[ch]")):
        digest.update(f"{path.name}\n{path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class _Builder:
    target: Target
    compiler: Compiler
    work: Path
    flags: tuple[str, ...]  # for compiling and linking

    def build(self, kinds: Kinds, sets: list[str], out: Path) -> None:
        """All of these kinds, into a folder that is made."""
        out.mkdir()
        parts = [path for path in CHECKS.glob("*.c") if not path.stem.startswith(_PROGRAMS)]
        common = [*self.kernels(), *self.units(parts)]
        mains = [path for path in CHECKS.glob("*.c") if path.stem.startswith(kinds)]
        for main in self.units([path for path in mains if path.stem not in _OF_FUNCTIONS]):
            self.link([main, *common], out / main.stem)
        for name, instructions in itertools.product(sorted(_OF_FUNCTIONS & {path.stem for path in mains}), sets):
            unit = self.work / f"isa_{instructions}.c"  # its name decides the flags
            unit.write_bytes((CHECKS / f"{name}.c").read_bytes())
            objects = self.units([unit], f'-DVECTORS="vector_{instructions}.h"')
            self.link(objects, out / f"{name}-{instructions}")

    def kernels(self) -> list[Path]:
        """Those of the library itself, where they are kept, and what calls them without ONNX Runtime."""
        sources = [
            *SOURCES.glob("isa_*.c"),
            *(SOURCES / f"{name}.c" for name in ("processor", "layer_alone", "memory")),
        ]
        objects = [kept_in(self.target, self.compiler) / "objects" / f"{path.stem}.o" for path in sources]
        objects = [path for path in objects if self.target.flags(path.stem, self.compiler.is_zig) is not None]
        as_in_the_library = self.flags == () and self.target is not ON_ARM
        return objects if as_in_the_library and all(path.exists() for path in objects) else self.units(sources)

    def units(self, paths: list[Path], *more: str) -> list[Path]:
        extra = (*self.flags, "-D_DEFAULT_SOURCE", "-I", str(SOURCES), "-I", str(CHECKS), *more)
        return compile_units(sorted(paths), self.target, self.compiler, self.work, extra)

    def link(self, objects: list[Path], program: Path) -> None:
        static = ("-static",) if self.target is ON_ARM else ()
        how = self.flags or ("-O3",)  # as in the library
        command = [*self.compiler.for_target(self.target), *how, *static, *map(str, objects)]
        run([*command, "-lm", "-pthread", "-o", str(program)], self.work, self.work / "zig")
