"""Which library and which model file of a native artifact run on a machine, or why none does. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from device_agent.errors import AgentError
from device_agent.machine import KERNELS, Machine
from device_agent.manifest import NativeModel, NativeOperators, NativeRuntime
from device_agent.native import NativeLibrary

TARGETS = {("linux", "x86_64"), ("linux", "aarch64"), ("macos", "arm64")}
"""What `native/build.py` builds for, by system and machine; with a dash between them the word of its --target."""

_FULL = "export with --optimize full, which needs no library, and push that"
RUNTIMES: dict[NativeRuntime, str] = {"onnxruntime": "ONNX Runtime", "ncnn": "ncnn"}
_LANES = {16: "AVX-512", 8: "AVX2 with FMA"}


class CannotRunNative(AgentError):
    """A machine, its runtime or the libraries of this installation do not go with an artifact's native operators.

    Each reason has a code of its own: native_32_bit, native_libc, native_no_library, native_operators (a newer version
    of them), native_old_runtime, native_instructions, native_block, native_runtime, native_threads.
    """

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.code = code


@dataclass(frozen=True)
class NativeChoice:
    """What runs: one of the artifact's model files, and the library that computes its operators."""

    model: NativeModel
    library: NativeLibrary


def choose(
    native: NativeOperators, libraries: Sequence[NativeLibrary], machine: Machine, runtime: str | None, threads: int
) -> NativeChoice:
    """The first model file that fits, and its library. `runtime` is the version of `native.runtime`, None where nobody
    knows it.

    Raises `CannotRunNative`, whose code says what is in the way.
    """
    _require_userland(machine)
    models = _of_block(native.models, machine)  # before a library is built for what it could not help
    library = _of_machine(libraries, machine)
    _require_library(library, native, machine, runtime)
    if runtime is not None:
        models = _of_threads(_of_runtime(models, native.runtime, runtime), runtime, threads)
    return NativeChoice(models[0], library)


def _require_userland(machine: Machine) -> None:
    if machine.bits != 64:
        raise CannotRunNative(
            "native_32_bit",
            f"Native operators need a 64-bit system, and Python here is a {machine.bits}-bit program.",
            f"Install the 64-bit system on the device, with its own Python; or {_FULL}.",
        )
    if machine.system == "linux" and machine.libc != "glibc":
        raise CannotRunNative(
            "native_libc",
            f"The libraries of native operators need glibc, and this system has {machine.libc or 'another C library'}.",
            f"Use a system with glibc, such as Debian or Raspberry Pi OS; or {_FULL}.",
        )


def _of_machine(libraries: Sequence[NativeLibrary], machine: Machine) -> NativeLibrary:
    found = [one for one in libraries if (one.system, one.machine) == (machine.system, machine.machine)]
    if found:
        return max(found, key=lambda one: one.version)
    remedy = f"{_FULL[0].upper()}{_FULL[1:]}."
    if (machine.system, machine.machine) in TARGETS:
        remedy = f"Push again, which builds it on the host as {build_command(machine)} does; or {_FULL}."
    raise CannotRunNative(
        "native_no_library",
        f"This installation of groupnl has no library of native operators for {machine}.",
        remedy,
    )


def build_command(machine: Machine) -> str:
    """What makes the library for a machine, in a checkout."""
    return f"python native/build.py --target {machine.system}-{machine.machine}"


def _require_library(library: NativeLibrary, native: NativeOperators, machine: Machine, runtime: str | None) -> None:
    if library.libc_version and machine.libc_version and release(machine.libc_version) < release(library.libc_version):
        raise CannotRunNative(
            "native_libc",
            f"The native library needs glibc {library.libc_version} or newer, and this is {machine.libc_version}.",
            f"Install a newer system on the device; or {_FULL}.",
        )
    if native.version > library.version:
        raise CannotRunNative(
            "native_operators",
            f"The model's operators are of version {native.version} of {native.domain}, and the library has version "
            f"{library.version}.",
            f"Update groupnl on the host and push again; or {_FULL}.",
        )
    is_onnx = native.runtime == "onnxruntime"  # with which the library registers; others call its functions
    if is_onnx and runtime is not None and release(runtime) < release(library.oldest_runtime):
        raise CannotRunNative(
            "native_old_runtime",
            f"Native operators need ONNX Runtime {library.oldest_runtime} or newer, and the device has {runtime}.",
            f"Install a newer onnxruntime on the device; or {_FULL}.",
        )


