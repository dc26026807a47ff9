"""A backend's environment on this device: built aside, checked in a child, then switched to by one rename.

Below the root::

    environments/<backend>           a symlink to the one in use; absent, or an environment whose packages load
    environments/<backend>-<…>/      an environment of its own, which no later one touches
    incoming/<sha256>/               the wheels, while they are sent; a later try goes on from there
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from device_agent import durable
from device_agent.backend_table import packages_of
from device_agent.disk import require_room
from device_agent.environment_build import NotProvisioned, install, make_environment, require_loads
from device_agent.errors import UPDATE_BOTH, BadRequest, DigestMismatch
from device_agent.lock import DeviceLock
from device_agent.messages.provision import (
    Building,
    EnvironmentBuilt,
    EnvironmentOpened,
    OpenEnvironment,
    SendWheel,
)
from device_agent.messages.push import Held, Mark
from device_agent.parts import Part

_SET_FILE = "groupnl-requirements.txt"
_ROOM = 1.1  # of what the wheels unpack to: byte code and the file system's own needs


@dataclass
class _Opened:
    """An environment that is being made: what the host said of it, and its wheels as they come."""

    request: OpenEnvironment
    incoming: Path
    parts: dict[str, Part] = field(default_factory=dict)


class Provisioning:
    """The environments that one session makes, one at a time, each under the device's lock."""

    def __init__(self, root: Path, lock: DeviceLock) -> None:
        self._root, self._lock = root, lock
        self._environments = root / "environments"
        self._opened: _Opened | None = None

    def open(self, request: OpenEnvironment) -> EnvironmentOpened:
        """Remove what dead builds left, see that there is room, and tell what is here. Raises `NotProvisioned`."""
        self._lock.require_held("an environment")
        self._environments.mkdir(parents=True, exist_ok=True)
        self._sweep(request.backend)
        if self._is_in_use(request):
            return EnvironmentOpened(True)
        incoming = self._root / "incoming" / _digest(request.requirements)
        incoming.mkdir(parents=True, exist_ok=True)
        self._opened = _Opened(
            request, incoming, {file.name: Part(incoming / file.name, file) for file in request.wheels}
        )
        parts = self._opened.parts
        missing = (part.missing_bytes for part in parts.values())
        require_room(self._environments, [*missing, int(_ROOM * (request.unpacked_bytes or 0))])
        held = tuple(Held(name, part.marks) for name, part in parts.items() if part.marks)
        return EnvironmentOpened(False, held)

    def receive(self, request: SendWheel, pieces: Iterable[bytes]) -> None:
        """Take in a wheel of the open environment."""
        opened = self._open()
        if request.name not in opened.parts:
            raise BadRequest(f"The open environment has no wheel {request.name!r} to be sent.", UPDATE_BOTH)
        opened.parts[request.name].receive(request.offset_bytes, pieces)

    def build(self, tell: Callable[[Building], None]) -> EnvironmentBuilt:
        """Make it aside, check it, switch to it; then the one before it and the wheels go. Raises `NotProvisioned`."""
        opened = self._open()
        request = opened.request
        self._require_arrived(opened)
        folder = self._environments / f"{request.backend}-{_digest(request.requirements)[:16]}-{secrets.token_hex(4)}"
        try:
            versions = self._fill(folder, opened, tell)
            os.sync()  # some ten thousand files, each of which must be on the disk before the link is
            self._switch(request.backend, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._opened = None
        self._sweep(request.backend)
        shutil.rmtree(opened.incoming, ignore_errors=True)
        return EnvironmentBuilt(str(self._environments / request.backend / "bin" / "python"), versions)

    def _fill(self, folder: Path, opened: _Opened, tell: Callable[[Building], None]) -> dict[str, str]:
        tell(Building("making the environment"))
        python = make_environment(folder)
        listed = folder / _SET_FILE
        listed.write_text(opened.request.requirements)
        wheels = opened.request.wheels
        tell(Building("installing the wheels" if wheels else "downloading and installing the wheels"))
        pip = opened.incoming / wheels[-1].name if wheels else None
        install(python, listed, opened.incoming if wheels else None, pip)
        versions = {}
        for name in packages_of(opened.request.backend):
            tell(Building(f"loading {name}"))
            versions[name] = require_loads(python, name)
        return versions

    def _switch(self, backend: str, folder: Path) -> None:
        link = self._environments / f".{backend}.{secrets.token_hex(6)}"
        link.symlink_to(folder.name)
        link.replace(self._environments / backend)
        durable.flush(self._environments)

    def _is_in_use(self, request: OpenEnvironment) -> bool:
        """Whether the backend's environment is of this very set, and loads."""
        link = self._environments / request.backend
        try:
            if (link / _SET_FILE).read_text() != request.requirements:
                return False
            for name in packages_of(request.backend):
                require_loads(link / "bin" / "python", name)
        except (OSError, NotProvisioned):
            return False
        return True

    def _sweep(self, backend: str) -> None:
        """Remove every environment of the backend but the one in use; nobody builds one, for the lock is held."""
        link = self._environments / backend
        used = link.resolve()
        for path in (*self._environments.glob(f"{backend}-*"), *self._environments.glob(f".{backend}.*")):
            if path.is_symlink():
                path.unlink()
            elif path.resolve() != used:
                shutil.rmtree(path, ignore_errors=True)

    def _require_arrived(self, opened: _Opened) -> None:
        """Raise `DigestMismatch` unless every wheel is here as it was announced; pip asks after all but its own."""
        for file in opened.request.wheels:
            if Mark(file.bytes, file.sha256) not in Part(opened.incoming / file.name, file).marks:
                raise DigestMismatch(f"{file.name} is not on the device as it was announced.", "Provision again.")

    def _open(self) -> _Opened:
        self._lock.require_held("an environment")
        if self._opened is None:
            raise BadRequest("No environment is open.", UPDATE_BOTH)
        return self._opened


def _digest(requirements: str) -> str:
    return hashlib.sha256(requirements.encode()).hexdigest()
