"""The devices a user has named, and groups of them.

The device `local` needs no entry: it is this machine, driven through the same wire protocol as a board.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from groupnl_deploy.deploy.devices_file import (
    LOCAL,
    NAME_RULE,
    DeviceFacts,
    Inventory,
    change_inventory,
    device_problem,
    is_name,
    read_inventory,
)
from groupnl_deploy.errors import UsageError
from groupnl_deploy.places import data_dir
from groupnl_deploy.remote.device import Device
from groupnl_deploy.words import command_line, nearest_word


def local_device() -> Device:
    """This machine, as a device: this very Python, and a root of its own in the data folder."""
    root = str((data_dir() / "local-device").absolute())
    return Device(LOCAL, "local", python=sys.executable, root=root)


def load_devices() -> tuple[Device, ...]:
    """Every device, `local` first."""
    return (local_device(), *read_inventory().devices)


def get_device(name: str) -> Device:
    """The device of that name; an unknown name is a `UsageError` that names the known and the nearest."""
    devices = {device.name: device for device in load_devices()}
    if name in devices:
        return devices[name]
    if (members := load_groups().get(name)) is not None:
        raise _a_group(name, members)
    raise _unknown_device(name, devices)


def new_device(device: Device) -> Device:
    """The device as it will be stored. Raises `UsageError` for what is none, or a name that is taken."""
    problem = device_problem(device)
    if problem:
        raise UsageError(f"The device “{device.name}” cannot be added: {problem}.", "See `groupnl device add --help`.")
    _require_free(device.name, read_inventory())
    if device.identity and not device.identity.startswith("~"):
        device = replace(device, identity=str(Path(device.identity).absolute()))
    # Commands start in the home folder there; a tilde would reach them as a plain letter.
    return replace(device, python=device.python.removeprefix("~/"), root=device.root.removeprefix("~/"))


def add_device(device: Device, facts: DeviceFacts | None = None, groups: Sequence[str] = ()) -> Device:
    """Remember a new SSH device, with what was found on it, as a member of groups; returns it as it was stored."""
    device = new_device(device)

    def step(inventory: Inventory) -> Inventory:
        _require_free(device.name, inventory)
        found = {} if facts is None else {device.name: facts}
        inventory = replace(inventory, devices=(*inventory.devices, device), facts={**inventory.facts, **found})
        for group in groups:
            inventory = _with_members(inventory, group, (device.name,))
        return inventory

    change_inventory(step)
    return device


def remove_device(name: str) -> None:
    """Forget a device, also as a member of groups. Nothing on the device itself is touched."""
    if name == LOCAL:
        raise UsageError("The device “local” is this machine and cannot be removed.", "Remove another device, or none.")

    def step(inventory: Inventory) -> Inventory:
        if all(device.name != name for device in inventory.devices):
            raise _unknown_device(name, (LOCAL, *(device.name for device in inventory.devices)))
        for group in inventory.groups:
            inventory = _without_members(inventory, group, (name,))
        return replace(
            inventory,
            devices=tuple(device for device in inventory.devices if device.name != name),
            facts={device: facts for device, facts in inventory.facts.items() if device != name},
        )

    change_inventory(step)


def facts_of(name: str) -> DeviceFacts | None:
    """What was found on a device when it was asked last; None where nobody has asked yet."""
    return read_inventory().facts.get(name)


def keep_facts(name: str, facts: DeviceFacts) -> None:
    """Remember what was found on a device just now."""
    change_inventory(lambda inventory: replace(inventory, facts={**inventory.facts, name: facts}))


def load_groups() -> dict[str, tuple[str, ...]]:
    """The names of each group's devices."""
    return dict(read_inventory().groups)


def group_devices(group: str) -> tuple[Device, ...]:
    """The devices of a group. Raises `UsageError` for one that there is not."""
    groups = load_groups()
    if group in groups:
        return tuple(get_device(name) for name in groups[group])
    near = nearest_word(group, groups)
    raise UsageError(
        f"There is no group “{group}”; known are {', '.join(groups) or 'none'}.",
        f"Did you mean “{near}”?" if near else f"Make it: {command_line('device', 'group', group, 'NAME')}",
    )


def add_to_group(group: str, names: Sequence[str]) -> None:
    """Make devices members of a group, which need not exist yet."""
    for name in names:
        get_device(name)
    change_inventory(lambda inventory: _with_members(inventory, group, names))


def remove_from_group(group: str, names: Sequence[str]) -> None:
    """Take devices out of a group, all of them where none is named; a group of none is gone."""
    members = [device.name for device in group_devices(group)]
    if strangers := [name for name in names if name not in members]:
        raise UsageError(
            f"“{strangers[0]}” is not in the group “{group}”; in it are {', '.join(members)}.", "Name one of these."
        )
    change_inventory(lambda inventory: _without_members(inventory, group, names or members))


def require_group_name(group: str) -> None:
    """Raise `UsageError` for a name that no group can have."""
    if not is_name(group):
        raise UsageError(f"A group cannot be called “{group}”: {NAME_RULE}.", "Choose another name.")


def _with_members(inventory: Inventory, group: str, names: Sequence[str]) -> Inventory:
    require_group_name(group)
    members = tuple(dict.fromkeys([*inventory.groups.get(group, ()), *names]))
    return replace(inventory, groups={**inventory.groups, group: members})


def _without_members(inventory: Inventory, group: str, names: Sequence[str]) -> Inventory:
    left = tuple(name for name in inventory.groups.get(group, ()) if name not in names)
    others = {other: members for other, members in inventory.groups.items() if other != group}
    return replace(inventory, groups={**others, group: left} if left else others)


def _require_free(name: str, inventory: Inventory) -> None:
    if any(known.name == name for known in inventory.devices):
        raise UsageError(
            f"There is already a device named “{name}”.",
            f"Take another name, or first run `{command_line('device', 'remove', name)}`.",
        )


def _a_group(name: str, members: Sequence[str]) -> UsageError:
    return UsageError(
        f"“{name}” is a group, and one device is wanted here.",
        f"Name one of its devices: {', '.join(members)}." if members else "Name a device; the group has none.",
    )


def _unknown_device(name: str, known: Iterable[str]) -> UsageError:
    names = list(known)
    near = nearest_word(name, names)
    hint = f" Did you mean “{near}”?" if near else ""
    return UsageError(
        f"There is no device “{name}”; the known ones are {', '.join(names)}.{hint}",
        f"Add it: `groupnl device add {name} --host HOST --user USER`.",
    )
