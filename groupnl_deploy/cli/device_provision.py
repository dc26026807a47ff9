"""`groupnl device provision` and `wheelhouse`: the packages that a backend needs on a board."""

from pathlib import Path
from typing import Annotated

import typer

from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded, resuming
from groupnl_deploy.cli.options import Json, OutFolder, RetryFor, Wait
from groupnl_deploy.deploy.devices_file import LOCAL
from groupnl_deploy.deploy.getting_packages import packages_command
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.deploy.wheels import MAIN_PACKAGES
from groupnl_deploy.errors import UsageError
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S
from groupnl_deploy.words import command_line, known_word

Backend = Annotated[str, typer.Option(help=f"{', '.join(MAIN_PACKAGES)}.")]
Version = Annotated[str | None, typer.Option(help="Of its package; else the newest that ran on such a board.")]
Uncertified = Annotated[bool, typer.Option("--uncertified", help="Take what nobody has run on such a board.")]


@resuming
def provision(
    name: Annotated[str, typer.Argument(help="A name from `groupnl device list`.")],
    backend: Backend = "onnxruntime",
    offline: Annotated[
        Path | None, typer.Option(metavar="WHEELHOUSE", help="Send these wheels: for a board without network.")
    ] = None,
    version: Version = None,
    uncertified: Uncertified = False,
    wait: Wait = DEFAULT_WAIT_S,
    retry_for: RetryFor = DEFAULT_RETRY_S,
    json: Json = False,
) -> None:
    """Give a board what a backend needs: a Python environment of its own, which push and bench then use.

    Its packages are a set of versions that ran on such a board, to the byte. The environment is made aside and checked;
    until then the board has what it had.

    Example: groupnl device provision pi --backend onnxruntime

    Example: groupnl device provision pi --backend pytorch --offline wheels --retry-for 5m
    """
    device = get_device(name)
    if device.transport == "local":
        raise UsageError(
            f"The device “{name}” is this machine with this Python, and has no environments beside it.",
            f"Install what is missing: {packages_command(LOCAL, known_word('backend', backend, MAIN_PACKAGES))}",
        )
    from groupnl_deploy.deploy import provision as provisioning

    wish, reporter = provisioning.Wish(backend, version, uncertified, offline), console.TerminalReporter()
    done = provisioning.provision_device(device, wish, reporter, wait_s=wait, retry_for_s=retry_for)
    if json:
        console.show_json({"schema_version": 1, "device": name, "provisioned": to_dict(done)})
        return
    certified = "certified" if done.certified else "NOT certified"
    console.show_text(f"{name} has {done.set.main.package} {done.set.main.version}, {certified}")
    if done.built is None:
        console.say("It had just this before, and it loads: nothing was done.")
    console.say(f"Next: {command_line('push', 'ARTIFACT', '--device', name)}")


@guarded
def wheelhouse(
    out: OutFolder,
    backend: Backend = "onnxruntime",
    target: Annotated[str, typer.Option(help="rpi4 (any 64-bit Raspberry Pi OS) or x86.")] = "rpi4",
    python: Annotated[str, typer.Option(help="The board's Python: 3.11 on Raspberry Pi OS 12, 3.13 on 13.")] = "3.11",
    version: Version = None,
    uncertified: Uncertified = False,
    json: Json = False,
) -> None:
    """Download all that a backend needs on a board without network: wheels that ran on such a board, with digests.

    Example: groupnl device wheelhouse --backend onnxruntime --python 3.11 --out wheels
    """
    from groupnl_deploy.deploy.wheelhouse import choose_set, make_wheelhouse
    from groupnl_deploy.workspace import require_absent

    require_absent(out)
    reporter = console.TerminalReporter()
    made = make_wheelhouse(choose_set(target, backend, python, version, uncertified, reporter), out, reporter)
    if json:
        said = {"folder": str(out), "certified": made.is_certified, **to_dict(made.set)}
        console.show_json({"schema_version": 1, "wheelhouse": said})
        return
    certified = "certified" if made.is_certified else "NOT certified"
    console.show_text(f"{out} has {made.set}: {len(made.files)} wheels, {made.size_bytes / 1e6:.0f} MB, {certified}")
    console.say(f"Next: {command_line('device', 'provision', 'NAME', '--backend', backend, '--offline', out)}")
