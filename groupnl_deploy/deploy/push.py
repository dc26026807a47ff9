"""Pushing an artifact: verified here, sent to a device, verified and recorded there.

The host uploads, and the agent does the rest under the device's lock (`device_agent.push`). So no two pushes, and
no push and no benchmark, ever meet, and a host that dies leaves nothing that the next push does not remove.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from device_agent.messages.ledger import Deployment
from device_agent.messages.push import CommitPush, OpenPush
from exporters.artifact import Artifact, open_artifact
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.deploy.native import agent_with_library, send_library
from groupnl_deploy.errors import DeviceFault
from groupnl_deploy.mistaken import require_is
from groupnl_deploy.progress import Reporter, Silence
from groupnl_deploy.recheck import require_artifact
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.transport import Transport
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S, take_lock

Sent = Callable[[int, int], None]
"""Told bytes sent and bytes in all."""


def deploy_artifact(
    artifact_dir: Path,
    device_name: str,
    reporter: Reporter,
    *,
    wait_s: float = DEFAULT_WAIT_S,
    checkpoint: Path | None = None,
) -> Deployment:
    """Verify an artifact here, send it to a device, have it verified there. Raises `UsageError` for what is none."""
    require_is(artifact_dir, "artifact")
    artifact, device = open_artifact(artifact_dir), get_device(device_name)
    _note_all(reporter, require_artifact(artifact, checkpoint))
    with connect(device) as transport, reporter.task(f"push {artifact.manifest.label} to {device.name}") as task:
        return push_artifact(
            transport,
            artifact,
            lambda done, total: task(done, total, "bytes"),
            wait_s=wait_s,
            reporter=reporter,
        )


def _note_all(reporter: Reporter, notes: Iterable[str]) -> None:
    for note in notes:
        reporter.note(f"Note: {note}.")


def push_artifact(
    transport: Transport,
    artifact: Artifact,
    sent: Sent = lambda done, total: None,
    *,
    wait_s: float = DEFAULT_WAIT_S,
    reporter: Reporter | None = None,
) -> Deployment:
    """Upload, then have the agent verify, name and record it in one step. What is there already is not sent again.

    Waits up to `wait_s` for whatever else runs on the device; `reporter` is told, in a sentence, for whom. With native
    operators goes the library that computes them there; what cannot run there is refused first.
    Raises `DiskFull`, `VerificationFailed`, `DeviceUnreachable`, `DeviceFault`, `UsageError`.
    """
    native, reporter = artifact.manifest.native, reporter or Silence()
    with ExitStack() as running:
        agent = running.enter_context(open_agent(transport))
        agent = agent_with_library(running, transport, agent, native, reporter)
        take_lock(agent, transport.name, f"a push of {artifact.manifest.label}", wait_s, reporter.note)
        if native is not None:
            send_library(agent, transport, native, threads=1, mend=True)
        incoming = agent.ask(OpenPush(artifact.sha256)).incoming
        if incoming is not None:
            try:
                _upload(transport, artifact, incoming, sent)
            except DeviceFault:
                agent.raise_if_gone()  # then this is why, and the refusal only what followed
                raise
        return agent.ask(CommitPush(transport.name, datetime.now(UTC).isoformat(timespec="seconds")))


def _upload(transport: Transport, artifact: Artifact, directory: str, sent: Sent) -> None:
    total_bytes, done_bytes = sum(path.stat().st_size for path in artifact.files), 0
    for path in artifact.files:

        def tell(across_bytes: int, before_bytes: int = done_bytes) -> None:
            sent(before_bytes + across_bytes, total_bytes)

        transport.put(path, f"{directory}/{path.name}", tell)
        done_bytes += path.stat().st_size
        sent(done_bytes, total_bytes)
