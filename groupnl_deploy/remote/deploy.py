"""Getting the agent and an artifact onto a device, whole or not at all, and remembering what is there.

Below the device's root::

    agents/groupnl-agent-<sha256>.pyz    the bundle, named by its digest
    artifacts/<sha256>/                  an artifact, named by its manifest's digest
    incoming/<sha256>/                   an upload that has not been verified yet
    deployments.json                     what was pushed, the newest last
"""

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from device_agent.strict import StrictError, from_json, to_json
from device_agent.wire import BACKENDS, Format
from exporters.artifact import Artifact
from groupnl_deploy.errors import DeviceFault, DeviceUnreachable, GroupNLError, UsageError, VerificationFailed
from groupnl_deploy.remote.bundle import AgentBundle, build_bundle
from groupnl_deploy.remote.client import AgentClient, start_agent
from groupnl_deploy.remote.transport import Transport

_LEDGER = "deployments.json"
_OLDEST_PYTHON = (3, 11)
# Prints Python's version and the digest of one file, behind a mark that no login banner has.
_LOOK = (
    "import hashlib,os,sys;p=sys.argv[1];"
    "print('groupnl-look',*sys.version_info[:2],"
    "hashlib.sha256(open(p,'rb').read()).hexdigest() if os.path.exists(p) else 'missing')"
)

Sent = Callable[[int, int], None]
"""Told bytes sent and bytes in all."""


@dataclass(frozen=True)
class Deployment:
    """One artifact on one device. `previous` is the artifact that was the newest before it."""

    device: str
    artifact_sha256: str
    label: str
    format: Format
    agent_sha256: str
    pushed_at: str
    previous: str | None
    schema_version: int = 1

    def __post_init__(self) -> None:
        # It becomes part of a path, and it is read from the device.
        if not re.fullmatch(r"[0-9a-f]{64}", self.artifact_sha256):
            raise ValueError(f"{self.artifact_sha256!r} is no artifact's id")

    @property
    def directory(self) -> str:
        """The artifact's folder below the device's root."""
        return f"artifacts/{self.artifact_sha256}"


@dataclass(frozen=True)
class Ledger:
    """All deployments of a device, the newest last."""

    deployments: tuple[Deployment, ...] = ()
    schema_version: int = 1


def ensure_agent(transport: Transport) -> AgentBundle:
    """Put the agent's bundle on the device unless it is there, and check its digest before it is ever run."""
    bundle = build_bundle()
    if _look(transport, bundle) != bundle.sha256:
        transport.put(bundle.data, bundle.remote_path)
        if _look(transport, bundle) != bundle.sha256:
            raise VerificationFailed(
                f"The agent arrived damaged on {transport.name}.", "Push again; check the device's disk if it persists."
            )
    return bundle


def push_artifact(transport: Transport, artifact: Artifact, sent: Sent = lambda done, total: None) -> Deployment:
    """Upload, verify on the device, rename into place, record. Pushing what is there already sends nothing.

    Raises `DiskFull`, `VerificationFailed`, `DeviceUnreachable`, `DeviceFault`.
    """
    bundle = ensure_agent(transport)
    final = f"artifacts/{artifact.sha256}"
    with start_agent(transport, bundle.remote_path, bundle.sha256) as agent:
        if not _is_whole(agent, transport, final, artifact.sha256):
            incoming = f"incoming/{artifact.sha256}"
            transport.remove(incoming)
            try:
                _upload(transport, artifact, incoming, sent)
                agent.verify(transport.path(incoming), artifact.sha256)
                transport.remove(final)
                transport.rename(incoming, final)
            except BaseException:
                with contextlib.suppress(GroupNLError):  # the first error is the one to tell
                    transport.remove(incoming)
                raise
    return _record(transport, artifact, bundle)


def _is_whole(agent: AgentClient, transport: Transport, directory: str, sha256: str) -> bool:
    try:
        agent.verify(transport.path(directory), sha256)
    except VerificationFailed:
        return False
    return True


def read_ledger(transport: Transport) -> Ledger:
    """What was pushed to the device; an empty ledger where nothing was."""
    data = transport.get(_LEDGER)
    if data is None:
        return Ledger()
    try:
        return from_json(Ledger, data, _LEDGER)
    except StrictError as error:
        raise DeviceFault(
            f"{transport.path(_LEDGER)} on {transport.name} cannot be read: {error}.",
            "Remove that file on the device and push again.",
        ) from error


