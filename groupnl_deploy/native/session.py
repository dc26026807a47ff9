"""The native operators for a session of ONNX Runtime's on this machine."""

from functools import partial

from device_agent.native import register
from exporters.choices import Level
from exporters.parity import Register
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
