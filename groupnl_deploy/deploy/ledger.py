"""What was pushed to a device: the deployment that a benchmark runs, and its manifest as it lies there."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from device_agent.backend_table import BACKENDS, backend_for
from device_agent.manifest import ArtifactManifest
from device_agent.messages.ledger import Deployment, ReadManifest, Standing
from device_agent.strict import StrictError
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.workspace import sha256_hex

if TYPE_CHECKING:
    from groupnl_deploy.remote.client import AgentClient


def may_begin_artifact_id(text: str) -> bool:
    """Whether it can be the id of an artifact, or the beginning of one."""
    return bool(re.fullmatch("[0-9a-f]{6,64}", text))


def find_deployment(artifacts: Sequence[Standing], device: str, backend: str, wanted: str | None) -> Deployment:
    """The deployment to run: the one whose id begins with `wanted`, else what `backend` can run and should.

    That is the newest push that nobody has tried on the device yet, if it is newer than what is current; else the
    current one; else the newest.
    """
    if wanted is not None:
        return _runnable(_wanted([one.deployment for one in artifacts], device, wanted), backend)
    formats = BACKENDS[backend].formats
    matches = [one for one in artifacts if one.deployment.format in formats]
    if not matches:
        raise UsageError(
            f"Nothing that {backend} can run was pushed to {device} yet.",
            f"Export with --format {formats[0]}, then: groupnl push ARTIFACT --device {device}",
        )
    pending = [one for one in matches if one.state == "pending" and one.is_newer]
    current = [one for one in matches if one.is_current]
    return (pending or current or matches)[-1].deployment


def _wanted(deployments: Sequence[Deployment], device: str, wanted: str) -> Deployment:
    matches = [item for item in deployments if item.artifact_sha256.startswith(wanted)]
    if not matches:
        raise UsageError(
            f"No artifact {wanted[:12]} was pushed to {device}.",
            "Push it first: groupnl push, or in a campaign groupnl run … --from push.",
        )
    if len(matches) > 1:
        raise UsageError(f"{wanted} begins the ids of several artifacts.", "Give more digits of the one you mean.")
    return matches[0]


def _runnable(deployment: Deployment, backend: str) -> Deployment:
    formats = BACKENDS[backend].formats
    if deployment.format not in formats:
        raise UsageError(
            f"{backend} cannot run {deployment.artifact_sha256[:12]}, whose format is {deployment.format}.",
            f"Use the backend {backend_for(deployment.format)}, or push an artifact of --format {formats[0]}.",
        )
    return deployment


def remote_manifest(agent: "AgentClient", deployment: Deployment) -> ArtifactManifest:
    """The manifest of a deployment, read back from the device. Raises `VerificationFailed` unless it is whole."""
    text = agent.ask(ReadManifest(deployment.artifact_sha256)).manifest
    if text is None or sha256_hex(text.encode()) != deployment.artifact_sha256:
        what = "is missing" if text is None else "was altered"
        raise VerificationFailed(
            f"The artifact {deployment.artifact_sha256[:12]} on {deployment.device} {what}.", "Push it again."
        )
    try:
        return ArtifactManifest.from_bytes(text.encode())
    except StrictError as error:
        raise VerificationFailed(f"{error}.", "Export and push it again with this version.") from error
