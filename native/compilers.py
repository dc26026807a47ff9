"""The C compilers that build the native library: zig's, which builds for every target, or the host's own."""

import functools
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from targets import NotBuilt, Target, host

_INSTALL_ZIG = f"{sys.executable} -m pip install ziglang"
_OLDEST_GCC = 12


@dataclass(frozen=True)
class Compiler:
    """A command that compiles and links C; `identity` says which one in which version."""

    command: tuple[str, ...]
    identity: str
    is_zig: bool

    def for_target(self, target: Target) -> tuple[str, ...]:
        """The command for this target. Raises `NotBuilt` where it cannot build it."""
        if self.is_zig:
            return (*self.command, "-target", target.triple)
        if target == host():
            return self.command
        raise NotBuilt(
            f"{self.command[0]} builds for this machine alone, not for {target.name}.",
            f"Install the compiler that builds for all ({_INSTALL_ZIG}), then run the command again.",
        )


def find_compiler(kind: str | None = None) -> Compiler:
    """The one asked for, "zig" or "cc"; else zig where it is installed, else the host's. Raises `NotBuilt`."""
    if kind != "cc" and importlib.util.find_spec("ziglang") is not None:
        return Compiler((sys.executable, "-m", "ziglang", "cc"), f"zig {importlib.metadata.version('ziglang')}", True)
    if kind == "zig":
        raise NotBuilt("The package ziglang is not installed.", f"Install it: {_INSTALL_ZIG}")
    refused = []
    for name in [os.environ["CC"]] if os.environ.get("CC") else ["cc", "gcc", "clang"]:
        if (path := shutil.which(name)) is not None:
            identity, too_old = _identity(path)
            if not too_old:
                return Compiler((path,), identity, False)
            refused.append(f"{path} is {identity}")
    raise NotBuilt(
        f"There is no C compiler that can build the native library{''.join(f'; {one}' for one in refused)}.",
        f"Install one: {_INSTALL_ZIG} (or gcc {_OLDEST_GCC} or newer, or clang), then run the command again.",
    )


@functools.cache
def kept() -> Path:
    """Where groupnl keeps what it built."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from groupnl_deploy.places import cache_dir

    return cache_dir() / "native"


def run(command: list[str], folder: Path, zig_cache: Path) -> None:
    """Run a compiler in a folder; it writes to stderr what it has to say. Raises `NotBuilt` where it fails."""
    # Zig's own parts, tens of megabytes, lie with what groupnl keeps and not in another folder of the user's home.
    zig = {"ZIG_GLOBAL_CACHE_DIR": str(kept() / "zig")}
    environment = zig | os.environ | {"ZIG_LOCAL_CACHE_DIR": str(zig_cache), "LC_ALL": "C", "SOURCE_DATE_EPOCH": "0"}
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotBuilt(f"{command[0]} cannot be run: {error.strerror}.", _another()) from error
    sys.stderr.write(done.stderr)
    if done.returncode != 0:
        what = next((line for line in done.stderr.splitlines() if "error" in line), f"it ended with {done.returncode}")
        raise NotBuilt(f"The C compiler failed: {what.strip()}", _another())


def _identity(path: str) -> tuple[str, bool]:
    """A name with a version, and whether that is too old or says nothing."""
    command = [path, "-dM", "-E", "-x", "c", os.devnull]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "not runnable", True
    words = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    macros = {word[1]: word[2] for word in words if len(word) == 3}
    clang, version = "__clang__" in macros, macros.get("__VERSION__", "unknown").strip('"')
    too_old = not clang and int(macros.get("__GNUC__", "0")) < _OLDEST_GCC
    return f"{'clang' if clang else 'gcc'} {version}", done.returncode != 0 or too_old


def _another() -> str:
    return f"See all that it says with python native/build.py, or use another one: {_INSTALL_ZIG}; or name one in $CC."
