"""The devices that a command names: one by one, and by groups of them."""

from collections.abc import Iterator, Sequence

from groupnl_deploy.deploy.inventory import get_device, group_devices, load_devices, load_groups
from groupnl_deploy.errors import UsageError
from groupnl_deploy.remote.device import Device
from groupnl_deploy.words import command_line, nearest_word


def named_devices(names: Sequence[str], groups: Sequence[str]) -> tuple[Device, ...]:
    """Each device once, in the order in which it was first named.

    Raises `UsageError` where nothing was named, or that has no device; one for all names that nobody knows.
    """
    if not names and not groups:
        raise UsageError(
            "No device was named.",
            "Name some with --device NAME, or a group of them with --group NAME; `groupnl device list` shows both.",
        )
    _require_known(names, groups)
    members = [device for group in groups for device in _members(group)]
    return tuple({device.name: device for device in [*map(get_device, names), *members]}.values())


def _require_known(names: Sequence[str], groups: Sequence[str]) -> None:
    known_devices, known_groups = [device.name for device in load_devices()], list(load_groups())
    strange = [name for name in dict.fromkeys(names) if name not in known_devices]
    strange_groups = [group for group in dict.fromkeys(groups) if group not in known_groups]
    if len(strange) + len(strange_groups) > 1:
        unknown = [*_unknown("device", strange, known_devices), *_unknown("group", strange_groups, known_groups)]
        raise UsageError(
            " ".join(unknown), "`groupnl device add NAME --host HOST` adds one, `groupnl device group` makes a group."
        )
    for name in strange:
        get_device(name)
    for group in strange_groups:
        group_devices(group)


def _unknown(kind: str, strange: Sequence[str], known: Sequence[str]) -> Iterator[str]:
    """A sentence for all of a kind that nobody knows."""
    if strange:
        names = " and no ".join(f"“{name}”" for name in strange)
        near = dict.fromkeys(f"“{one}”" for name in strange if (one := nearest_word(name, known)))
        meant = f" (did you mean {', '.join(near)}?)" if near else ""
        yield f"There is no {kind} {names}{meant}; known are {', '.join(known) or 'none'}."


def _members(group: str) -> tuple[Device, ...]:
    members = group_devices(group)
    if not members:
        raise UsageError(
            f"The group “{group}” has no device.",
            f"Put some into it: {command_line('device', 'group', group, 'NAME')}",
        )
    return members
