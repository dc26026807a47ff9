"""The Python that runs a backend on this device, and what it has: asked of its files, without starting it.

`environments/<backend>` below the root is the virtual environment that was provisioned for the backend. Where there is
none, the agent's own Python serves.
"""

import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.machinery import PathFinder
from pathlib import Path

from device_agent.backend_table import backends_for, packages_of
from device_agent.manifest import Format
from device_agent.messages.doctor import Runtime

_ENVIRONMENTS = "environments"
_RECORD = re.compile(r"(.+?)-([^-]+)(?:-py[0-9.]+)?\.(?:dist|egg)-info")  # name and version


def python_of(root: Path, backend: str) -> str:
    """The Python to start for a backend."""
    provisioned = _provisioned(root, backend)
    return str(provisioned) if provisioned.exists() else sys.executable


def runtime_of(root: Path, backend: str) -> Runtime:
    """What would run it now."""
    folder = root / _ENVIRONMENTS / backend
    versions = _versions(packages_of(backend), _path(root, backend))
    if not _provisioned(root, backend).exists():
        return Runtime(backend, None, sys.version.split()[0], versions)
    return Runtime(backend, folder.resolve().name, _python_version(folder), versions)


def missing_packages(root: Path, backend: str, needed: Sequence[str]) -> tuple[str, ...]:
    """Which of these the Python that would run a backend has not."""
    path = _path(root, backend)
    # By what it is imported as, too: some builds go by another name.
    return tuple(
        name
        for name, version in _versions(needed, path).items()
        if version is None and PathFinder.find_spec(name, path) is None
    )


def serving(root: Path, format: Format, *, native: bool) -> str:
    """The backend that tries artifacts here: the first that runs them and was provisioned or has its packages in the
    agent's own Python, else the usual one.
    """
    able = backends_for(format, native=native)
    return next((name for name in able if _is_here(root, name)), able[0])


def _is_here(root: Path, backend: str) -> bool:
    return _provisioned(root, backend).exists() or not missing_packages(root, backend, packages_of(backend))


def _provisioned(root: Path, backend: str) -> Path:
    return root / _ENVIRONMENTS / backend / "bin" / "python"


def _path(root: Path, backend: str) -> list[str]:
    """Where a backend's Python looks for packages."""
    if not _provisioned(root, backend).exists():
        return sys.path
    return [str(path) for path in (root / _ENVIRONMENTS / backend).glob("lib/python3*/site-packages")]


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
