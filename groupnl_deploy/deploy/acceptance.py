"""What became of an artifact that was pushed: whether its device gave the answers that it was proved with."""

from dataclasses import dataclass, replace

from device_agent.machine import Machine
from device_agent.messages.accept import Accept, Acceptance, Rollback
from device_agent.messages.ledger import Deployment, ReadLedger
from groupnl_deploy.deploy.devices_file import LOCAL
from groupnl_deploy.deploy.getting_packages import is_uncertified, packages_command
from groupnl_deploy.errors import AnswersRefused, DeviceBusy, NotAccepted, UsageError
from groupnl_deploy.progress import Say
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.waiting import take_lock
from groupnl_deploy.words import command_line

# What another version of the runtime may cure.
_OF_THE_RUNTIME = {"illegal_instruction", "crashed"}
_TOO_OLD = "runtime_too_old"  # it is there, and pip leaves what is there as it is


@dataclass(frozen=True)
class Pushed:
    """A deployment, and whether its artifact is the one to use there now."""

    deployment: Deployment
    acceptance: Acceptance

    def __str__(self) -> str:
        return f"{self.deployment}: {verdict(self.acceptance)}"


def accept_artifact(agent: AgentClient, device: str, deployment: Deployment) -> Pushed:
    """Have the device try it and, if it passes, use it. The agent holds the device's lock."""
    acceptance = agent.ask(Accept(deployment.artifact_sha256))
    return Pushed(deployment, _with_command(acceptance, device, agent.machine, agent.python))


def accept_pending(agent: AgentClient, device: str, artifact_sha256: str, wait_s: float | None, say: Say) -> None:
    """What has just run and given its golden answers is used from here on, if nobody has tried it before.

    An agent that has not got the device's lock waits `wait_s` for it; None is one that has it. Where something else
    keeps the device for longer, the artifact stays as it is, and `say` is told.
    """
    for one in agent.ask(ReadLedger(device)).artifacts:
        if one.deployment.artifact_sha256 == artifact_sha256 and one.state == "pending" and one.bytes is not None:
            try:
                if wait_s is not None:
                    take_lock(agent, device, f"an acceptance of {one.deployment.label}", wait_s, say)
                say(str(accept_artifact(agent, device, one.deployment)))
            except DeviceBusy as busy:
                say(f"{one.deployment}: not accepted yet. {busy.message} The next push or benchmark of it accepts it.")


def roll_back(agent: AgentClient, device: str, format: str | None) -> Acceptance:
    """Have the device use what it used before, of this format or of the only one where there is such a thing.

    The agent holds the device's lock. Raises `UsageError` where there is nothing to go back to, or in both formats.
    """
    artifacts = agent.ask(ReadLedger(device)).artifacts
    before = [one for one in artifacts if one.is_previous and not one.is_current]
    chosen = [one for one in before if format in (None, one.deployment.format)]
    if not chosen:
        what = "" if format is None else f" of the format {format}"
        raise UsageError(
            f"There is nothing to go back to on {device}: no other artifact{what} was current before.",
            f"See what is there: {command_line('device', 'artifacts', device)}. Push the one that you want.",
        )
    if len(chosen) > 1:
        formats = " and ".join(one.deployment.format for one in chosen)
        raise UsageError(
            f"{device} has an artifact to go back to in each of {formats}.",
            f"Say which: {command_line('device', 'rollback', device, '--format', chosen[0].deployment.format)}",
        )
    acceptance = agent.ask(Rollback(chosen[0].deployment.format))
    return _with_command(acceptance, device, agent.machine, agent.python)


def _with_command(acceptance: Acceptance, device: str, machine: Machine, python: str) -> Acceptance:
    """With the command to type here as its remedy, where packages help: a device does not know what we call it."""
    backend, uncertified = acceptance.backend, is_uncertified(machine, python, acceptance.backend)
    if acceptance.verdict == "not_accepted":
        command = packages_command(device, backend, anew=acceptance.code == _TOO_OLD, uncertified=uncertified)
        remedy = f"Run: {command}. Then push it again, or run a benchmark, which accepts it."
    elif acceptance.verdict == "refused" and acceptance.code in _OF_THE_RUNTIME:
        installs = (
            "installs the newest." if device == LOCAL or uncertified else "installs one that is known to work there."
        )
        command = packages_command(device, backend, anew=True, uncertified=uncertified)
        remedy = f"{acceptance.remedy or ''} {command} {installs}".lstrip()
    else:
        return acceptance
    return replace(acceptance, remedy=remedy)


def require_accepted(acceptance: Acceptance, device: str) -> None:
    """Raise `NotAccepted` or `AnswersRefused`, with the command that helps, unless it is the one to use now."""
    if acceptance.verdict == "accepted":
        return
    stays, remedy = _stays(acceptance), acceptance.remedy or ""
    if acceptance.verdict == "not_accepted":
        raise NotAccepted(f"{device} keeps {_name(acceptance)}, not accepted yet: {acceptance.message} {stays}", remedy)
    raise AnswersRefused(f"{device} refuses {_name(acceptance)}: {acceptance.message} {stays}", remedy)


def verdict(acceptance: Acceptance) -> str:
    """Whether it is accepted, in a few words."""
    if acceptance.verdict == "accepted":
        return f"accepted, and current/{acceptance.format} there"
    return {"refused": "refused", "not_accepted": "not accepted yet"}[acceptance.verdict]


def _name(acceptance: Acceptance) -> str:
    return f"{acceptance.label} ({acceptance.artifact_sha256[:12]})"


def _stays(acceptance: Acceptance) -> str:
    if acceptance.current is None:
        return f"No artifact of the format {acceptance.format} is current there."
    if acceptance.current == acceptance.artifact_sha256:
        return "It was accepted earlier and stays current there."
    return f"{acceptance.current[:12]} stays current there."
