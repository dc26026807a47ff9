"""Pushing an artifact: verified here, sent to a device, verified and recorded there.

The host announces the files and sends what is missing of them; the agent does the rest under the device's lock
(`device_agent.push`). So no two pushes, and no push and no benchmark, ever meet, and what a push that was cut short has
brought is not sent again by the next. No answer is waited for that nothing depends on.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from device_agent.backend_table import backend_for
from device_agent.manifest import MANIFEST_FILE, FileDigest
from device_agent.messages.doctor import AskReadiness
from device_agent.messages.ledger import Deployment
from device_agent.messages.push import CommitPush, OpenPush, PushFile, PushOpened, SendFile
from exporters.artifact import Artifact, open_artifact
from groupnl_deploy.deploy.acceptance import Pushed, accept_artifact
from groupnl_deploy.deploy.doctor import require_fit
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.deploy.native import agent_with_library, send_library
from groupnl_deploy.mistaken import require_is
from groupnl_deploy.progress import Reporter, Silence
from groupnl_deploy.recheck import require_artifact
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.transfer import held_bytes, pieces
from groupnl_deploy.remote.transport import Transport
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S, await_lock, lock_request

Sent = Callable[[int, int], None]
"""Told bytes sent and bytes in all."""


def deploy_artifact(
    artifact_dir: Path,
    device_name: str,
    reporter: Reporter,
    *,
    wait_s: float = DEFAULT_WAIT_S,
    checkpoint: Path | None = None,
) -> Pushed:
    """Verify an artifact here, send it to a device, have it verified and tried there.

    Raises `UsageError` for what is no artifact. One that the device does not accept is there all the same.
    """
    require_is(artifact_dir, "artifact")
    artifact, device = open_artifact(artifact_dir), get_device(device_name)
    _note_all(reporter, require_artifact(artifact, checkpoint))
    told = f"push {artifact.manifest.label} to {device.name}"
    with connect(device, reporter.note) as transport, reporter.task(told) as task:
        return push_and_accept(
            transport,
            artifact,
            lambda done, total: task(done, total, "bytes" if done < total else "tried there"),
            wait_s=wait_s,
            reporter=reporter,
        )


def _note_all(reporter: Reporter, notes: Iterable[str]) -> None:
    for note in notes:
        reporter.note(f"Note: {note}.")


def push_and_accept(
    transport: Transport,
    artifact: Artifact,
    sent: Sent = lambda done, total: None,
    *,
    wait_s: float = DEFAULT_WAIT_S,
    reporter: Reporter | None = None,
) -> Pushed:
    """`push_artifact`, and then have the device try it, under the same lock."""
    with _pushed(transport, artifact, sent, wait_s, reporter or Silence()) as (agent, deployment):
        return accept_artifact(agent, deployment)


def push_artifact(
    transport: Transport,
    artifact: Artifact,
    sent: Sent = lambda done, total: None,
    *,
    wait_s: float = DEFAULT_WAIT_S,
    reporter: Reporter | None = None,
) -> Deployment:
    """Send it, then have the agent verify, name and record it in one step. What is there already is not sent again.

    Waits up to `wait_s` for whatever else runs on the device; `reporter` is told, in a sentence, for whom. With native
    operators goes the library that computes them there; what cannot run there is refused first.
    Raises `DiskFull`, `VerificationFailed`, `DeviceUnreachable`, `DeviceFault`, `UsageError`.
    """
    with _pushed(transport, artifact, sent, wait_s, reporter or Silence()) as (_, deployment):
        return deployment


@contextmanager
def _pushed(
    transport: Transport, artifact: Artifact, sent: Sent, wait_s: float, reporter: Reporter
) -> Iterator[tuple[AgentClient, Deployment]]:
    """The agent that has it now, and still holds the device's lock."""
    native, backends = artifact.manifest.native, (backend_for(artifact.manifest.format),)
    lock = lock_request(f"a push of {artifact.manifest.label}", wait_s)
    opening = OpenPush(artifact.sha256, _announced(artifact))
    with ExitStack() as running:
        first = (AskReadiness(backends), *(() if native else (lock, opening)))
        agent = running.enter_context(open_agent(transport, first))
        require_fit(agent, transport.name, "push", reporter.note, backends=backends, sent=True)
        if native is not None:
            agent = agent_with_library(running, transport, agent, native, reporter)
            agent.send(lock, opening)
        await_lock(agent, transport.name, lock, reporter.note)
        opened = agent.answer_to(opening)
        if native is not None:
            send_library(agent, native, threads=1, mend=True)
        commit = CommitPush(transport.name, datetime.now(UTC).isoformat(timespec="seconds"))
        requests = [] if opened.incoming is None else _send_files(agent, artifact, opened, sent)
        agent.send(commit)
        for request in requests:
            agent.answer_to(request)
        yield agent, agent.answer_to(commit)


def _announced(artifact: Artifact) -> tuple[PushFile, ...]:
    manifest = artifact.directory / MANIFEST_FILE
    files = (*artifact.manifest.files, FileDigest(MANIFEST_FILE, artifact.sha256, manifest.stat().st_size))
    return tuple(PushFile(file.name, file.sha256, file.bytes) for file in files)


def _send_files(agent: AgentClient, artifact: Artifact, opened: PushOpened, sent: Sent) -> list[SendFile]:
    """Send what the device lacks of each file; the requests whose answers are to come."""
    requests, held = [], {file.name: file.marks for file in opened.held}
    total_bytes, done_bytes = sum(path.stat().st_size for path in artifact.files), 0
    for path in artifact.files:
        size_bytes, offset_bytes = path.stat().st_size, held_bytes(path, held.get(path.name, ()))

        def tell(across_bytes: int, before_bytes: int = done_bytes) -> None:
            sent(before_bytes + across_bytes, total_bytes)

        if offset_bytes < size_bytes or not size_bytes:
            requests.append(SendFile(path.name, offset_bytes))
            agent.send(requests[-1])
            agent.send_bytes(pieces(path, offset_bytes, tell))
        done_bytes += size_bytes
        sent(done_bytes, total_bytes)
    return requests
