"""The native operators for a network on this machine, in ONNX Runtime and in ncnn."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import onnxruntime

from device_agent.machine import this_machine
from device_agent.manifest import NativeOperators
from device_agent.native import NoSuchKernels, NotThisLibrary, instructions, open_verified, register
from device_agent.native_choice import CannotRunNative, NativeChoice, choose
from exporters.choices import Level
from exporters.parity import Register
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.native.libraries import LibraryFile, host_library
from groupnl_deploy.progress import Reporter


def registration(level: Level, reporter: Reporter) -> Register | None:
    """What gives a session the operators that a level may write; None where it writes none.

    Raises as `host_library` where this machine has no library and can build none, `UsageError` where the environment
    asks for kernels that it has not.
    """
    if level != "native":
        return None
    library = host_library(reporter)
    with _loading():  # now, before it is done in the middle of a proof
        instructions(library.path, library.record.sha256)
    return partial(register, library=library.path, sha256=library.record.sha256)


def register_here(options: onnxruntime.SessionOptions, native: NativeOperators, reporter: Reporter) -> str:
    """Give a session the operators of an artifact; the name of its model file that runs on this machine.

    Raises `UsageError` where none does, and as `host_library`.
    """
    library = host_library(reporter)
    choice = _require_runs(native, library, str(onnxruntime.__version__))
    with _loading():
        register(options, library.path, library.record.sha256)
    return choice.model.file


def layer_library(level: Level, reporter: Reporter) -> str | None:
    """The library of layers for ncnn, from where nobody can alter it; None for a level that writes none. Raises as
    `registration`.
    """
    return None if level != "native" else _verified(host_library(reporter))


def layer_library_here(native: NativeOperators, version: str, reporter: Reporter) -> str:
    """The same for an artifact, in this version of ncnn. Raises as `register_here`."""
    library = host_library(reporter)
    _require_runs(native, library, version)
    return _verified(library)


def _verified(library: LibraryFile) -> str:
    with _loading():
        instructions(library.path, library.record.sha256)
        return open_verified(library.path, library.record.sha256)


def _require_runs(native: NativeOperators, library: LibraryFile, runtime: str) -> NativeChoice:
    try:
        return choose(native, [library.record], this_machine(), runtime, threads=1)
    except CannotRunNative as error:
        raise UsageError(f"This machine: {error.message}", error.remedy) from error


@contextmanager
def _loading() -> Iterator[None]:
    """What the loader refuses, as errors of the host's."""
    try:
        yield
    except NotThisLibrary as error:  # altered since it was found whole
        raise VerificationFailed(error.message, "Run the command again.") from error
    except NoSuchKernels as error:
        raise UsageError(error.message, error.remedy) from error
