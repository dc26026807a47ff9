"""`groupnl push` to several devices: side by side, a line each, one that fails alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import explain, gravest, show_failure
from groupnl_deploy.errors import Stopped
from groupnl_deploy.words import counted

if TYPE_CHECKING:
    from exporters.artifact import Artifact
    from groupnl_deploy.deploy.outcome import Outcome
    from groupnl_deploy.remote.device import Device

_HEADINGS = [("Device", False), ("Time (s)", True), ("Sent (MB)", True), ("Outcome", False)]
_GO_ON = "Run the command again: what has arrived is not sent again, and what was accepted stays so."


def push_many(
    artifact: "Artifact", devices: "Sequence[Device]", jobs: int, wait_s: float, retry_for_s: float, json: bool
) -> None:
    """Push to all of them and show what became of each; exits with the code of the gravest failure."""
    from groupnl_deploy.deploy.outcome import Outcome, PushStep
    from groupnl_deploy.deploy.side_by_side import side_by_side

    with console.TerminalReporter().side_by_side() as reporter:
        steps = [PushStep(artifact, device, reporter, wait_s, retry_for_s) for device in devices]
        done = side_by_side(
            steps, jobs, lambda one: reporter.note(f"{one.device}: {one.word} after {one.elapsed_s:.1f} s")
        )
    outcomes = [
        one or Outcome(device.name, None, KeyboardInterrupt())
        for device, one in zip(devices, done.results, strict=True)
    ]
    if json:
        console.show_json({"schema_version": 1, "devices": [_plain(one) for one in outcomes]})
    else:
        console.show_table(_HEADINGS, [_row(one) for one in outcomes], wraps=True)
    _end(outcomes, stopped=done.stopped)


def _end(outcomes: "Sequence[Outcome]", *, stopped: bool) -> None:
    errors = {one.device: one.error for one in outcomes if one.error is not None}
    for device, error in errors.items():
        if not isinstance(error, KeyboardInterrupt):
            show_failure(error, device)
    if stopped:
        raise Stopped(_GO_ON)
    if errors:
        console.say(f"Accepted on {len(outcomes) - len(errors)} of {counted(len(outcomes), 'device')}.")
        raise typer.Exit(gravest(explain(error).exit_code for error in errors.values()))


def _row(one: "Outcome") -> tuple[str, ...]:
    return one.device, f"{one.elapsed_s:.1f}", f"{one.sent_bytes / 1e6:.1f}", _told(one)


def _told(one: "Outcome") -> str:
    """The word, and behind it why."""
    if one.error is None or isinstance(one.error, KeyboardInterrupt):
        return one.word
    reason = explain(one.error).message.removeprefix(f"{one.device}: ").rstrip(".")
    return f"{one.word}: {reason}"


def _plain(one: "Outcome") -> dict[str, Any]:
    """One object a device; `deployment` and `acceptance` as for a single one."""
    failure = None if one.error is None else explain(one.error, _GO_ON)
    return {
        "device": one.device,
        "outcome": one.word,
        "exit_code": 0 if failure is None else failure.exit_code,
        "error": None if failure is None else {"message": failure.message, "remedy": failure.remedy},
        "elapsed_s": round(one.elapsed_s, 3),
        "sent_bytes": one.sent_bytes,
        "was_there": one.was_there,
        "deployment": None if one.pushed is None else to_dict(one.pushed.deployment),
        "acceptance": None if one.pushed is None else to_dict(one.pushed.acceptance),
    }