def find_deployment(transport: Transport, backend: str, wanted: str | None) -> Deployment:
    """The deployment to run: the one whose id begins with `wanted`, else the newest that `backend` can run."""
    deployments = read_ledger(transport).deployments
    if wanted is not None:
        matches = [item for item in deployments if item.artifact_sha256.startswith(wanted)]
        if not matches:
            raise UsageError(
                f"No artifact {wanted[:12]} was pushed to {transport.name}.",
                "Push it first: groupnl push, or in a campaign groupnl run … --from push.",
            )
        if len({item.artifact_sha256 for item in matches}) > 1:
            raise UsageError(f"{wanted} begins the ids of several artifacts.", "Give more digits of the one you mean.")
        return _runnable(matches[-1], backend)
    formats = BACKENDS[backend].formats
    matches = [item for item in deployments if item.format in formats]
    if not matches:
        raise UsageError(
            f"Nothing that {backend} can run was pushed to {transport.name} yet.",
            f"Export with --format {formats[0]}, then: groupnl push ARTIFACT --device {transport.name}",
        )
    return matches[-1]


def _runnable(deployment: Deployment, backend: str) -> Deployment:
    formats = BACKENDS[backend].formats
    if deployment.format not in formats:
        raise UsageError(
            f"{backend} cannot run {deployment.artifact_sha256[:12]}, whose format is {deployment.format}.",
            f"Choose another backend, or push an artifact of --format {formats[0]}.",
        )
    return deployment


def _look(transport: Transport, bundle: AgentBundle) -> str:
    """Digest of the bundle as it lies on the device, "missing" where it does not. Checks Python on the way."""
    done = transport.run([transport.python, "-c", _LOOK, transport.path(bundle.remote_path)], timeout_s=60.0)
    marked = [line for line in done.stdout.decode(errors="replace").splitlines() if line.startswith("groupnl-look ")]
    if done.exit_code != 0 or not marked:
        raise _no_python(transport.name, transport.python, done.exit_code, done.stderr)
    _, major, minor, digest = marked[-1].split()
    if (int(major), int(minor)) < _OLDEST_PYTHON:
        raise DeviceUnreachable(
            f"{transport.python} on {transport.name} is Python {major}.{minor}; the agent needs 3.11 or newer.",
            "Install a newer Python there and name it with groupnl device add … --python PATH.",
        )
    return digest


def _no_python(device: str, python: str, exit_code: int, stderr: str) -> DeviceUnreachable:
    if exit_code in (126, 127):
        return DeviceUnreachable(
            f"There is no Python at “{python}” on {device}.",
            "Make a virtual environment there (README, “On your own board”) and name its python with --python.",
        )
    last = stderr.strip().splitlines()[-1] if stderr.strip() else "it said nothing"
    return DeviceUnreachable(
        f"“{python}” on {device} ended with code {exit_code}: {last}", "Run it there by hand to see why."
    )


def _upload(transport: Transport, artifact: Artifact, directory: str, sent: Sent) -> None:
    total = sum(path.stat().st_size for path in artifact.files)
    done = 0
    for path in artifact.files:
        data, before = path.read_bytes(), done
        transport.put(data, f"{directory}/{path.name}", lambda count, before=before: sent(before + count, total))  # type: ignore[misc]
        done += len(data)
        sent(done, total)


def _record(transport: Transport, artifact: Artifact, bundle: AgentBundle) -> Deployment:
    # One entry an artifact: pushing it again makes it the newest.
    others = tuple(item for item in read_ledger(transport).deployments if item.artifact_sha256 != artifact.sha256)
    newest = others[-1] if others else None
    deployment = Deployment(
        device=transport.name,
        artifact_sha256=artifact.sha256,
        label=artifact.manifest.label,
        format=artifact.manifest.format,
        agent_sha256=bundle.sha256,
        pushed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        previous=newest.artifact_sha256 if newest else None,
    )
    transport.put(to_json(Ledger((*others, deployment))).encode(), _LEDGER)
    return deployment
