"""Pushing an artifact: verified here, sent to a device, verified and recorded there.

The host announces the files and sends what is missing of them; the agent does the rest under the device's lock
(`device_agent.push`). So no two pushes, and no push and no benchmark, ever meet, and what a push that was cut short has
brought is not sent again by the next. No answer is waited for that nothing depends on.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from device_agent.backend_table import backends_for
from device_agent.file_digest import FileDigest
from device_agent.manifest import MANIFEST_FILE
from device_agent.messages.doctor import AskReadiness
from device_agent.messages.ledger import Deployment
from device_agent.messages.push import CommitPush, OpenPush, PushFile, PushOpened, SendFile
from exporters.artifact import Artifact, open_artifact
from groupnl_deploy.deploy.acceptance import Pushed, accept_artifact
from groupnl_deploy.deploy.doctor import require_fit
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.deploy.native import agent_with_library, send_library
from groupnl_deploy.mistaken import require_is
from groupnl_deploy.progress import Reporter, Say, Silence, Unrepeated
from groupnl_deploy.recheck import require_artifact
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S, Budget, retrying
from groupnl_deploy.remote.transfer import held_bytes, pieces
from groupnl_deploy.remote.transport import Transport
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S, ORPHAN_S, await_lock, lock_request

Sent = Callable[[int, int], None]
"""Told how many bytes of the files are there, first of all those of an earlier push, and how many there are in all."""


@dataclass
class Sending:
    """How far a push has come, in all of its tries.

    Args:
        tries: that were begun.
        is_connected: whether there is a connection just now, and so something at its far end.
        most_bytes: of the artifact's files that were there at once.
        sent_bytes: of them that were sent, also in vain.
        was_there: whether the artifact was there before the first try, and whole.
    """

    tries: int = 0
    is_connected: bool = False
    most_bytes: int = 0
    sent_bytes: int = 0
    was_there: bool = True
    _before_bytes: int | None = None

    @contextmanager
    def trying(self) -> Iterator[None]:
        """One try."""
        self.tries += 1
        self._before_bytes = None
        try:
            yield
        finally:
            self.is_connected = False

    def sent(self, done_bytes: int) -> None:
        """So many bytes are there; the first ones of a try were there before it."""
        before_bytes = done_bytes if self._before_bytes is None else self._before_bytes
        self.sent_bytes += done_bytes - before_bytes
        self.most_bytes, self._before_bytes = max(self.most_bytes, done_bytes), done_bytes
        self.was_there = False

    @property
    def when_stopped(self) -> str:
        """What is to be said of Ctrl-C: how the same command goes on."""
        if not self.sent_bytes:
            return "Run the command again; nothing of the artifact had been sent by this one."
        return "Run the command again within a day: it sends only what has not arrived."


def deploy_artifact(
    artifact_dir: Path,
    device_name: str,
    reporter: Reporter,
    *,
    wait_s: float = DEFAULT_WAIT_S,
    retry_for_s: float = DEFAULT_RETRY_S,
    checkpoint: Path | None = None,
    sending: Sending | None = None,
) -> Pushed:
    """Verify an artifact here, send it to a device, have it verified and tried there; see `deploy_checked`.

    `sending` says how far it has come. Raises `UsageError` for what is no artifact. One that the device does not accept
    is there all the same.
    """
    artifact, device = checked_artifact(artifact_dir, checkpoint, reporter.note), get_device(device_name)
    return deploy_checked(artifact, device, reporter, wait_s=wait_s, retry_for_s=retry_for_s, sending=sending)


def checked_artifact(folder: Path, checkpoint: Path | None, say: Say) -> Artifact:
    """An artifact whose manifest was held against its files. `say` hears what could not be checked.

    Raises `UsageError` for what is none, and what `require_artifact` does.
    """
    require_is(folder, "artifact")
    artifact = open_artifact(folder)
    for note in require_artifact(artifact, checkpoint):
        say(f"Note: {note}.")
    return artifact


def deploy_checked(
    artifact: Artifact,
    device: Device,
    reporter: Reporter,
    *,
    wait_s: float,
    retry_for_s: float,
    sending: Sending | None = None,
) -> Pushed:
    """Send an artifact that was verified here to a device, have it verified and tried there.

    Where the device cannot be reached, or the link is lost, that is tried again, for up to `retry_for_s` seconds in
    which not a byte more comes across; what is there already is not sent again. `sending` says how far it has come.
    """
    across, told = sending or Sending(), Unrepeated(reporter)

    with reporter.task(f"{device.name}: push {artifact.manifest.label}") as task:

        def sent(done_bytes: int, total_bytes: int) -> None:
            across.sent(done_bytes)
            task(
                done_bytes, total_bytes, _across(done_bytes, total_bytes) if done_bytes < total_bytes else "tried there"
            )

        def push() -> Pushed:
            with across.trying(), connect(device, told.note) as transport:
                across.is_connected = True
                patience_s = wait_s if across.tries == 1 else max(wait_s, ORPHAN_S)
                return push_and_accept(transport, artifact, sent, wait_s=patience_s, reporter=told)

        return retrying(push, Budget(retry_for_s), reporter.note, lambda: across.most_bytes)


def _across(done_bytes: int, total_bytes: int) -> str:
    return f"{done_bytes / 1e6:.1f} of {total_bytes / 1e6:.1f} MB"


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
        return accept_artifact(agent, transport.name, deployment)


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
    native = artifact.manifest.native
    backends = backends_for(artifact.manifest.format, native=native is not None)
    lock = lock_request(f"a push of {artifact.manifest.label}", wait_s)
    opening = OpenPush(artifact.sha256, announced(artifact))
    with ExitStack() as running:
        first = (AskReadiness(backends), *(() if native else (lock, opening)))
        agent = running.enter_context(open_agent(transport, first))
        require_fit(agent, transport.name, "push", reporter.note, backends=backends, sent=True, one_is_enough=True)
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


def announced(artifact: Artifact) -> tuple[PushFile, ...]:
    """The files that a push of it announces, the manifest among them."""
    manifest = artifact.directory / MANIFEST_FILE
    files = (*artifact.manifest.files, FileDigest(MANIFEST_FILE, artifact.sha256, manifest.stat().st_size))
    return tuple(PushFile(file.name, file.sha256, file.bytes) for file in files)


def _send_files(agent: AgentClient, artifact: Artifact, opened: PushOpened, sent: Sent) -> list[SendFile]:
    """Send what the device lacks of each file; the requests whose answers are to come."""
    requests, held = [], {file.name: file.marks for file in opened.held}
    begun = {path: held_bytes(path, held.get(path.name, ())) for path in artifact.files}
    total_bytes, done_bytes = sum(path.stat().st_size for path in begun), sum(begun.values())
    sent(done_bytes, total_bytes)
    for path, offset_bytes in begun.items():
        size_bytes = path.stat().st_size

        def tell(across_bytes: int, before_bytes: int = done_bytes - offset_bytes) -> None:
            sent(before_bytes + across_bytes, total_bytes)

        if offset_bytes < size_bytes or not size_bytes:
            requests.append(SendFile(path.name, offset_bytes))
            agent.send(requests[-1])
            agent.send_bytes(pieces(path, offset_bytes, tell))
        done_bytes += size_bytes - offset_bytes
    sent(done_bytes, total_bytes)
    return requests
