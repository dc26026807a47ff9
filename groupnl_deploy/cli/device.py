"""`groupnl device`: the boards by name."""

from typing import Annotated, Any

import typer

from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.device_add import add
from groupnl_deploy.cli.device_artifacts import artifacts, prune, rollback
from groupnl_deploy.cli.device_doctor import doctor
from groupnl_deploy.cli.device_groups import group
from groupnl_deploy.cli.device_native import native
from groupnl_deploy.cli.device_provision import provision, wheelhouse
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import Json
from groupnl_deploy.deploy.inventory import facts_of, get_device, load_devices, load_groups, remove_device
from groupnl_deploy.deploy.pinning import pinned_fingerprint
from groupnl_deploy.remote.device import Device

app = typer.Typer(no_args_is_help=True, help="Devices: the boards you deploy to. `local` is this machine.")

app.command("add")(add)
app.command("group")(group)
app.command("doctor")(doctor)
app.command("provision")(provision)
app.command("wheelhouse")(wheelhouse)
app.command("artifacts")(artifacts)
app.command("rollback")(rollback)
app.command("prune")(prune)
app.command("native")(native)


@app.command("list")
@guarded
def list_(json: Json = False) -> None:
    """List the devices and their groups. Example: groupnl device list"""
    devices, groups = load_devices(), load_groups()
    if json:
        shown = [_with_the_rest(device) for device in devices]
        console.show_json({"schema_version": 1, "devices": shown, "groups": groups})
        return
    headings = [
        (heading, False) for heading in ("Name", "Transport", "Host", "User", "Port", "Python", "Groups", "Board")
    ]
    rows = [
        (
            item.name,
            item.transport,
            item.host or "–",
            item.user or "–",
            str(item.port or "–"),
            item.python,
            ", ".join(group for group, members in groups.items() if item.name in members) or "–",
            "–" if (facts := facts_of(item.name)) is None else facts.model or facts.machine,
        )
        for item in devices
    ]
    console.show_records(headings, rows)


@app.command("show")
@guarded
def show(name: Annotated[str, typer.Argument(help="A name from `groupnl device list`.")], json: Json = False) -> None:
    """Show one device's settings, and what was found on it when it was asked last. Example: groupnl device show pi"""
    shown = _with_the_rest(get_device(name))
    if json:
        console.show_json({"schema_version": 1, "device": shown})
        return
    facts = shown.pop("facts") or {}
    shown["groups"] = ", ".join(shown["groups"]) or None
    shown["host_key"] = shown["host_key"] and pinned_fingerprint(shown["host_key"])
    found = {f"found: {key}": value for key, value in facts.items()}
    rows = [(key, "–" if value is None else str(value)) for key, value in {**shown, **found}.items()]
    console.show_table([("Setting", False), ("Value", False)], rows)


def _with_the_rest(device: Device) -> dict[str, Any]:
    """All that is remembered of a device."""
    groups = [group for group, members in load_groups().items() if device.name in members]
    return {**to_dict(device), "facts": to_dict(facts_of(device.name)), "groups": groups}


@app.command("remove")
@guarded
def remove(name: Annotated[str, typer.Argument(help="A name from `groupnl device list`.")]) -> None:
    """Forget a device; nothing on it is touched. Example: groupnl device remove pi"""
    remove_device(name)
    console.say(f"Removed “{name}”.")
