"""The library that computes the operators of `groupnl.native`: its record, and the only way in which it is loaded.

Standard library only, and nothing else of ours: a push puts this very file beside the libraries on a device, where a
program of the user's own imports it as `groupnl_native`. So `register(options, library)` stays as it is.
"""

import atexit
import ctypes
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

LIBRARIES_FILE = "libraries.json"

System = Literal["linux", "macos"]

PUSH_AGAIN = "Push the artifact again: that sends the library too."

KERNELS = "GROUPNL_NATIVE_ISA"
"""The variable of the environment that names the kernels which the library uses in place of the best."""

_MOST_BYTES = 64_000_000  # what is larger is no library of ours, and is not read into memory
_ready: dict[str, "_Kept"] = {}
_readying = threading.Lock()


class LoadRefused(Exception):
    """Why a library is not loaded: one sentence of what happened (`message`), one of what to do (`remedy`)."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


class NotThisLibrary(LoadRefused):
    """What was to be loaded is missing or another file than was asked for."""


class NoSuchKernels(LoadRefused):
    """The environment asks for kernels that the library has not, or not for this processor."""


@dataclass(frozen=True)
class NativeLibrary:
    """One library as it was built: what it is known by, and where it runs.

    Args:
        sha256: of the file.
        bytes: its size.
        system: the operating system.
        machine: the processor's architecture as that system calls it: "x86_64", "aarch64" (linux), "arm64" (macos).
        libc: "glibc"; null where the system has just one.
        libc_version: the oldest that it runs with, as "2.17"; null without `libc`.
        version: of the operator set that it computes.
        oldest_runtime: the oldest ONNX Runtime that it registers with.
    """

    sha256: str
    bytes: int
    system: System
    machine: str
    libc: str | None
    libc_version: str | None
    version: int
    oldest_runtime: str


@dataclass(frozen=True)
class Libraries:
    """The file `LIBRARIES_FILE` in the agent's bundle: the libraries that the host's installation has."""

    libraries: tuple[NativeLibrary, ...]


def register(options: Any, library: str | Path, sha256: str | None = None) -> None:
    """Give a session the operators: `options` are its `onnxruntime.SessionOptions`.

    Args:
        options: of a session that is made afterwards.
        library: the file.
        sha256: its digest; left out, the file's name is its digest, as on a device.

    Raises `NotThisLibrary` where the file is not the one of this digest, `NoSuchKernels`; whatever the runtime raises.
    """
    path = open_verified(Path(library), sha256 or Path(library).name)
    if os.environ.get(KERNELS):
        _chosen(path)
    options.register_custom_ops_library(path)


def instructions(library: str | Path, sha256: str | None = None) -> str:
    """The kernels that the library chooses on this processor: "avx512", "avx2", "neon" or "portable".

    Raises `NotThisLibrary`, `NoSuchKernels`.
    """
    return _chosen(open_verified(Path(library), sha256 or Path(library).name))


def _chosen(path: str) -> str:
    """The kernels' name. The library itself takes its best where it does not know the one that is asked for."""
    loaded = ctypes.CDLL(path)
    loaded.groupnl_native_instructions.restype = ctypes.c_char_p
    chosen, asked = bytes(loaded.groupnl_native_instructions()).decode(), os.environ.get(KERNELS)
    if asked and asked != chosen:
        raise NoSuchKernels(
            f"{KERNELS} asks for the kernels {asked!r}, which the native library has not for this processor; its best "
            f"are {chosen}.",
            f"Unset the variable, or name {chosen} or portable in it.",
        )
    return chosen


def open_verified(path: Path, sha256: str) -> str:
    """A path from which exactly the bytes of this digest are loaded, whatever happens to the file meanwhile.

    They are read once, hashed, and kept where nobody can change them: on Linux in sealed memory, elsewhere as a copy in
    a folder of this process's own. Either stays until the process ends or closes it, and every later call has it: the
    loader of the system takes two paths that are spelled alike for one library. Raises `NotThisLibrary`.
    """
    with _readying:
        if sha256 not in _ready or _identity(_ready[sha256].path) != _ready[sha256].identity:
            data = _read(path, sha256)
            kept = _sealed(data) or _private_copy(data)
            _ready[sha256] = _Kept(kept, _identity(kept))
        return _ready[sha256].path


@dataclass(frozen=True)
class _Kept:
    """Where bytes lie that were hashed, and which file that is: a program may close it, as daemons close everything."""

    path: str
    identity: tuple[int, int] | None


def _identity(path: str) -> tuple[int, int] | None:
    with suppress(OSError):
        found = Path(path).stat()
        return found.st_dev, found.st_ino
    return None


def _read(path: Path, sha256: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe is not waited for
        with os.fdopen(descriptor, "rb") as stream:
            data = stream.read(_MOST_BYTES) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    except OSError as error:
        raise NotThisLibrary(
            f"The native library {path} cannot be read: {(error.strerror or str(error)).lower()}.", PUSH_AGAIN
        ) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise NotThisLibrary(f"The native library {path} was altered: its SHA-256 is not {sha256[:12]}….", PUSH_AGAIN)
    return data


def _sealed(data: bytes) -> str | None:
    """In memory that the kernel lets nobody write to any more; None where it has no such thing."""
    if not hasattr(os, "memfd_create"):
        return None
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    with suppress(OSError):  # a kernel, or a sandbox, that refuses
        descriptor = os.memfd_create("groupnl_native", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        path = f"/proc/self/fd/{descriptor}"
        try:
            Path(path).write_bytes(data)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        except OSError:  # also where there is no /proc
            os.close(descriptor)
            raise
        return path
    return None


def _private_copy(data: bytes) -> str:
    """In a folder that only this user enters, made now and removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="groupnl-native-"))
    copy = folder / "library"
    copy.write_bytes(data)
    atexit.register(_remove_of, os.getpid(), folder)
    return str(copy)


def _remove_of(maker: int, folder: Path) -> None:
    if os.getpid() == maker:  # a child that was forked ends too
        shutil.rmtree(folder, ignore_errors=True)
