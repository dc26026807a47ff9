"""What this machine is to a native library: system, processor, C library. Standard library only."""

import os
import re
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

# The runtime has blocks of 16 wherever there is AVX-512F, and of 8 with AVX2 and FMA. Our kernels for them are built
# for the whole of x86-64-v4 and x86-64-v3, in the kernel's words.
_V3 = frozenset({"avx2", "fma", "f16c", "bmi1", "bmi2", "movbe", "abm"})
_V4 = _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}

_KERNELS_OF = {16: "avx512", 8: "avx2"}  # that compute in blocks of so many channels

KERNELS = "GROUPNL_NATIVE_ISA"
"""Names the kernels that a native library has to use: native.py has it, too, which stands alone."""

_HEADERS_BYTES = 8192


@dataclass(frozen=True)
class Machine:
    """This machine as the running Python sees it.

    Args:
        system: "linux", "macos", or what Python calls another.
        machine: the kernel's word for the processor's architecture, such as "x86_64" or "aarch64".
        bits: of the userland: 32 for a 32-bit Python, whatever the kernel is.
        libc: "glibc", "musl"; null where it is another or the system has just one.
        libc_version: null where it does not tell.
        block: of ONNX Runtime's layout in blocks: 16 with AVX-512, 8 with AVX2 and FMA, else 0. Also 0 where the
            environment holds a native library to kernels that do not compute in the blocks that the runtime has here.
        held_to: those kernels; null where the environment takes no block away.
    """

    system: str
    machine: str
    bits: int
    libc: str | None
    libc_version: str | None
    block: int
    held_to: str | None = None

    def __str__(self) -> str:
        return f"{self.system} on {self.machine}"


def this_machine() -> Machine:
    """Read from the kernel and from the running process."""
    system = {"darwin": "macos"}.get(sys.platform, sys.platform)
    bits, machine = 8 * struct.calcsize("P"), os.uname().machine
    libc, version = libc_of(_confstr(), _beginning(Path("/proc/self/exe"))) if system == "linux" else (None, None)
    # An emulator of another processor may show the flags of the machine that it runs on.
    block = block_of(_text(Path("/proc/cpuinfo"))) if machine == "x86_64" else 0
    return with_block(Machine(system, machine, bits, libc, version, 0), block, os.environ.get(KERNELS))


def with_block(machine: Machine, block: int, kernels: str | None) -> Machine:
    """This machine, whose runtime has this block, where the environment asks for these kernels."""
    if kernels and block and kernels != _KERNELS_OF[block]:
        return replace(machine, block=0, held_to=kernels)
    return replace(machine, block=block, held_to=None)


def libc_of(confstr: str | None, program: bytes) -> tuple[str | None, str | None]:
    """The C library's name and version: by what glibc alone says of itself, else by the path of the loader.

    That path stands near the beginning of the file of a program that is linked with it.
    """
    name, _, version = (confstr or "").partition(" ")
    if name == "glibc" and version:
        return name, version
    return ("musl" if b"/ld-musl-" in program else None), None


def block_of(cpuinfo: str) -> int:
    """The block of the first processor in Linux's list; 0 for one without vectors of eight, as every Arm is.

    Where a processor has AVX-512F without the rest of x86-64-v4, the runtime has blocks that our kernels have not: 0.
    """
    found = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    flags = frozenset(found[1].split()) if found else frozenset()
    if "avx512f" in flags:
        return 16 if flags >= _V4 else 0
    return 8 if flags >= _V3 else 0


def installed_version(package: str) -> str | None:
    """The version of a package that is installed, without importing it; null where none says so."""
    import importlib.metadata

    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None


def _confstr() -> str | None:
    with suppress(ValueError, OSError):  # a C library that is not glibc knows no such name
        return os.confstr("CS_GNU_LIBC_VERSION")
    return None


def _beginning(path: Path) -> bytes:
    with suppress(OSError), path.open("rb") as stream:
        return stream.read(_HEADERS_BYTES)
    return b""


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(errors="replace")
    return ""
