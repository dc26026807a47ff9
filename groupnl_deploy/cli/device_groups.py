"""`groupnl device group`: devices that are pushed to together."""

from typing import Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import Json
from groupnl_deploy.deploy.inventory import add_to_group, load_groups, remove_from_group
from groupnl_deploy.errors import UsageError
from groupnl_deploy.words import command_line


@guarded
def group(
    name: Annotated[str, typer.Argument(help="What the group is called, such as lab.")],
    devices: Annotated[list[str] | None, typer.Argument(metavar="[DEVICE]...", help="Names of devices.")] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take them out; all of them, and so the group, where none is named.")
    ] = False,
    json: Json = False,
) -> None:
    """Put devices into a group, or take them out.

    Example: groupnl device group lab pi pi2

    Example: groupnl device group lab pi2 --remove
    """
    if remove:
        remove_from_group(name, devices or [])
    elif devices:
        add_to_group(name, devices)
    else:
        raise UsageError("No device was named.", f"Name some: {command_line('device', 'group', name, 'DEVICE')}")
    members = load_groups().get(name, ())
    console.say(f"In {name}: {', '.join(members)}." if members else f"There is no group {name} any more.")
    if json:
        console.show_json({"schema_version": 1, "group": name, "devices": list(members)})
