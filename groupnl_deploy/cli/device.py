"""`groupnl device`: the boards by name."""

from typing import Annotated

import typer

from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import Json
from groupnl_deploy.deploy.inventory import add_device, get_device, load_devices, remove_device
from groupnl_deploy.remote.device import Device
from groupnl_deploy.words import command_line

app = typer.Typer(no_args_is_help=True, help="Devices: the boards you deploy to. `local` is this machine.")


@app.command("add")
@guarded
def add(
    name: Annotated[str, typer.Argument(help="What you will call it, such as pi.")],
    host: Annotated[str, typer.Option(help="Host name, address, or an alias of ~/.ssh/config.")],
    user: Annotated[str | None, typer.Option(help="User there; else ~/.ssh/config's, else yours.")] = None,
    port: Annotated[int | None, typer.Option(help="SSH port; else ~/.ssh/config's, else 22.")] = None,
    identity: Annotated[str | None, typer.Option(help="Private key file; else ssh-agent and the usual keys.")] = None,
    python: Annotated[str, typer.Option(help="Python on the device, best that of a virtual environment.")] = "python3",
    json: Json = False,
) -> None:
    """Remember a device.

    Example: groupnl device add pi --host raspberrypi.local --user pi --python /home/pi/.groupnl-venv/bin/python
    """
    device = add_device(Device(name, "ssh", host=host, user=user, port=port, identity=identity, python=python))
    console.say(f"Added “{name}”. Next: {command_line('push', 'ARTIFACT', '--device', name)}")
    if json:
        console.show_json({"schema_version": 1, "device": to_dict(device)})


@app.command("list")
@guarded
def list_(json: Json = False) -> None:
    """List the devices. Example: groupnl device list"""
    devices = load_devices()
    if json:
        console.show_json({"schema_version": 1, "devices": [to_dict(device) for device in devices]})
        return
    headings = [(heading, False) for heading in ("Name", "Transport", "Host", "User", "Port", "Python")]
    rows = [
        (item.name, item.transport, item.host or "–", item.user or "–", str(item.port or "–"), item.python)
        for item in devices
    ]
    console.show_records(headings, rows)


@app.command("show")
@guarded
def show(name: Annotated[str, typer.Argument(help="A name from `groupnl device list`.")], json: Json = False) -> None:
    """Show one device's settings. Example: groupnl device show pi"""
    device = to_dict(get_device(name))
    if json:
        console.show_json({"schema_version": 1, "device": device})
        return
    rows = [(key, "–" if value is None else str(value)) for key, value in device.items()]
    console.show_table([("Setting", False), ("Value", False)], rows)


@app.command("native")
@guarded
def native(
    name: Annotated[str, typer.Argument(help="A name from `groupnl device list`.")],
    artifact: Annotated[
        str | None, typer.Argument(help="The first digits of an artifact's id; else the newest with native operators.")
    ] = None,
    json: Json = False,
) -> None:
    """Show where a pushed model and its native library lie, and ten lines of Python that run them there.

    Example: groupnl device native pi
    """
    device = get_device(name)
    from groupnl_deploy.deploy.native_paths import native_paths
    from groupnl_deploy.remote.agent import open_agent
    from groupnl_deploy.remote.connect import connect

    with connect(device) as transport, open_agent(transport) as agent:
        found = native_paths(device.name, agent, artifact)
    if json:
        console.show_json({"schema_version": 1, "native": {**to_dict(found), "program": found.program}})
        return
    console.say(f"{found.label}, {found.artifact_sha256[:12]}, on {name}:")
    console.show_text(f"model    {found.model}\nlibrary  {found.library}\n\n{found.program.rstrip()}")


@app.command("remove")
@guarded
def remove(name: Annotated[str, typer.Argument(help="A name from `groupnl device list`.")]) -> None:
    """Forget a device; nothing on it is touched. Example: groupnl device remove pi"""
    remove_device(name)
    console.say(f"Removed “{name}”.")
