"""The native operators for a session of ONNX Runtime's on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import onnxruntime

from device_agent.machine import this_machine
from device_agent.manifest import NativeOperators
from device_agent.native import NoSuchKernels, NotThisLibrary, instructions, register
from device_agent.native_choice import CannotRunNative, choose
from exporters.choices import Level
from exporters.parity import Register
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.native.libraries import host_library
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
    try:
        choice = choose(native, [library.record], this_machine(), str(onnxruntime.__version__), threads=1)
    except CannotRunNative as error:
        raise UsageError(f"This machine: {error.message}", error.remedy) from error
    with _loading():
        register(options, library.path, library.record.sha256)
    return choice.model.file


@contextmanager
def _loading() -> Iterator[None]:
    """What the loader refuses, as errors of the host's."""
    try:
        yield
    except NotThisLibrary as error:  # altered since it was found whole
        raise VerificationFailed(error.message, "Run the command again.") from error
    except NoSuchKernels as error:
        raise UsageError(error.message, error.remedy) from error
