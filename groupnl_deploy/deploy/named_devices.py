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


def one_device(command: str, names: Sequence[str]) -> Device:
    """The device of a command that takes one. Raises `UsageError` where several were named."""
    several = tuple(dict.fromkeys(names))
    if len(several) > 1:
        raise UsageError(
            f"{command} takes one device, and {len(several)} were named: {', '.join(several)}.",
            f"Run it once for each: {command_line(*command.split(), '--device', several[0])}",
        )
    return get_device(several[0])


def _require_known(names: Sequence[str], groups: Sequence[str]) -> None:
    devices, known_groups = [device.name for device in load_devices()], list(load_groups())
    strange = [name for name in dict.fromkeys(names) if name not in devices]
    strange_groups = [group for group in dict.fromkeys(groups) if group not in known_groups]
    hints = list(_hints(strange, devices, strange_groups, known_groups))
    if hints or len(strange) + len(strange_groups) > 1:
        unknown = [*_unknown("device", strange, devices), *_unknown("group", strange_groups, known_groups)]
        ways = (
            "`groupnl device add NAME --host HOST` adds a device, `groupnl device group NAME DEVICE …` makes a group."
        )
        raise UsageError(" ".join(unknown), " ".join(hints) or ways)
    for name in strange:
        get_device(name)
    for group in strange_groups:
        group_devices(group)


def _hints(
    names: Sequence[str], devices: Sequence[str], groups: Sequence[str], known_groups: Sequence[str]
) -> Iterator[str]:
    """What was meant, where that can be told."""
    for option, others, strange, known, mistaken_for in (
        ("--device", "--group", names, devices, known_groups),
        ("--group", "--device", groups, known_groups, devices),
    ):
        for name in strange:
            parts = [part.strip() for part in name.split(",") if part.strip()]
            if len(parts) > 1:
                meant = (others if part in mistaken_for and part not in known else option for part in parts)
                options = " ".join(f"{word} {part}" for word, part in zip(meant, parts, strict=True))
                yield f"Give each its own option: {options}."
            elif name in mistaken_for:
                yield f"“{name}” is a {others.removeprefix('--')}: {others} {name}."


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
