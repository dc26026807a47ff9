"""`groupnl push` to several devices, and what it would do: side by side, a line each, one that fails alone."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import explain, gravest, show_failure
from groupnl_deploy.errors import Stopped
from groupnl_deploy.words import counted

if TYPE_CHECKING:
    from exporters.artifact import Artifact
    from groupnl_deploy.deploy.dry_run import Forecast
    from groupnl_deploy.deploy.outcome import Outcome
    from groupnl_deploy.deploy.side_by_side import ToldStep
    from groupnl_deploy.progress import Reporter
    from groupnl_deploy.remote.device import Device

    Result = TypeVar("Result", Outcome, Forecast)

_PUSHED = [("Device", False), ("Time (s)", True), ("Sent (MB)", True), ("Outcome", False)]
_FORECAST = [("Device", False), ("To send (MB)", True), ("Free (MB)", True)]
_FORECAST += [("Agent", False), ("Runtime", False), ("Outcome", False)]
_GO_ON = "Run the command again: what has arrived is not sent again, and what was accepted stays so."
_NOT_BEGUN = "Run the command again; nothing of the artifact had been sent to any device by this one."


def push_many(
    artifact: "Artifact", devices: "Sequence[Device]", jobs: int, wait_s: float, retry_for_s: float, json: bool
) -> None:
    """Push to all of them and show what became of each; exits with the code of the gravest failure."""
    from groupnl_deploy.deploy.outcome import PushStep

    console.say(f"Pushing {artifact.manifest.label} to {counted(len(devices), 'device')} …")
    outcomes, stopped = _side_by_side(
        lambda device, reporter: PushStep(artifact, device, reporter, wait_s, retry_for_s),
        devices,
        jobs,
    )
    if json:
        console.show_json({"schema_version": 1, "devices": [_plain(one) for one in outcomes]})
    else:
        console.show_table(_PUSHED, [_row(one) for one in outcomes], wraps=True)
    go_on = _GO_ON if any(one.sent_bytes or one.pushed for one in outcomes) else _NOT_BEGUN
    _end(outcomes, "Accepted on", go_on if stopped else None)


def forecast_many(artifact: "Artifact", devices: "Sequence[Device]", jobs: int, retry_for_s: float, json: bool) -> None:
    """Show what a push to each of them would do; exits as that would for what was found."""
    from groupnl_deploy.deploy.dry_run import LOOK_AGAIN, DryRunStep

    forecasts, stopped = _side_by_side(
        lambda device, reporter: DryRunStep(artifact, device, reporter, retry_for_s),
        devices,
        jobs,
    )
    if json:
        plain = [_plain_forecast(one) for one in forecasts]
        console.show_json({"schema_version": 1, "dry_run": True, "artifact_sha256": artifact.sha256, "devices": plain})
    else:
        console.show_table(_FORECAST, [_forecast_row(one) for one in forecasts], wraps=True)
        untold = {clause: [one.device for one in forecasts if clause in one.untold] for clause in _untold(forecasts)}
        for clause, names in untold.items():
            console.say(f"Only a push tells {clause}: {', '.join(names)}.")
    _end(
        forecasts,
        "Nothing was changed. Nothing that was found stands in the way of a push to",
        LOOK_AGAIN if stopped else None,
    )


def _side_by_side(
    step: "Callable[[Device, Reporter], ToldStep[Result]]",
    devices: "Sequence[Device]",
    jobs: int,
) -> "tuple[list[Result], bool]":
    """The results in the devices' order, those of steps that Ctrl-C kept from any among them; whether it ended them."""
    from groupnl_deploy.deploy.side_by_side import side_by_side

    with console.TerminalReporter().side_by_side() as reporter:

        def told(one: "Result") -> None:
            reporter.note(f"{one.device}: {one.word} ({one.elapsed_s:.1f} s)")

        steps = [step(device, reporter) for device in devices]
        done = side_by_side(steps, jobs, told)
    return [one or step.unfinished() for step, one in zip(steps, done.results, strict=True)], done.stopped


def _end(results: "Sequence[Outcome | Forecast]", fine: str, when_stopped: str | None) -> None:
    """Each failure in full, and the exit code; `when_stopped` is the remedy for Ctrl-C, where that ended it."""
    errors = {one.device: one.error for one in results if one.error is not None}
    for device, error in errors.items():
        if not isinstance(error, KeyboardInterrupt):
            show_failure(error, device)
    if when_stopped is not None:
        raise Stopped(when_stopped)
    console.say(f"{fine} {len(results) - len(errors)} of {counted(len(results), 'device')}.")
    if errors:
        raise typer.Exit(gravest(explain(error).exit_code for error in errors.values()))


def _row(one: "Outcome") -> tuple[str, ...]:
    return one.device, f"{one.elapsed_s:.1f}", _megabytes(one.sent_bytes), _told(one)


def _forecast_row(one: "Forecast") -> tuple[str, ...]:
    if one.looked is None:
        return one.device, "–", "–", "–", "–", _told(one)
    agent = f"{_megabytes(one.agent_bytes)} MB to send" if one.agent_bytes else "there"
    runtime = "missing" if one.looked.missing else "there"
    send, free = _megabytes(sum(one.missing)), f"{one.looked.free_bytes / 1e6:,.0f}"
    return one.device, send, free, agent, runtime, _told(one)


def _untold(forecasts: "Sequence[Forecast]") -> tuple[str, ...]:
    return tuple(dict.fromkeys(clause for one in forecasts if one.error is None for clause in one.untold))


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f}"


def _told(one: "Outcome | Forecast") -> str:
    """The word, and behind it why."""
    if one.error is None or isinstance(one.error, KeyboardInterrupt):
        return one.word
    reason = explain(one.error).message.removeprefix(f"{one.device}: ").rstrip(".")
    return f"{one.word}: {reason}"


def _plain(one: "Outcome") -> dict[str, Any]:
    """One object a device; `deployment` and `acceptance` as for a single one."""
    return {
        **_head(one),
        "sent_bytes": one.sent_bytes,
        "was_there": one.was_there,
        "deployment": None if one.pushed is None else to_dict(one.pushed.deployment),
        "acceptance": None if one.pushed is None else to_dict(one.pushed.acceptance),
    }


def _plain_forecast(one: "Forecast") -> dict[str, Any]:
    """One object a device; null what is not known, as the device was not reached."""
    looked = None if one.looked is None else to_dict(one.looked)
    kept = ("root", "free_bytes", "free_inodes", "has_agent", "is_there", "state", "current", "python", "missing")
    return {
        **_head(one),
        "is_reached": looked is not None,
        "send_bytes": None if looked is None else sum(one.missing),
        "agent_bytes": None if looked is None else one.agent_bytes,
        **{key: None if looked is None else looked[key] for key in kept},
        "untold": list(one.untold),
    }


def _head(one: "Outcome | Forecast") -> dict[str, Any]:
    failure = None if one.error is None else explain(one.error)
    return {
        "device": one.device,
        "outcome": one.word,
        "exit_code": 0 if failure is None else failure.exit_code,
        "error": None if failure is None else {"message": failure.message, "remedy": failure.remedy},
        "elapsed_s": round(one.elapsed_s, 3),
    }
