"""What the native library is built for, and with which flags. Standard library only."""

import platform
import struct
import sys
from dataclasses import dataclass
from typing import Literal

System = Literal["linux", "macos"]

GLIBC = "2.17"
"""The oldest glibc that a library runs with: that of manylinux2014, which ONNX Runtime's own wheels ask for."""

# -ffp-contract=off: what is fused is written so, and all processors round alike. No flag lets NaN be taken for absent.
FLAGS = (
    *("-O3", "-g0", "-std=c11", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"),
    *("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"),
)

_WIDE = "-mprefer-vector-width=512"
_PROCESSORS = {
    "avx512": ("x86_64", ("-mcpu=x86_64_v4", _WIDE), ("-march=x86-64-v4", _WIDE)),
    "avx2": ("x86_64", ("-mcpu=x86_64_v3",), ("-march=x86-64-v3",)),
    "neon": ("arm", ("-mcpu=cortex_a72",), ("-mtune=cortex-a72",)),
}
"""Instruction set → architecture, flags of zig, flags of gcc and clang. Other units get the architecture's least."""


class NotBuilt(Exception):
    """Why there is no library, in one sentence, and what to do, in another."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True)
class Target:
    """A kind of machine; `name` is its word on the command line, `triple` that of zig."""

    name: str
    system: System
    machine: str
    triple: str

    @property
    def libc(self) -> str | None:
        """The name of the C library, where the system has several."""
        return "glibc" if self.system == "linux" else None

    @property
    def library(self) -> str:
        """The file's name."""
        return f"groupnl_native-{self.name}.{'so' if self.system == 'linux' else 'dylib'}"

    @property
    def link(self) -> tuple[str, ...]:
        """The flags that make it one library: nothing undefined, no path, no identity but its bytes.

        By -O3 zig adds its support routines in their fast form, without what debugging needs.
        """
        if self.system == "macos":
            return ("-O3", "-dynamiclib", "-s", f"-Wl,-install_name,@rpath/{self.library}")
        return ("-O3", "-shared", "-s", "-Wl,--build-id=none", "-Wl,-z,defs", "-Wl,-z,relro,-z,now")

    def flags(self, unit: str, zig: bool) -> tuple[str, ...] | None:
        """Of the unit with this name, without ".c"; None where it is for another architecture."""
        architecture, of_zig, of_cc = _PROCESSORS.get(unit.removeprefix("isa_"), (None, (), ()))
        if architecture not in (None, "x86_64" if self.machine == "x86_64" else "arm"):
            return None
        return FLAGS + (of_zig if zig else of_cc)


TARGETS = {
    target.name: target
    for target in (
        Target("linux-x86_64", "linux", "x86_64", f"x86_64-linux-gnu.{GLIBC}"),
        Target("linux-aarch64", "linux", "aarch64", f"aarch64-linux-gnu.{GLIBC}"),
        Target("macos-arm64", "macos", "arm64", "aarch64-macos.11.0"),
    )
}


def host() -> Target:
    """This machine. Raises `NotBuilt` where it is none of them."""
    system = {"linux": "linux", "darwin": "macos"}.get(sys.platform, sys.platform)
    machine, bits = platform.machine(), 8 * struct.calcsize("P")
    target = TARGETS.get(f"{system}-{machine}")
    if target is not None and bits == 64 and (system != "linux" or platform.libc_ver()[0] == "glibc"):
        return target
    raise NotBuilt(
        f"There is no native library for this machine: {system} {machine}, {bits} bits"
        f"{', a C library that is not glibc' if system == 'linux' and platform.libc_ver()[0] != 'glibc' else ''}.",
        f"It is built for {', '.join(TARGETS)}; export with --optimize full, which needs none.",
    )
