"""`groupnl device add`: a board by name, its host key shown and pinned, what it is kept."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from device_agent.sizes import size_text
from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import Json
from groupnl_deploy.deploy.devices_file import DeviceFacts
from groupnl_deploy.deploy.given_host import given_host
from groupnl_deploy.deploy.inventory import add_device
from groupnl_deploy.deploy.pinning import Confirm, Question
from groupnl_deploy.errors import GroupNLError, UsageError
from groupnl_deploy.remote.device import Device, TransportWord
from groupnl_deploy.words import command_line, known_word

_TRANSPORTS: tuple[TransportWord, ...] = ("auto", "ssh", "openssh")


@guarded
def add(
    name: Annotated[str, typer.Argument(help="What you will call it, such as pi.")],
    host: Annotated[str, typer.Option(help="Host name, address, USER@HOST:PORT, or an alias of ~/.ssh/config.")],
    user: Annotated[str | None, typer.Option(help="User there; else ~/.ssh/config's, else yours.")] = None,
    port: Annotated[int | None, typer.Option(help="SSH port; else ~/.ssh/config's, else 22.")] = None,
    identity: Annotated[str | None, typer.Option(help="Private key file; else ssh-agent and the usual keys.")] = None,
    python: Annotated[str, typer.Option(help="Python on the device, 3.11 or newer.")] = "python3",
    root: Annotated[
        str, typer.Option(metavar="DIR", help="The folder there that will hold all that is ours.")
    ] = Device.root,
    transport: Annotated[
        str, typer.Option(help="ssh (built in), openssh (the system's client), or auto: what the host asks for.")
    ] = "auto",
    fingerprint: Annotated[
        str | None, typer.Option(metavar="SHA256:…", help="Its host key, as you know it; then nobody is asked.")
    ] = None,
    group: Annotated[list[str] | None, typer.Option(help="A group it joins; may be given again.")] = None,
    no_probe: Annotated[
        bool, typer.Option("--no-probe", help="Do not reach it: for a board that is off. No key is pinned.")
    ] = False,
    json: Json = False,
) -> None:
    """Remember a device: its host key is shown, compared and pinned, and the board asked what it is.

    A key that known_hosts has already is simply taken. Without a terminal, an unknown key needs --fingerprint.

    Example: groupnl device add pi --host raspberrypi.local --user pi
    """
    given = given_host(host, user, port)
    device = Device(
        name,
        known_word("transport", transport, _TRANSPORTS),
        host=given.host,
        user=given.user,
        port=given.port,
        identity=identity,
        python=python,
        root=root,
    )
    device, facts = _unseen(device, fingerprint, group or ()) if no_probe else _seen(device, fingerprint, group or ())
    console.say(f"Next: {command_line('device', 'doctor', name)}")
    if json:
        console.show_json(
            {"schema_version": 1, "device": to_dict(device), "facts": to_dict(facts), "groups": list(group or ())}
        )


def _unseen(device: Device, fingerprint: str | None, groups: Sequence[str]) -> tuple[Device, None]:
    if fingerprint is not None:
        raise UsageError("--no-probe pins no key, so --fingerprint would do nothing.", "Leave one of them out.")
    device = add_device(device, groups=groups)
    console.say(
        f"Added “{device.name}” unseen: no host key was pinned, and nothing is known of the board. To reach it, its "
        "key has to be in known_hosts; or remove it and add it again when it is on, which pins the key."
    )
    return device, None


def _seen(device: Device, fingerprint: str | None, groups: Sequence[str]) -> tuple[Device, DeviceFacts]:
    from groupnl_deploy.deploy.adding import add_probed

    try:
        added = add_probed(device, groups, fingerprint=fingerprint, confirm=_confirm())
    except GroupNLError as error:
        if error.transient:  # it is off, or not there yet
            console.say(f"“{device.name}” was not added. With --no-probe it is, without being reached.")
        raise
    key = f"pinned {added.pinned.type} {added.pinned.fingerprint}" if added.pinned else "its host key is in known_hosts"
    console.say(f"Added “{device.name}”: {key}.")
    console.say(f"It is {described(added.facts)}.")
    return added.device, added.facts


def described(facts: DeviceFacts) -> str:
    """A board in one line."""
    memory = "" if facts.memory_total_bytes is None else f", {size_text(facts.memory_total_bytes)} of memory"
    disk = "" if facts.disk_free_bytes is None else f", {size_text(facts.disk_free_bytes)} free on its disk"
    return f"{facts.model or facts.machine}, {facts.system}, Python {facts.python}, {facts.bits}-bit{memory}{disk}"


def _confirm() -> Confirm | None:
    """How the user is asked; None where nobody sits at a terminal."""
    return _ask if sys.stdin.isatty() and sys.stderr.isatty() else None


def _ask(question: Question) -> bool:
    console.say(f"The board shows a host key that is not known yet: {question.key.type}\n  {question.key.fingerprint}")
    console.say(
        f"Compare it with what this prints on the board's own console (screen and keyboard):\n  {question.compare}"
    )
    return console.confirm("Are they equal?")
