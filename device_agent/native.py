"""The library that computes the operators of `groupnl.native` on a device. Standard library only."""

from dataclasses import dataclass
from typing import Literal

System = Literal["linux", "macos"]


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
