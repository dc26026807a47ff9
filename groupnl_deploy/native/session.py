"""The native operators for a session of ONNX Runtime's on this machine."""

from functools import partial

import onnxruntime

from device_agent.machine import this_machine
from device_agent.manifest import NativeOperators
from device_agent.native import register
from device_agent.native_choice import CannotRunNative, choose
from exporters.choices import Level
from exporters.parity import Register
from groupnl_deploy.errors import UsageError
from groupnl_deploy.native.libraries import host_library
from groupnl_deploy.progress import Reporter


def registration(level: Level, reporter: Reporter) -> Register | None:
    """What gives a session the operators that a level may write; None where it writes none.

    Raises as `host_library` where this machine has no library and can build none.
    """
    if level != "native":
        return None
    library = host_library(reporter)
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
    register(options, library.path, library.record.sha256)
    return choice.model.file
