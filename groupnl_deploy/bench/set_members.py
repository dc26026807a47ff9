"""What a set compares, known before its first run: every artifact by its id, on a device that can run all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from device_agent.backend_table import require_read
from device_agent.manifest import MANIFEST_FILE
from device_agent.messages.ledger import ReadLedger, Standing
from device_agent.settings import Settings
from exporters.artifact import open_artifact
from groupnl_deploy.bench.run_set import Member, named, told_apart
from groupnl_deploy.deploy.doctor import require_fit
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.deploy.ledger import find_deployment
from groupnl_deploy.errors import InvalidSetting, UsageError
from groupnl_deploy.progress import Reporter, Unrepeated
from groupnl_deploy.remote.agent import reached
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.retry import Budget, retrying


@dataclass(frozen=True)
class Wanted:
    """An artifact, by its folder or how its id begins, None for what the device should run; and what runs it."""

    artifact: str | None
    backend: str


def members_of(
    device_name: str,
    wanted: Sequence[Wanted],
    settings: Sequence[Settings],
    reporter: Reporter,
    retry_for_s: float,
) -> tuple[Member, ...]:
    """Everything that is wanted, under all settings. The device is asked once, before anything is measured.

    Raises `UsageError` for what the device has not got, for one artifact under two names, and for settings that a
    backend does not read or the device cannot have.
    """
    device = get_device(device_name)
    for one in wanted:
        for each in settings:
            require_read(one.backend, each)
    ask = partial(_ask, device, wanted, max(one.threads for one in settings), Unrepeated(reporter))
    there = retrying(ask, Budget(retry_for_s), reporter.note)
    members = []
    for one in wanted:
        label, artifact_sha256 = _known(one, there, device.name)
        members += [
            named(label, one.artifact or artifact_sha256, artifact_sha256, one.backend, each) for each in settings
        ]
    _require_apart(members)
    return told_apart(members)


def require_cores(device: str, cores: int, threads: int) -> None:
    """Raise `InvalidSetting` for more threads than the device has cores."""
    if threads > cores:
        raise InvalidSetting(
            f"{threads} threads were asked for, but {device} has {cores} cores.",
            f"Set {{threads}} to {cores} or less, or to 0 for all of them.",
            "threads",
        )


def _ask(device: Device, wanted: Sequence[Wanted], threads: int, reporter: Reporter) -> tuple[Standing, ...]:
    """What lies on the device. Raises what would keep it from running what is wanted."""
    with reached(device, say=reporter.note) as agent:
        backends = tuple(dict.fromkeys(one.backend for one in wanted))
        ready = require_fit(agent, device.name, "bench", reporter.note, backends=backends)
        require_cores(device.name, ready.board.cores, threads)
        return agent.ask(ReadLedger(device.name)).artifacts


def _known(one: Wanted, there: Sequence[Standing], device: str) -> tuple[str, str]:
    """Label and id of an artifact."""
    if one.artifact is not None and (Path(one.artifact) / MANIFEST_FILE).is_file():
        artifact = open_artifact(Path(one.artifact))
        return artifact.manifest.label, artifact.sha256
    deployment = find_deployment(there, device, one.backend, one.artifact)
    return deployment.label, deployment.artifact_sha256


def _require_apart(members: Sequence[Member]) -> None:
    seen: dict[tuple[str, str, Settings], Member] = {}
    for one in members:
        other = seen.setdefault((one.artifact_sha256, one.backend, one.settings), one)
        if other is not one:
            raise UsageError(
                f"{other.artifact} and {one.artifact} are one artifact.",
                "Name it once; --repeats of `groupnl bench` measures it again.",
            )
