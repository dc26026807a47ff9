"""Which libraries of native operators this installation has, and the one that fits a machine.

A wheel brought its libraries and builds none. A checkout builds what is asked for, by `native/build.py`, and keeps it
in the cache folder (`groupnl_deploy.places`), under a digest of sources, compiler and flags.
"""

import errno
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from device_agent.native import NativeLibrary
from device_agent.strict import StrictError, from_json
from groupnl_deploy.errors import GroupNLError, NoNativeLibrary, VerificationFailed
from groupnl_deploy.native.build_script import keys
from groupnl_deploy.native.one_builder import not_kept, one_builder
from groupnl_deploy.places import cache_dir
from groupnl_deploy.progress import Reporter
from groupnl_deploy.workspace import file_sha256

_OF_THE_WHEEL = Path(__file__).parent / "libraries"
_SOURCES = Path(__file__).parents[2] / "native"  # of a checkout
_WITHOUT = "export with --optimize full, which needs none"


@dataclass(frozen=True)
class LibraryFile:
    """A library that is there, and its record."""

    record: NativeLibrary
    path: Path

    @property
    def is_whole(self) -> bool:
        """Whether its bytes are those that were built, and can be read."""
        with suppress(OSError):
            return self.path.is_file() and file_sha256(self.path) == self.record.sha256
        return False


def libraries() -> tuple[LibraryFile, ...]:
    """Those that are here now; none is built. Those that a checkout keeps are whole, those of a wheel as they are."""
    if not _is_checkout():
        return tuple(_recorded(_OF_THE_WHEEL))
    return tuple(file for folder in _folders("all") for file in _recorded(folder) if file.is_whole)


def host_library(reporter: Reporter) -> LibraryFile:
    """The one for this machine; a checkout builds it on first use, and says so. Raises as `library_for`."""
    if _is_checkout():
        return _of_the_checkout("host", reporter)
    if sys.platform == "linux" and platform.libc_ver()[0] != "glibc":
        raise NoNativeLibrary(
            "Native operators need glibc, and this system has another C library.",
            f"Use a system with glibc, such as Debian; or {_WITHOUT}.",
        )
    return _of_the_wheel({"darwin": "macos"}.get(sys.platform, sys.platform), platform.machine())


def library_for(system: str, machine: str, reporter: Reporter) -> LibraryFile:
    """The one for a kind of machine; a checkout builds a missing one. Whether its C library is new enough is not asked.

    Raises `NoNativeLibrary` where there is none and none can be built, `VerificationFailed` where the wheel's was
    altered, `CacheNotWritable` and `DiskFull` where a new one cannot be kept.
    """
    return _of_the_checkout(f"{system}-{machine}", reporter) if _is_checkout() else _of_the_wheel(system, machine)


def _is_checkout() -> bool:
    return (_SOURCES / "src" / "groupnl_native.h").is_file()


def _of_the_checkout(target: str, reporter: Reporter) -> LibraryFile:
    found = _kept(_folders(target))
    if found is None:
        with one_builder(cache_dir() / "native", reporter):
            found = _kept(_folders(target)) or _build(target, reporter)  # another may have built it while we waited
    return found


def _of_the_wheel(system: str, machine: str) -> LibraryFile:
    found = [
        file for file in _recorded(_OF_THE_WHEEL) if (file.record.system, file.record.machine) == (system, machine)
    ]
    if not found:
        has = ", ".join(f"{file.record.system} {file.record.machine}" for file in _recorded(_OF_THE_WHEEL)) or "none"
        raise NoNativeLibrary(
            f"This installation has no library of native operators for {system} {machine}; it has {has}.",
            f"Install a wheel that has it, or work in a checkout, which builds it; or {_WITHOUT}.",
        )
    if not found[0].is_whole:
        raise VerificationFailed(
            f"{found[0].path} was altered, or cannot be read: its SHA-256 is not the recorded one.",
            "Install groupnl-deploy again (python -m pip install --force-reinstall --no-deps …).",
        )
    return found[0]


def _recorded(folder: Path) -> Iterator[LibraryFile]:
    """What lies in a folder with a record that can be read; nothing where nobody may look."""
    with suppress(OSError):
        for path in sorted(folder.glob("*.json")):
            with suppress(OSError, StrictError):
                record = from_json(NativeLibrary, path.read_bytes())
                files = sorted(path.parent.glob(f"{path.stem}.*"))
                yield from (LibraryFile(record, file) for file in files if file != path)


def _kept(folders: tuple[Path, ...]) -> LibraryFile | None:
    return next((file for folder in folders for file in _recorded(folder) if file.is_whole), None)


def _folders(target: str) -> tuple[Path, ...]:
    """Where a checkout keeps a target's library, or those of "all"; nowhere without a compiler."""
    return tuple(cache_dir() / "native" / key for key in keys(_SOURCES, target))


def _build(target: str, reporter: Reporter) -> LibraryFile:
    if _folders(target):
        whose = "this machine" if target == "host" else target
        reporter.note(f"Building the library of native operators for {whose}; this is done once and may take minutes.")
    done = _run_build("--target", target)
    found = _kept(_folders(target)) if done.returncode == 0 else None
    if found is None:
        raise _not_built(target, done)
    return found


def _run_build(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(_SOURCES / "build.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _not_built(target: str, done: "subprocess.CompletedProcess[str]") -> GroupNLError:
    """What the script says in its last two lines; where it died, what it ended with."""
    said = done.stderr.strip().splitlines()
    if any("No space left" in line or "NoSpaceLeft" in line for line in said):
        return not_kept(cache_dir() / "native", OSError(errno.ENOSPC, "No space left on device"))
    if refused := re.fullmatch(r"Cannot write (.*): (.*)\.", said[-2] if len(said) >= 2 else ""):
        return not_kept(Path(refused[1]), OSError(errno.EACCES, refused[2]))
    if done.returncode == 1 and len(said) >= 2 and not said[-2].startswith(" "):
        return NoNativeLibrary(said[-2], f"{said[-1].rstrip('.')}; or {_WITHOUT}.")
    return NoNativeLibrary(
        f"Building the library of native operators for {target} ended with {done.returncode}.",
        f"Run {sys.executable} {_SOURCES / 'build.py'} --target {target} to see why; or {_WITHOUT}.",
    )
