"""`groupnl device artifacts|rollback|prune`: what lies on a device, which of it is used, and what makes room."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from device_agent.sizes import size_text
from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import Json, Wait
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S
from groupnl_deploy.words import counted

if TYPE_CHECKING:
    from device_agent.messages.ledger import Standing
    from groupnl_deploy.remote.client import AgentClient

Name = Annotated[str, typer.Argument(help="A name from `groupnl device list`.")]
_KEEP = 10
_BEHIND_12_DIGITS = re.compile("(?<=[0-9a-f]{12})[0-9a-f]{52}")  # of the 64 of an id


@guarded
def artifacts(name: Name, json: Json = False) -> None:
    """List what was pushed to a device, what the device said of it, and which is used.

    Example: groupnl device artifacts pi
    """
    from device_agent.messages.ledger import ReadLedger

    with _agent(name) as agent:
        found = agent.ask(ReadLedger(name))
    if found.damage is not None:
        console.say(f"The ledger on {name} was not used: {found.damage}. The next push writes it anew.")
    if json:
        console.show_json({"schema_version": 1, "device": name, "artifacts": [_plain(one) for one in found.artifacts]})
        return
    if not found.artifacts:
        console.say(f"Nothing was pushed to {name} yet.")
        return
    headings = [("Artifact", False), ("Network", False), ("Format", False), ("Pushed", False), ("State", False)]
    rows = [_row(one) for one in reversed(found.artifacts)]
    console.show_records([*headings, ("Used", False), ("MB", True)], rows)


@guarded
def rollback(
    name: Name,
    format: Annotated[str | None, typer.Option(help="onnx or torch, where both can go back.")] = None,
    wait: Wait = DEFAULT_WAIT_S,
    json: Json = False,
) -> None:
    """Use what the device used before. It is tried again unless the same runtime accepted it.

    Example: groupnl device rollback pi
    """
    from groupnl_deploy.deploy.acceptance import require_accepted, roll_back
    from groupnl_deploy.remote.waiting import take_lock

    with _agent(name) as agent:
        take_lock(agent, name, "a rollback", wait, console.say)
        done = roll_back(agent, name, format)
    if json:
        console.show_json({"schema_version": 1, "device": name, "acceptance": to_dict(done)})
    require_accepted(done, name)
    if not json:
        console.show_text(f"{name} uses {done.label}, {done.format}, {done.artifact_sha256[:12]} again")


@guarded
def prune(
    name: Name,
    keep: Annotated[int, typer.Option(min=0, help="How many of the newest artifacts stay.")] = _KEEP,
    wait: Wait = DEFAULT_WAIT_S,
    json: Json = False,
) -> None:
    """Remove old artifacts, and all that pushes left which did not end. What is used, or was before, always stays.

    Example: groupnl device prune pi --keep 3
    """
    from device_agent.messages.artifacts import Prune
    from groupnl_deploy.remote.waiting import take_lock

    with _agent(name) as agent:
        take_lock(agent, name, "a prune", wait, console.say)
        done = agent.ask(Prune(name, keep))
    if json:
        console.show_json({"schema_version": 1, "device": name, **to_dict(done)})
        return
    what = f"{counted(len(done.removed), 'artifact')} from {name} and {counted(len(done.leftovers), 'leftover')}"
    console.show_text(f"Removed {what}: {size_text(done.freed_bytes)} are free again")
    for path in (*(f"artifacts/{artifact}" for artifact in done.removed), *done.leftovers):
        console.show_text(f"  {_BEHIND_12_DIGITS.sub('', path)}")


@contextmanager
def _agent(name: str) -> "Iterator[AgentClient]":
    device = get_device(name)
    from groupnl_deploy.remote.agent import open_agent
    from groupnl_deploy.remote.connect import connect

    with connect(device, console.say) as transport, open_agent(transport) as agent:
        yield agent


def _plain(one: "Standing") -> dict[str, object]:
    """One object an artifact, without a level for the ledger's line."""
    deployment = to_dict(one.deployment)
    rest = {key: value for key, value in to_dict(one).items() if key != "deployment"}
    return {key: deployment[key] for key in ("artifact_sha256", "label", "format", "pushed_at", "agent_sha256")} | rest


def _row(one: "Standing") -> tuple[str, ...]:
    deployment = one.deployment
    state = "gone" if one.bytes is None else one.state
    used = "current" if one.is_current else "previous" if one.is_previous else ""
    size = "–" if one.bytes is None else f"{one.bytes / 1e6:.1f}"
    pushed = deployment.pushed_at.replace("T", " ").removesuffix("+00:00")
    return deployment.artifact_sha256[:12], deployment.label, deployment.format, pushed, state, used, size
