"""Build the library that computes the operators of groupnl.native. Standard library only.

Each target gives a library and, beside it, a record of it as JSON (`device_agent.native.NativeLibrary`). The same
sources and compiler give the same bytes, wherever and whenever.
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from binaries import newest, read_elf, read_macho
from compilers import Compiler, find_compiler, kept, run
from targets import GLIBC, TARGETS, NotBuilt, Target, host

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parent
SOURCES = _HERE / "src"
_OPERATORS = _ROOT / "exporters" / "native" / "operators.py"
OLDEST_RUNTIME = "1.15.1"
_FOR_ONNX_RUNTIME = {"RegisterCustomOps", "groupnl_native_version", "groupnl_native_instructions"}
_FOR_NCNN = {f"groupnl_layer_{name}" for name in ("block", "floats", "new", "free", "size", "run")}
EXPORTS = frozenset(_FOR_ONNX_RUNTIME | _FOR_NCNN)
_SCRIPTS = ("binaries", "build", "compilers", "targets")
_MOST_KEPT = 30  # of all targets, sources and compilers
_EPILOG = """\
examples:
  python native/build.py                          the library for this machine, where groupnl finds it
  python native/build.py --target linux-aarch64   for a Raspberry Pi (needs ziglang: python -m pip install ziglang)
  python native/build.py --target all --out DIR   all three, into a folder
  python native/build.py --compiler cc            with this machine's own compiler (gcc 12 or newer, or clang; $CC)

groupnl builds by itself what it needs; this command is for looking at what the compiler says. The libraries run on
Linux with glibc 2.17 or newer (those by cc: with this machine's glibc or newer) and on macOS 11 or newer.
"""


def kept_in(target: Target, compiler: Compiler) -> Path:
    """The folder where groupnl looks for the library of these sources (`groupnl_deploy.native.libraries`)."""
    return kept() / key(target, compiler)


def keys(word: str, compiler: str | None = None) -> list[str]:
    """Of every target that a word of --target means; groupnl asks for them in its own process. Raises `NotBuilt`."""
    found = find_compiler(compiler)
    return [key(target, found) for target in _targets(word)]


def key(target: Target, compiler: Compiler) -> str:
    """A digest of all that decides the library's bytes: sources, these scripts, compiler, target, operator set."""
    digest = hashlib.sha256(f"{compiler.identity}\n{target.name}\n{operator_set_version()}\n".encode())
    for path in sorted([*SOURCES.glob("*.[ch]"), *(_HERE / f"{name}.py" for name in _SCRIPTS)]):
        digest.update(f"{path.name}\n{path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def operator_set_version() -> int:
    """What the compiler of graphs calls the operator set that these sources compute."""
    found = re.search(r"^VERSION = (\d+)$", _OPERATORS.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None, f"{_OPERATORS} names no version"
    return int(found[1])


def build(target: Target, compiler: Compiler, out: Path, keep_objects: bool = False) -> Path:
    """Build one library and its record into a folder, where each appears whole or not at all. Raises `NotBuilt`.

    With `keep_objects` its parts lie beside it, in "objects": the kernels' checks are linked with them.
    """
    command, path = compiler.for_target(target), out / target.library
    if path.is_dir():  # which no file replaces
        raise NotBuilt(f"{path} is a folder, and the library belongs there.", "Remove it, then run the command again.")
    with tempfile.TemporaryDirectory(prefix="groupnl-native-") as temporary:
        work = Path(temporary)
        objects = compile_units(sorted(SOURCES.glob("*.c")), target, compiler, work)
        link = [*command, *target.link, "-o", target.library, *(one.name for one in objects), "-lm"]
        run(link, work, work / "zig")
        data = (work / target.library).read_bytes()
        if keep_objects:
            _keep(objects, out / "objects")
    record = describe(data, target)
    _put({path: data, path.with_suffix(".json"): (json.dumps(record, indent=2) + "\n").encode()})
    return path


def compile_units(
    units: Sequence[Path], target: Target, compiler: Compiler, work: Path, extra: Sequence[str] = ()
) -> list[Path]:
    """Compile units, those of other architectures left out, as many at a time as there are cores; the object files."""
    jobs = [(unit, flags) for unit in units if (flags := target.flags(unit.stem, compiler.is_zig)) is not None]
    command = compiler.for_target(target)

    def compile_one(job: tuple[Path, tuple[str, ...]]) -> Path:
        unit, flags = job
        made = work / f"{unit.stem}.o"
        # From the folder of the unit, by its bare name: no path can get into the bytes.
        run([*command, *flags, *extra, "-c", unit.name, "-o", str(made)], unit.parent, work / "zig")
        return made

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_one, jobs))


def describe(data: bytes, target: Target) -> dict[str, object]:
    """The library's record, once it holds what is promised of it. Raises `NotBuilt` where it does not."""
    binary = read_elf(data) if target.system == "linux" else read_macho(data)
    if binary.exports != EXPORTS:
        raise NotBuilt(
            f"The library for {target.name} exports {', '.join(sorted(binary.exports)) or 'nothing'}, "
            f"not {', '.join(sorted(EXPORTS))}.",
            "Make every other function static or hidden in native/src, and build again.",
        )
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "system": target.system,
        "machine": target.machine,
        "libc": target.libc,
        "libc_version": newest([GLIBC, *filter(None, [binary.glibc])]) if target.libc else None,
        "version": operator_set_version(),
        "oldest_runtime": OLDEST_RUNTIME,
    }