def _of_block(models: Sequence[NativeModel], machine: Machine) -> list[NativeModel]:
    found = [one for one in models if one.block in (0, machine.block)]
    if found:
        return found
    blocks = sorted({one.block for one in models}, reverse=True)
    needed = " or ".join(_LANES.get(block, f"blocks of {block}") for block in blocks)
    plain = "generic" if machine.machine == "x86_64" else "rpi4"
    remedy = f"Export with --target {plain}, whose layout every processor reads, and push that; or {_FULL}."
    if machine.held_to is not None:
        raise CannotRunNative(
            "native_instructions",
            f"{KERNELS} is {machine.held_to}, and such kernels compute in no blocks that ONNX Runtime has here; the "
            f"model is in blocks of {' or '.join(map(str, blocks))}.",
            f"Unset the variable where that Python is started. {remedy}",
        )
    if machine.block == 0:
        raise CannotRunNative(
            "native_instructions", f"The model needs a processor with {needed}, and this one has none of them.", remedy
        )
    raise CannotRunNative(
        "native_block",
        f"The model is laid out in blocks of {' or '.join(map(str, blocks))}, for processors with {needed}, and this "
        f"one, with {_LANES[machine.block]}, needs blocks of {machine.block}.",
        remedy,
    )


def _of_runtime(models: Sequence[NativeModel], package: NativeRuntime, runtime: str) -> list[NativeModel]:
    found = [one for one in models if _reads(one, runtime)]
    if found:
        return found
    first = models[0]
    newest = "or newer" if first.newest_runtime is None else f"to {first.newest_runtime}"
    other = _FULL if package == "ncnn" else f"export with --target {_target_for(runtime)}, and push that"
    raise CannotRunNative(
        "native_runtime",
        f"The model {first.file} runs in {RUNTIMES[package]} {first.oldest_runtime} {newest}, and the device has "
        f"{runtime}.",
        f"Install {package} {first.newest_runtime or first.oldest_runtime} on the device; or {other}.",
    )


def _target_for(runtime: str) -> str:
    """The target whose native graphs this runtime reads, whatever its layout, and why."""
    if release(runtime) < (1, 17):
        return "rpi4, which is for ONNX Runtime 1.15.1 and newer"
    return "generic, which is for ONNX Runtime 1.17 and newer"


def _reads(model: NativeModel, runtime: str) -> bool:
    """Whether the runtime is in the closed range."""
    if release(runtime) < release(model.oldest_runtime):
        return False
    return model.newest_runtime is None or not is_newer(runtime, model.newest_runtime)


def is_newer(version: str, end: str) -> bool:
    """Whether a version is beyond the end of a range, by the numbers that the end has: 1.32.1 is not beyond 1.32."""
    newest = release(end)
    return release(version)[: len(newest)] > newest


def _of_threads(models: Sequence[NativeModel], runtime: str, threads: int) -> list[NativeModel]:
    found = [one for one in models if threads == 1 or not _on_one_thread(one, runtime)]
    if found:
        return found
    raise CannotRunNative(
        "native_threads",
        f"Native operators run on one thread in ONNX Runtime {runtime}, and {threads} were asked for.",
        f"Ask for one thread, or install onnxruntime {models[0].one_thread_below} or newer on the device; or {_FULL}.",
    )


def _on_one_thread(model: NativeModel, runtime: str) -> bool:
    return model.one_thread_below is not None and release(runtime) < release(model.one_thread_below)


def release(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: (1, 32, 0) of "1.32.0.dev1"."""
    found = re.match(r"\d{1,9}(?!\d)(\.\d{1,9}(?!\d))*", version)  # more digits are no version's
    return tuple(map(int, found[0].split("."))) if found else ()
