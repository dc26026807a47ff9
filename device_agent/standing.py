"""How each artifact stands on this device: what the ledger, the verdicts and the links say together."""

from collections.abc import Sequence
from pathlib import Path

from device_agent import current, verdicts
from device_agent.manifest import FORMATS, Format
from device_agent.messages.ledger import Deployment, Standing


def standings(root: Path, deployments: Sequence[Deployment]) -> tuple[Standing, ...]:
    """One for each deployment, in their order: the newest last."""
    newer = {format: _newer(root, deployments, format) for format in FORMATS}
    return tuple(_standing(root, one, one.artifact_sha256 in newer[one.format]) for one in deployments)


def _standing(root: Path, deployment: Deployment, is_newer: bool) -> Standing:
    sha256, format = deployment.artifact_sha256, deployment.format
    return Standing(
        deployment=deployment,
        bytes=_bytes(root / deployment.directory),
        state=verdicts.state_of(root, sha256),
        is_current=sha256 == current.current(root, format),
        is_previous=sha256 == current.previous(root, format),
        is_newer=is_newer,
    )


def _newer(root: Path, deployments: Sequence[Deployment], format: Format) -> frozenset[str]:
    """The artifacts that were pushed after the format's current one became that; all, where there is none."""
    now = current.current(root, format)
    record = None if now is None else verdicts.accepted(root, now)
    if record is None or record.newest is None:
        return frozenset(one.artifact_sha256 for one in deployments)
    mark, behind = record.newest, -1
    for index, one in enumerate(deployments):
        if one.artifact_sha256 == mark.artifact_sha256 and one.pushed_at == mark.pushed_at:
            behind = index
    if behind >= 0:
        return frozenset(one.artifact_sha256 for one in deployments[behind + 1 :])
    # That push was repeated since, or collected; what is left to tell by is the hosts' clocks.
    return frozenset(one.artifact_sha256 for one in deployments if one.pushed_at > mark.pushed_at)


def _bytes(folder: Path) -> int | None:
    try:
        return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    except OSError:
        return None
