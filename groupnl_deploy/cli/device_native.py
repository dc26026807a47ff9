"""`groupnl device native`: where a pushed model and its library lie, for a program of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from device_agent.strict import to_dict
from exporters.artifact import open_artifact
from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.explain import where_it_runs
from groupnl_deploy.cli.options import Json
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.deploy.ledger import may_begin_artifact_id
from groupnl_deploy.mistaken import require_is


@guarded
def native(
    name: Annotated[str, typer.Argument(help="A name from `groupnl device list`.")],
    artifact: Annotated[
        str | None,
        typer.Argument(
            help="An artifact's folder, or six or more digits of its id; else the current one or the newest."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show where a pushed model and its native library lie, and lines of Python that run them there.

    Example: groupnl device native pi
    """
    device = get_device(name)
    if artifact is not None and not may_begin_artifact_id(artifact):
        require_is(Path(artifact), "artifact")
        artifact = open_artifact(Path(artifact)).sha256
    from groupnl_deploy.deploy.native_paths import native_paths
    from groupnl_deploy.remote.agent import open_agent
    from groupnl_deploy.remote.connect import connect

    with connect(device, console.say) as transport, open_agent(transport) as agent:
        found = native_paths(device.name, agent, artifact)
    if json:
        console.show_json({"schema_version": 1, "native": {**to_dict(found), "program": found.program}})
        return
    console.say(f"{found.label}, {found.artifact_sha256[:12]}, on {name}:")
    console.show_text(f"model    {found.model}\nlibrary  {found.library}\n\n{found.program.rstrip()}")
    if len(found.models) > 1:
        console.say("That model is for this device's processor and ONNX Runtime, on all its cores. In its folder lie:")
        console.say("\n".join(where_it_runs(one, "onnxruntime") for one in found.models))
