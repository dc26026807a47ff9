"""The command that gets a backend's packages onto a device, for remedies: provisioning, or pip on this machine."""

import shlex
import sys

from device_agent.backend_table import BACKENDS
from groupnl_deploy.deploy.devices_file import LOCAL
from groupnl_deploy.words import command_line


def packages_command(device: str, backend: str, *, anew: bool = False) -> str:
    """What to type here. `anew` is for packages that are there and of no use.

    The device `local` is this machine with this very Python, beside which nothing is provisioned, and whose groupnl
    says which versions it takes.
    """
    entry = BACKENDS[backend]
    if device == LOCAL:
        again = ["--force-reinstall"] if anew else []
        names = [package.partition("==")[0] for package in entry.packages.split()]
        return shlex.join([sys.executable, "-m", "pip", "install", *again, *names])
    return command_line("device", "provision", device, "--backend", backend if entry.computes else "onnxruntime")
