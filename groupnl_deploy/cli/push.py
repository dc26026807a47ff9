"""`groupnl push`: an artifact to a device, or to several at once."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import sending
from groupnl_deploy.cli.options import Json, RetryFor, Wait
from groupnl_deploy.deploy.named_devices import named_devices
from groupnl_deploy.errors import Stopped
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S
from groupnl_deploy.words import command_line

_JOBS = 4


@sending
def push(
    artifact: Annotated[Path, typer.Argument(help="An artifact folder.")],
    device: Annotated[
        list[str] | None,
        typer.Option("--device", help="A name from `groupnl device list`; again for each further one."),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="All devices of a group; `groupnl device group` makes one."),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="To how many devices it is pushed at a time.")] = _JOBS,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only look what a push would do on each device; nothing there is changed.")
    ] = False,
    wait: Wait = DEFAULT_WAIT_S,
    retry_for: RetryFor = DEFAULT_RETRY_S,
    checkpoint: Annotated[
        Path | None, typer.Option(help="The checkpoint it was exported from, if that does not lie beside it.")
    ] = None,
    json: Json = False,
) -> None:
    """Send an artifact and the agent to a device, where it is verified and tried before it is used.

    What the manifest says is held against the files first, and against the checkpoint where it is at hand. Several
    devices are pushed to side by side; one that fails leaves the others going, and the exit code is that of the gravest
    failure: 4, 3, 1, 2 in this order. --wait and --retry-for count for each device.

    Example: groupnl push net-onnx --device pi

    Example: groupnl push net-onnx --device pi --device pi2 --group lab --jobs 8

    Example: groupnl push net-onnx --group lab --dry-run
    """
    devices = named_devices(device or (), group or ())
    if len(devices) == 1 and not group and not dry_run:
        _push_one(artifact, devices[0].name, wait, retry_for, checkpoint, json)
        return
    from groupnl_deploy.cli.push_many import forecast_many, push_many
    from groupnl_deploy.deploy.push import checked_artifact

    checked = checked_artifact(artifact, checkpoint, console.say)
    if dry_run:
        forecast_many(checked, devices, jobs, retry_for, json)
    else:
        push_many(checked, devices, jobs, wait, retry_for, json)


def _push_one(
    artifact: Path, device: str, wait_s: float, retry_for_s: float, checkpoint: Path | None, json: bool
) -> None:
    from groupnl_deploy.campaign.cell import Cell
    from groupnl_deploy.campaign.push_job import push_cell
    from groupnl_deploy.deploy.acceptance import require_accepted
    from groupnl_deploy.deploy.push import Sending

    across, send = Sending(), partial(push_cell, Cell(device=device), artifact, console.TerminalReporter())
    try:
        pushed = send(wait_s=wait_s, retry_for_s=retry_for_s, checkpoint=checkpoint, sending=across)
    except KeyboardInterrupt as error:
        raise Stopped(across.when_stopped) from error
    if json:
        console.show_json({"schema_version": 1, **to_dict(pushed)})
    else:
        console.show_text(str(pushed))
    require_accepted(pushed.acceptance, device)
    if not json:
        console.say(f"Next: {command_line('bench', '--device', device, '--backend', pushed.acceptance.backend)}")
