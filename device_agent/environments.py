"""The Python that runs a backend on this device, and what it has: asked of its files, without starting it.

`environments/<backend>` below the root is the virtual environment that was provisioned for the backend. Where there is
none, the agent's own Python serves.
"""

import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from device_agent.backend_table import BACKENDS
from device_agent.messages.doctor import Runtime

_ENVIRONMENTS = "environments"
_RECORD = re.compile(r"(.+?)-([^-]+)(?:-py[0-9.]+)?\.(?:dist|egg)-info")  # name and version


def python_of(root: Path, backend: str) -> str:
    """The Python to start for a backend."""
    provisioned = root / _ENVIRONMENTS / backend / "bin" / "python"
    return str(provisioned) if provisioned.exists() else sys.executable


def runtime_of(root: Path, backend: str) -> Runtime:
    """What would run it now."""
    folder = root / _ENVIRONMENTS / backend
    names = [package.partition("==")[0] for package in BACKENDS[backend].packages.split()]
    if not (folder / "bin" / "python").exists():
        return Runtime(backend, None, sys.version.split()[0], _versions(names, sys.path))
    site = [str(path) for path in folder.glob("lib/python3*/site-packages")]
    return Runtime(backend, folder.resolve().name, _python_version(folder), _versions(names, site))


def _versions(names: Sequence[str], path: Sequence[str]) -> dict[str, str | None]:
    """By the folders that installers leave beside packages: `importlib.metadata` says the same, a push later."""
    found: dict[str, str | None] = dict.fromkeys(names)
    for place in reversed(path):  # what is imported is the first
        for record in Path(place).glob("*-info"):
            told = _RECORD.fullmatch(record.name)
            if told and (name := re.sub("[-_.]+", "-", told[1]).lower()) in found:
                found[name] = told[2]
    return found


def _python_version(folder: Path) -> str:
    """As a virtual environment's file says it; empty where that does not tell."""
    with suppress(OSError):
        for line in (folder / "pyvenv.cfg").read_text(errors="replace").splitlines():
            key, _, value = line.partition("=")
            if key.strip() in ("version", "version_info"):
                return value.strip()
    return ""
