"""`groupnl push`: an artifact to a device."""

from pathlib import Path
from typing import Annotated

import typer

from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import DeviceName, Json, RetryFor, Wait
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S
from groupnl_deploy.words import command_line


@guarded
def push(
    artifact: Annotated[Path, typer.Argument(help="An artifact folder.")],
    device: DeviceName,
    wait: Wait = DEFAULT_WAIT_S,
    retry_for: RetryFor = DEFAULT_RETRY_S,
    checkpoint: Annotated[
        Path | None, typer.Option(help="The checkpoint it was exported from, if that does not lie beside it.")
    ] = None,
    json: Json = False,
) -> None:
    """Send an artifact and the agent to a device, where it is verified and tried before it is used.

    What the manifest says is held against the files first, and against the checkpoint where it is at hand.

    Example: groupnl push net-onnx --device pi
    """
    get_device(device)
    from groupnl_deploy.campaign.cell import Cell
    from groupnl_deploy.campaign.push_job import push_cell
    from groupnl_deploy.deploy.acceptance import require_accepted

    reporter = console.TerminalReporter()
    pushed = push_cell(
        Cell(device=device), artifact, reporter, wait_s=wait, retry_for_s=retry_for, checkpoint=checkpoint
    )
    if json:
        console.show_json({"schema_version": 1, **to_dict(pushed)})
    else:
        console.show_text(str(pushed))
    require_accepted(pushed.acceptance, device)
    if not json:
        console.say(f"Next: {command_line('bench', '--device', device, '--backend', pushed.acceptance.backend)}")
