"""`devices.json`: devices, what was found on each, and groups of them. Read strictly, changed under a lock, never half.

Schema 1, which had neither facts nor groups nor pinned keys, is read too, and becomes schema 2 at the next change.
"""

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from device_agent.strict import StrictError, from_json, to_json
from groupnl_deploy.errors import UsageError
from groupnl_deploy.places import config_dir
from groupnl_deploy.remote.device import Device
from groupnl_deploy.workspace import disk_errors, write_atomically

LOCAL = "local"
"""The name of this machine, which is no entry and may be a member of groups."""

NAME_RULE = "a name has up to 64 letters, digits, dots, dashes and underscores and begins with a letter or digit"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Folders that are not ours alone; whatever lies below the root in our folders' names is removed by a push.
_SHARED = {"", ".", "/", "..", "~"}


@dataclass(frozen=True)
class DeviceFacts:
    """What a device was when it was asked, `probed_at` (UTC, ISO 8601); null where it does not tell.

    `bits` are those of its Python. `disk_free_bytes` is of the disk that holds the device's root.
    """

    probed_at: str
    model: str | None
    system: str
    kernel: str
    machine: str
    bits: int
    libc: str | None
    libc_version: str | None
    python: str
    cores: int
    memory_total_bytes: int | None
    disk_free_bytes: int | None


@dataclass(frozen=True)
class Inventory:
    """The whole file. `facts` are by device; `groups` hold the names of their devices, each once."""

    devices: tuple[Device, ...] = ()
    facts: dict[str, DeviceFacts] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    schema_version: int = 2


@dataclass(frozen=True)
class _Inventory1:
    """Schema 1, whose one transport is the choice that schema 2 calls "auto"."""

    devices: tuple[Device, ...] = ()
    schema_version: int = 1

    def upgraded(self) -> Inventory:
        return Inventory(
            tuple(replace(one, transport="auto") if one.transport == "ssh" else one for one in self.devices)
        )


def devices_file() -> Path:
    """Where it is."""
    return config_dir() / "devices.json"


def read_inventory() -> Inventory:
    """What the file says; nothing where there is none. Raises `UsageError` for one that cannot be read."""
    file = devices_file()
    try:
        inventory = _parse(file.read_bytes(), str(file))
    except FileNotFoundError:
        return Inventory()
    except (StrictError, OSError) as error:
        raise _unreadable(file, str(error)) from error
    if (problem := _problem(inventory)) is not None:
        raise _unreadable(file, problem)
    return inventory


def change_inventory(step: Callable[[Inventory], Inventory]) -> None:
    """Read, change, write, while no other process of this user does; what `step` raises changes nothing."""
    with _alone():
        write_atomically(devices_file(), to_json(step(read_inventory())).encode())


def is_name(text: str) -> bool:
    """Whether a device or a group can be called so."""
    return _NAME.fullmatch(text) is not None


def device_problem(device: Device) -> str | None:
    """Why this is no SSH device that can be stored, if so."""
    checks = (
        (device.name == LOCAL, "that name is reserved for this machine"),
        (not is_name(device.name), NAME_RULE),
        (device.transport == "local", "only SSH devices can be added"),
        (not device.host or not _is_word(device.host), f"{device.host!r} is not a host name"),
        (device.host is not None and "@" in device.host, "give the user apart from the host, with --user"),
        (device.user is not None and not _is_word(device.user), f"{device.user!r} is not a user name"),
        (device.port is not None and not 0 < device.port < 65536, f"{device.port} is not a port from 1 to 65535"),
        (not device.python.strip(), "its Python is empty"),
        (not device.root.strip(), "its root folder is empty"),
        (device.root.rstrip("/") in _SHARED, f"its root {device.root!r} is no folder of groupnl's own"),
        (not device.root.isprintable(), f"its root {device.root!r} has characters that cannot be printed"),
    )
    return next((text for wrong, text in checks if wrong), None)


def _parse(data: bytes, where: str) -> Inventory:
    head: object = None
    with suppress(ValueError, RecursionError):  # said below
        head = json.loads(data)
    if isinstance(head, dict) and head.get("schema_version") == 1:
        return from_json(_Inventory1, data, where).upgraded()
    return from_json(Inventory, data, where)


def _problem(inventory: Inventory) -> str | None:
    names = [device.name for device in inventory.devices]
    for device in inventory.devices:
        problem = device_problem(device) or ("it is there twice" if names.count(device.name) > 1 else None)
        if problem:
            return f"device “{device.name}”: {problem}"
    known = {LOCAL, *names}
    for group, members in inventory.groups.items():
        if not is_name(group) or len(set(members)) < len(members):
            return f"group “{group}”: {NAME_RULE}, and each device once"
        if strangers := [name for name in members if name not in known]:
            return f"group “{group}”: there is no device “{strangers[0]}”"
    if strangers := sorted(set(inventory.facts) - known):
        return f"facts of “{strangers[0]}”: there is no such device"
    return None


def _is_word(text: str) -> bool:
    """Nothing that a command line would take for an option or for two words."""
    return bool(text) and not text.startswith("-") and not re.search(r"[\s\0]", text)


@contextmanager
def _alone() -> Iterator[None]:
    """The folder itself is locked, so that no lock file lies beside the devices."""
    folder = devices_file().parent
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks: then two that add at once may lose one
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _unreadable(file: Path, why: str) -> UsageError:
    return UsageError(
        f"The list of devices {file} cannot be read: {why}.",
        "Repair it or move it away; then add the devices again with `groupnl device add`.",
    )
