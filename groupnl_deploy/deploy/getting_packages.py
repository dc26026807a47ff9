"""The command that gets a backend's packages onto a device, for remedies: provisioning, or pip on this machine."""

import shlex
import sys

from device_agent.backend_table import BACKENDS, packages_of
from device_agent.machine import Machine
from groupnl_deploy.deploy.certified import certified_set
from groupnl_deploy.deploy.devices_file import LOCAL
from groupnl_deploy.deploy.wheels import target_of
from groupnl_deploy.words import command_line


def packages_command(device: str, backend: str, *, anew: bool = False, uncertified: bool = False) -> str:
    """What to type here. `anew` is for packages that are there and of no use, `uncertified` what `is_uncertified` says.

    The device `local` is this machine with this very Python, beside which nothing is provisioned, and whose groupnl
    says which versions it takes.
    """
    if device == LOCAL:
        again = ["--force-reinstall"] if anew else []
        return shlex.join([sys.executable, "-m", "pip", "install", *again, *packages_of(backend)])
    words = ["device", "provision", device, "--backend", _provisioned(backend)]
    return command_line(*words, *(["--uncertified"] if uncertified else []))


def is_uncertified(machine: Machine, python: str, backend: str) -> bool:
    """Whether no set of the backend's is certified for such a board and its Python ("3.11.2"), but one may be had."""
    target, release = target_of(machine), ".".join(python.split(".")[:2])
    return target is not None and certified_set(target.name, _provisioned(backend), release) is None


def _provisioned(backend: str) -> str:
    """The backend whose packages are given to a device for this one."""
    return backend if BACKENDS[backend].computes else "onnxruntime"
