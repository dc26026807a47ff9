"""How a package that is missing on the device gets there: a remedy that works on today's Raspberry Pi OS too."""

import importlib
import sys
from types import ModuleType

from device_agent.backend_table import BACKENDS
from device_agent.errors import MissingLibrary

IN_ENVIRONMENT = sys.prefix != sys.base_prefix
"""Whether this Python is a virtual environment's; pip refuses to install into Debian's own (PEP 668)."""


def install_remedy(python: str, backend: str, in_environment: bool, wanted: str | None = None) -> str:
    """What to type so that the device has all that a backend needs, not the one package that was missed.

    `python` is what lacked it. Where it is an environment's (`in_environment`), the user may add to that: `wanted`, or
    all of the backend's packages.
    """
    computes = backend in BACKENDS and BACKENDS[backend].computes
    provision = f"groupnl device provision NAME --backend {backend if computes else 'onnxruntime'}"
    if not in_environment:
        return f"Here, run, with your NAME for the device: {provision}"
    packages = wanted or (BACKENDS[backend].packages if backend in BACKENDS else "numpy")
    return f"Here, run {provision}, or on the device: {python} -m pip install {packages}"


def imported(module: str, backend: str) -> ModuleType:
    """A module of ours that needs packages, numpy at least. Raises `MissingLibrary` for the one that is not there."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingLibrary(
            f"The device's Python cannot import “{error.name}” ({error}).",
            install_remedy(sys.executable, backend, IN_ENVIRONMENT),
        ) from error
