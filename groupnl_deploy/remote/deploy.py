"""Getting the agent and an artifact onto a device, and finding what is there.

The host uploads, and the agent does the rest under the device's lock (`device_agent.push`): so no two pushes, and
no push and no benchmark, ever meet, and a host that dies leaves nothing that the next push does not remove.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from device_agent.wire import BACKENDS, Deployment
from exporters.artifact import Artifact
from groupnl_deploy.errors import DeviceFault, DeviceUnreachable, GroupNLError, UsageError, VerificationFailed
from groupnl_deploy.remote.bundle import AgentBundle, build_bundle
from groupnl_deploy.remote.client import AgentClient, start_agent
from groupnl_deploy.remote.python import MARK, ask_python, naming_python
from groupnl_deploy.remote.transport import Transport
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S, Say, take_lock

_OLDEST_PYTHON = (3, 11)
# A push by another version of groupnl sweeps, twice, agents that nobody runs: also one that is just about to.
_TRIES = 4
# Prints Python's version and the digest of one file.
_LOOK = (
    "import hashlib,os,sys;p=sys.argv[1];"
    f"print('{MARK}',*sys.version_info[:2],"
    "hashlib.sha256(open(p,'rb').read()).hexdigest() if os.path.exists(p) else 'missing')"
)

Sent = Callable[[int, int], None]
"""Told bytes sent and bytes in all."""


def ensure_agent(transport: Transport) -> AgentBundle:
    """Put the agent's bundle on the device unless it is there, and check its digest before it is ever run."""
    bundle = build_bundle()
    if _look(transport, bundle) == bundle.sha256:
        return bundle
    for left in reversed(range(_TRIES)):
        refused = None
        try:
            transport.put(bundle.data, bundle.remote_path)
        except DeviceFault as error:  # perhaps only for a part that was swept before its renaming
            refused = error
        found = _look(transport, bundle)
        if found == bundle.sha256:
            return bundle
        if refused and not left:
            raise refused
        if not refused and found != "missing":
            break
    raise VerificationFailed(
        f"The agent arrived damaged on {transport.name}, or was removed there at once.",
        "Push again; check the device's disk if it persists.",
    )


@contextlib.contextmanager
def open_agent(transport: Transport) -> Iterator[AgentClient]:
    """The agent, put there if need be, checked and started. It ends with the block."""
    with contextlib.ExitStack() as running:
        yield _start(transport, running)


def _start(transport: Transport, running: contextlib.ExitStack) -> AgentClient:
    left = _TRIES
    while True:
        left -= 1
        bundle = ensure_agent(transport)
        try:
            return running.enter_context(start_agent(transport, bundle.remote_path, bundle.sha256))
        except GroupNLError:
            if not left or _look(transport, bundle) == bundle.sha256:
                raise


def push_artifact(
    transport: Transport,
    artifact: Artifact,
    sent: Sent = lambda done, total: None,
    *,
    wait_s: float = DEFAULT_WAIT_S,
    say: Say = lambda text: None,
) -> Deployment:
    """Upload, then have the agent verify, name and record it in one step. What is there already is not sent again.

    Waits up to `wait_s` for whatever else runs on the device; `say` is told, in a sentence, for whom.
    Raises `DiskFull`, `VerificationFailed`, `DeviceUnreachable`, `DeviceFault`.
    """
    with open_agent(transport) as agent:
        take_lock(agent, transport.name, f"a push of {artifact.manifest.label}", wait_s, say)
        incoming = agent.open_push(artifact.sha256).incoming
        if incoming is not None:
            try:
                _upload(transport, artifact, incoming, sent)
            except DeviceFault:
                agent.raise_if_gone()  # then this is why, and the refusal only what followed
                raise
        return agent.commit_push(transport.name, datetime.now(UTC).isoformat(timespec="seconds"))


def find_deployment(deployments: Sequence[Deployment], device: str, backend: str, wanted: str | None) -> Deployment:
    """The deployment to run: the one whose id begins with `wanted`, else the newest that `backend` can run."""
    if wanted is not None:
        matches = [item for item in deployments if item.artifact_sha256.startswith(wanted)]
        if not matches:
            raise UsageError(
                f"No artifact {wanted[:12]} was pushed to {device}.",
                "Push it first: groupnl push, or in a campaign groupnl run … --from push.",
            )
        if len({item.artifact_sha256 for item in matches}) > 1:
            raise UsageError(f"{wanted} begins the ids of several artifacts.", "Give more digits of the one you mean.")
        return _runnable(matches[-1], backend)
    formats = BACKENDS[backend].formats
    matches = [item for item in deployments if item.format in formats]
    if not matches:
        raise UsageError(
            f"Nothing that {backend} can run was pushed to {device} yet.",
            f"Export with --format {formats[0]}, then: groupnl push ARTIFACT --device {device}",
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
    major, minor, digest = ask_python(transport, _LOOK, transport.path(bundle.remote_path))
    if (int(major), int(minor)) < _OLDEST_PYTHON:
        raise DeviceUnreachable(
            f"{transport.python} on {transport.name} is Python {major}.{minor}; the agent needs 3.11 or newer.",
            f"Install a newer Python there. {naming_python(transport.name)}",
        )
    return digest


def _upload(transport: Transport, artifact: Artifact, directory: str, sent: Sent) -> None:
    total = sum(path.stat().st_size for path in artifact.files)
    done = 0
    for path in artifact.files:
        data, before = path.read_bytes(), done
        transport.put(data, f"{directory}/{path.name}", lambda count, before=before: sent(before + count, total))  # type: ignore[misc]
        done += len(data)
        sent(done, total)
