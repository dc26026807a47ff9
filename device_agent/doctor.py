"""What a device tells of itself before it is used: facts, read from files; what they mean the host decides."""

import os
import sys
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from device_agent.backend_table import BACKENDS, packages_of
from device_agent.disk import room_at
from device_agent.environments import missing_packages, python_of, runtime_of
from device_agent.leftovers import leftovers
from device_agent.machine import this_machine
from device_agent.messages.doctor import LOADING_S, BackendFound, Leftovers, PackageTried, Readiness, Volume
from device_agent.packages import IN_ENVIRONMENT
from device_agent.probe import board_facts

_LAST_WORDS = 400


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
    """The file system that holds a folder, and what may be done there."""
    no_exec = bool(os.statvfs(root).f_flag & getattr(os, "ST_NOEXEC", 0))  # Linux
    return Volume(str(root), room_at(root), no_exec, os.access(root, os.W_OK | os.X_OK))


def try_package(root: Path, backend: str, package: str, patience_s: float) -> PackageTried:
    """See `Doctor.try_package`; an import may take `patience_s`."""
    from device_agent.loading import load  # here: a push asks for the readiness alone, and waits for the agent's start

    python = python_of(root, backend)
    try:
        done = load(python, package, root, patience_s)
    except OSError as error:
        return PackageTried(backend, package, None, 127, f"{python}: {error.strerror}")
    words = done.said[-_LAST_WORDS:] if done.exit_code else ""
    return PackageTried(backend, package, done.version, done.exit_code, words)


def _found(root: Path, backend: str) -> BackendFound:
    serving = _serving(root, backend)
    runtime, python, needed = runtime_of(root, serving), python_of(root, serving), packages_of(backend)
    packages = {name: runtime.packages.get(name) for name in needed}
    dead = runtime.environment is None and os.path.lexists(root / "environments" / backend)
    missing = missing_packages(root, serving, needed)
    return BackendFound(replace(runtime, backend=backend, packages=packages), python, missing, dead)


def _serving(root: Path, backend: str) -> str:
    """The backend whose environment runs this one: its own, or for one that computes nothing any that there is."""
    others = () if BACKENDS[backend].computes else BACKENDS
    return next((name for name in others if runtime_of(root, name).environment is not None), backend)


def _is_marked(stdlib: Path) -> bool:
    return (stdlib / "EXTERNALLY-MANAGED").is_file()
