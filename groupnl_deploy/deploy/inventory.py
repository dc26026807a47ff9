"""The devices a user has named, and where they are remembered: `devices.json` in the configuration folder.

The device `local` needs no entry: it is this machine, driven through the same wire protocol as a board.
"""

import difflib
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from device_agent.strict import StrictError, from_json, to_json
from groupnl_deploy.errors import UsageError
from groupnl_deploy.places import config_dir, data_dir
from groupnl_deploy.remote.device import Device
from groupnl_deploy.workspace import write_atomically

SCHEMA_VERSION = 1
LOCAL = "local"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Inventory:
    """The whole file."""

    schema_version: int
    devices: tuple[Device, ...]


def devices_file() -> Path:
    """The file that remembers the devices."""
    return config_dir() / "devices.json"


def local_device() -> Device:
    """This machine, as a device: this very Python, and a root of its own in the data folder."""
    root = str((data_dir() / "local-device").absolute())
    return Device(LOCAL, "local", python=sys.executable, root=root)


def load_devices() -> tuple[Device, ...]:
    """Every device, `local` first."""
    return (local_device(), *_stored())


def get_device(name: str) -> Device:
    """The device of that name; an unknown name is a `UsageError` that names the known and the nearest."""
    devices = {device.name: device for device in load_devices()}
    if name in devices:
        return devices[name]
    raise _unknown(name, devices)


def add_device(device: Device) -> Device:
    """Remember a new SSH device; returns it as it was stored."""
    problem = _problem(device)
    if problem:
        raise UsageError(f"The device “{device.name}” cannot be added: {problem}.", "See `groupnl device add --help`.")
    if device.identity and not device.identity.startswith("~"):
        device = replace(device, identity=str(Path(device.identity).absolute()))
    # Commands start in the home folder there; a tilde would reach them as a plain letter.
    device = replace(device, python=device.python.removeprefix("~/"))
    stored = _stored()
    if any(known.name == device.name for known in stored):
        raise UsageError(
            f"There is already a device named “{device.name}”.",
            f"Take another name, or first run `groupnl device remove {device.name}`.",
        )
    _store((*stored, device))
    return device


def remove_device(name: str) -> None:
    """Forget a device. Nothing on the device itself is touched."""
    stored = _stored()
    if name == LOCAL:
        raise UsageError("The device “local” is this machine and cannot be removed.", "Remove another device, or none.")
    if all(device.name != name for device in stored):
        raise _unknown(name, (LOCAL, *(device.name for device in stored)))
    _store(tuple(device for device in stored if device.name != name))


def _stored() -> tuple[Device, ...]:
    file = devices_file()
    try:
        inventory = from_json(Inventory, file.read_bytes(), str(file))
    except FileNotFoundError:
        return ()
    except (StrictError, OSError) as error:
        raise _unreadable(file, str(error)) from error
    if inventory.schema_version != SCHEMA_VERSION:
        raise _unreadable(file, f"schema version {inventory.schema_version}, this groupnl reads {SCHEMA_VERSION}")
    names = [device.name for device in inventory.devices]
    for device in inventory.devices:
        problem = _problem(device) or ("it is there twice" if names.count(device.name) > 1 else None)
        if problem:
            raise _unreadable(file, f"device “{device.name}”: {problem}")
    return inventory.devices


def _store(devices: tuple[Device, ...]) -> None:
    write_atomically(devices_file(), to_json(Inventory(SCHEMA_VERSION, devices)).encode())


def _problem(device: Device) -> str | None:
    """Why this is no SSH device that we could store, if so."""
    checks = (
        (device.name == LOCAL, "that name is reserved for this machine"),
        (
            not _NAME.fullmatch(device.name),
            "a name has up to 64 letters, digits, dots, dashes and underscores and begins with a letter or digit",
        ),
        (device.transport == "local", "only SSH devices can be added"),
        (not device.host or not _is_word(device.host), f"{device.host!r} is not a host name"),
        (device.host is not None and "@" in device.host, "give the user apart from the host, with --user"),
        (device.user is not None and not _is_word(device.user), f"{device.user!r} is not a user name"),
        (device.port is not None and not 0 < device.port < 65536, f"{device.port} is not a port from 1 to 65535"),
        (not device.python.strip(), "its Python is empty"),
        (not device.root.strip(), "its root folder is empty"),
    )
    return next((text for wrong, text in checks if wrong), None)


def _is_word(text: str) -> bool:
    """Nothing that a command line would take for an option or for two words."""
    return bool(text) and not text.startswith("-") and not re.search(r"[\s\0]", text)


def _unknown(name: str, known: Iterable[str]) -> UsageError:
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean “{near[0]}”?" if near else ""
    return UsageError(
        f"There is no device “{name}”; the known ones are {', '.join(names)}.{hint}",
        f"Add it: `groupnl device add {name} --host HOST --user USER`.",
    )


def _unreadable(file: Path, why: str) -> UsageError:
    return UsageError(
        f"The list of devices {file} cannot be read: {why}.",
        "Repair it or move it away; then add the devices again with `groupnl device add`.",
    )
