"""What a device tells of itself before it is used: facts, read from files; what they mean the host decides."""

import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from device_agent.environments import python_of, runtime_of
from device_agent.leftovers import leftovers
from device_agent.machine import this_machine
from device_agent.messages.doctor import LOADING_S, BackendFound, Leftovers, PackageTried, Readiness, Volume
from device_agent.packages import IN_ENVIRONMENT
from device_agent.probe import board_facts

_LAST_WORDS = 400
# The version on the last line: packages print what they like while they are imported.
_IMPORT = "import importlib,sys;m=importlib.import_module(sys.argv[1]);print();print(getattr(m,'__version__',''))"


@dataclass(frozen=True)
class Doctor:
    """Answers what a host asks before it uses a device. `root` is the folder that holds all that is ours."""

    root: Path

    def readiness(self, backends: Sequence[str]) -> Readiness:
        """Everything that costs next to nothing."""
        return Readiness(
            machine=this_machine(),
            board=board_facts(),
            volume=volume_of(self.root),
            backends=tuple(_found(self.root, backend) for backend in backends),
            python=sys.executable,
            in_environment=IN_ENVIRONMENT,
            pip_refused=not IN_ENVIRONMENT and _is_marked(Path(sysconfig.get_path("stdlib"))),
            clock_s=time.time(),
        )

    def try_package(self, backend: str, package: str) -> PackageTried:
        """Import a package by a backend's Python, in a process of its own: one that dies takes nothing else with it."""
        return try_package(self.root, backend, package, LOADING_S)

    def leftovers(self) -> Leftovers:
        """What others left, or are still at."""
        return leftovers(self.root)


def volume_of(root: Path) -> Volume:
    """The file system that holds a folder."""
    status = os.statvfs(root)
    place = root.resolve()
    return Volume(
        root=str(root),
        mount=str(next(folder for folder in (place, *place.parents) if folder.is_mount())),
        free_bytes=status.f_bavail * status.f_frsize,
        free_files=status.f_favail if status.f_files else None,
        read_only=bool(status.f_flag & os.ST_RDONLY),
        no_exec=bool(status.f_flag & getattr(os, "ST_NOEXEC", 0)),  # Linux
        writable=os.access(root, os.W_OK | os.X_OK),
    )


def try_package(root: Path, backend: str, package: str, patience_s: float) -> PackageTried:
    """See `Doctor.try_package`; an import may take `patience_s`."""
    # -P: the folder that we stand in has no packages.
    command = [python_of(root, backend), "-P", "-c", _IMPORT, package]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=patience_s, cwd=root
        )
    except subprocess.TimeoutExpired:
        return PackageTried(backend, package, None, None, "")
    except OSError as error:
        return PackageTried(backend, package, None, 127, f"{command[0]}: {error.strerror}")
    code = 128 - done.returncode if done.returncode < 0 else done.returncode
    said = done.stdout.decode(errors="replace").splitlines()
    words = done.stderr.decode(errors="replace").strip()
    return PackageTried(
        backend, package, (said[-1] or None) if said and not code else None, code, words[-_LAST_WORDS:] if code else ""
    )


def _found(root: Path, backend: str) -> BackendFound:
    runtime, python = runtime_of(root, backend), python_of(root, backend)
    own = runtime.environment is None
    path = sys.path if own else [str(site) for site in Path(python).parents[1].glob("lib/python3*/site-packages")]
    # By what it is imported as, too: some builds go by another name.
    missing = (
        name
        for name, version in runtime.packages.items()
        if version is None and PathFinder.find_spec(name, path) is None
    )
    dead = own and os.path.lexists(root / "environments" / backend)
    return BackendFound(runtime, python, tuple(missing), dead)


def _is_marked(stdlib: Path) -> bool:
    return (stdlib / "EXTERNALLY-MANAGED").is_file()
