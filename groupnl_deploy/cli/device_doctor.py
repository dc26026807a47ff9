"""`groupnl device doctor`: is this device fit, and what to do where it is not."""

from typing import Annotated

import typer

from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import Json
from groupnl_deploy.deploy.devices_file import LOCAL
from groupnl_deploy.deploy.inventory import get_device, keep_facts

_MARKS = {"fine": "ok", "note": "note", "warning": "WARNING", "error": "ERROR"}


@guarded
def doctor(
    name: Annotated[str, typer.Argument(help="A name from `groupnl device list`.")],
    json: Json = False,
) -> None:
    """Examine a device: system, disk, clock, supply, packages and whether they load; each finding with its remedy.

    Exit code: 0 where nothing is worse than a warning, 1 where something has to be done, 3 where it cannot be reached.

    Example: groupnl device doctor pi
    """
    device = get_device(name)
    from groupnl_deploy.deploy.adding import facts_from
    from groupnl_deploy.deploy.doctor import examine

    diagnosis = examine(device, console.say)
    if diagnosis.found is not None and name != LOCAL:
        keep_facts(name, facts_from(diagnosis.found.readiness))
    if json:
        console.show_json(
            {
                "schema_version": 1,
                "device": name,
                "exit_code": diagnosis.exit_code,
                "findings": [to_dict(one) for one in diagnosis.findings],
                "examined": to_dict(diagnosis.found),
            }
        )
    else:
        for one in diagnosis.findings:
            console.show_text(f"{_MARKS[one.severity]:<8}{one.check}: {one.what}.")
            if one.remedy is not None:
                console.show_text(f"{'':<8}Try: {one.remedy}.")
    if diagnosis.exit_code:
        raise typer.Exit(diagnosis.exit_code)