def _keep(objects: Sequence[Path], folder: Path) -> None:
    """Copy them there, whole or not at all; where there is no room the checks compile them again."""
    part = folder.with_name(f".objects.{os.getpid()}")
    with contextlib.suppress(OSError):
        part.mkdir(parents=True)
        for one in objects:
            shutil.copy(one, part)
        part.rename(folder)
    shutil.rmtree(part, ignore_errors=True)


def forget_all_but(count: int, folder: Path) -> None:
    """Remove from a folder what was kept for sources that are gone: all folders named by a digest but the newest."""
    kept = [path for path in folder.iterdir() if re.fullmatch("[0-9a-f]{64}", path.name)]
    for older in sorted(kept, key=lambda path: path.stat().st_mtime)[:-count]:
        shutil.rmtree(older, ignore_errors=True)


def _put(files: dict[Path, bytes]) -> None:
    """Write files that each appear whole, and none where there is no room for all."""
    parts = {path.with_name(f".{path.name}.{os.getpid()}"): path for path in files}
    try:
        for part, path in parts.items():
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(files[path])
        for part, path in parts.items():
            part.replace(path)
    finally:
        for part in parts:
            with contextlib.suppress(OSError):
                part.unlink()


def _require_cache(compiler: Compiler, keeps: bool) -> None:
    """Try to write to the folders of the cache that a build needs, before it takes its minute. Raises `OSError`."""
    for folder in [*([kept()] if keeps else []), *([kept() / "zig"] if compiler.is_zig else [])]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(folder)) from error


def _targets(word: str) -> list[Target]:
    if word not in {"host", "all", *TARGETS}:
        raise NotBuilt(f"There is no native library for {word}.", f"It is built for {', '.join(TARGETS)}.")
    return [host()] if word == "host" else [*TARGETS.values()] if word == "all" else [TARGETS[word]]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words = f"host (the default), {', '.join(TARGETS)} or all"
    parser.add_argument("--target", default="host", metavar="NAME", help=words)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where they go; default: where groupnl looks for them")
    parser.add_argument(
        "--compiler", choices=["zig", "cc"], help="default: zig where ziglang is installed, else this machine's own"
    )
    parser.add_argument("--keys", action="store_true", help="build nothing; print the names of the folders there")
    return parser.parse_args()


def main() -> None:
    """Build what the command line asks for; of a failure the last two lines say what happened and what to do."""
    arguments = _arguments()
    try:
        if arguments.keys:
            print(*keys(arguments.target, arguments.compiler), sep="\n")
            return
        compiler = find_compiler(arguments.compiler)
        _require_cache(compiler, keeps=arguments.out is None)
        for target in _targets(arguments.target):
            if arguments.out is None:
                path = build(target, compiler, kept_in(target, compiler), keep_objects=True)
                forget_all_but(_MOST_KEPT, path.parents[1])
            else:
                path = build(target, compiler, arguments.out)
            print(f"{path}  {path.stat().st_size} bytes, by {compiler.identity}", flush=True)
    except NotBuilt as error:
        sys.exit(f"{error.message}\n{error.remedy}")
    except OSError as error:
        sys.exit(
            f"Cannot write {error.filename}: {error.strerror}.\n"
            f"See to permission and room there, or name another folder: with --out, or in the variable GROUPNL_HOME."
        )


if __name__ == "__main__":
    main()
