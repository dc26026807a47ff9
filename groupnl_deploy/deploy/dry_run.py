"""What a push would do on a device, told without a change there."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from device_agent.messages.doctor import AskReadiness
from device_agent.messages.native import AskNative
from device_agent.native_choice import TARGETS
from device_agent.sizes import MARGIN_INODES, needed_bytes, size_text
from exporters.artifact import Artifact
from groupnl_deploy.deploy.doctor import require_fit
from groupnl_deploy.deploy.getting_packages import is_uncertified, packages_command
from groupnl_deploy.deploy.outcome import Named, failure_word
from groupnl_deploy.deploy.push import Sending, announced
from groupnl_deploy.errors import DeviceUnavailable, DiskFull, NoNativeLibrary, NotAccepted, Stopped
from groupnl_deploy.progress import Reporter, Unrepeated
from groupnl_deploy.remote import boot
from groupnl_deploy.remote.bundle import build_bundle
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.look import Looked, Wanted, look
from groupnl_deploy.remote.retry import Budget, retrying
from groupnl_deploy.remote.transfer import held_bytes
from groupnl_deploy.remote.transport import Transport
from groupnl_deploy.words import command_line

LOOK_AGAIN = "Run the command again; nothing was changed anywhere."
_ANSWERS = "whether it gives the right answers there"
_BOARD = "whether clock and supply are as they should be"
_NATIVE = "whether its native operators run there"


@dataclass(frozen=True)
class Forecast:
    """What a push would do.

    Args:
        device: its name.
        error: what it would end with; None: nothing that was found would stop it.
        elapsed_s: that the look took.
        looked: what was found; None where the device was not reached.
        missing: how many bytes of each of the artifact's files would be sent.
        agent_bytes: of the agent, if it would be sent too.
        untold: what only a push can tell, as clauses.
    """

    device: str
    error: BaseException | None = None
    elapsed_s: float = 0.0
    looked: Looked | None = None
    missing: tuple[int, ...] = ()
    agent_bytes: int = 0
    untold: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """It in a few words."""
        if self.error is not None:
            return failure_word(self.error)
        if self.looked is None or not self.looked.is_there:
            return "would be sent"
        said = {"accepted": ", accepted before", "refused": ", refused before", "pending": ", not tried yet"}
        return f"already there{said[self.looked.state]}"


@dataclass
class DryRunStep:
    """Looks what a push of an artifact that was verified here would do on one device."""

    artifact: Artifact
    device: Device
    reporter: Reporter
    retry_for_s: float
    _sending: Sending = field(default_factory=Sending)

    @property
    def is_connected(self) -> bool:
        """Whether something looks around there."""
        return self._sending.is_connected

    def unfinished(self) -> Forecast:
        """What is to be said where Ctrl-C ended it, or came before it began."""
        return Forecast(self.device.name, Stopped(LOOK_AGAIN))

    def __call__(self) -> Forecast:
        """Look; whatever is in the way is in the forecast."""
        began_s, told = time.monotonic(), Unrepeated(Named(self.reporter, self.device.name))
        try:
            with told.task(f"look at {self.device.name}"):
                found = retrying(lambda: self._look(told), Budget(self.retry_for_s), told.note)
        except KeyboardInterrupt:
            found = self.unfinished()
        except Exception as error:
            found = Forecast(self.device.name, error)
        return replace(found, elapsed_s=time.monotonic() - began_s)

    def _look(self, told: Reporter) -> Forecast:
        with self._sending.trying(), connect(self.device, told.note) as transport:
            self._sending.is_connected = True
            return forecast(transport, self.artifact, told)


def forecast(transport: Transport, artifact: Artifact, reporter: Reporter) -> Forecast:
    """Ask a device that is reached. What would stop a push is in the forecast; raises what keeps it from answering."""
    files = announced(artifact)
    manifest = artifact.manifest
    wanted = Wanted.of(artifact.sha256, manifest.format, files, native=manifest.native is not None)
    readiness = AskReadiness(tuple(wanted.backends))
    with look(transport, wanted, (readiness,)) as (looked, agent):
        marks = {file.name: file.marks for file in looked.held}
        sizes = {path: held_bytes(path, marks.get(path.name, ())) for path in artifact.files}
        missing = () if looked.is_there else tuple(path.stat().st_size - held for path, held in sizes.items())
        agent_bytes = 0 if looked.has_agent else len(build_bundle().data)
        found = Forecast(transport.name, None, 0.0, looked, missing, agent_bytes, (_ANSWERS,))
        try:
            _require_place(transport, looked)
            if agent is not None:
                asked = readiness.backends
                require_fit(agent, transport.name, "push", reporter.note, backends=asked, sent=True, one_is_enough=True)
            found = replace(found, untold=(*found.untold, *_native_untold(artifact, agent)))
            _require_room(transport, looked, [*missing, *([agent_bytes] if agent_bytes else [])])
            _require_runtime(transport, artifact, looked, agent)
        except DeviceUnavailable:  # just now: whoever asked tries again
            raise
        except Exception as error:
            return replace(found, error=error)
        return found


def _require_place(transport: Transport, looked: Looked) -> None:
    if looked.wrong:
        inodes = -1 if looked.free_inodes is None else looked.free_inodes
        what = "the artifact" if looked.has_agent else "the agent"
        raise boot.disk_refused(transport, looked.wrong, looked.free_bytes, inodes, what)


def _native_untold(artifact: Artifact, agent: AgentClient | None) -> tuple[str, ...]:
    """What cannot be told of the board, and of native operators. Raises where those cannot run there."""
    native = artifact.manifest.native
    if agent is None:
        return (_BOARD, _NATIVE) if native else (_BOARD,)
    if native is None:
        return ()
    try:
        agent.ask(AskNative(native, threads=1))
    except NoNativeLibrary:
        if (agent.machine.system, agent.machine.machine) not in TARGETS:
            raise
        return (f"{_NATIVE}, as a push would build their library first",)
    return ()


def _require_room(transport: Transport, looked: Looked, missing: Sequence[int]) -> None:
    """As the agent asks for it before it takes a byte."""
    if not missing:
        return
    needed, name = needed_bytes(missing, looked.block_bytes), transport.name
    prune = f"`{command_line('device', 'prune', name)}` removes artifacts that are no longer used"
    if needed > looked.free_bytes:
        raise DiskFull(
            f"{name}: The disk there is full: {size_text(needed)} more are needed below {looked.root}, "
            f"{size_text(looked.free_bytes)} are free.",
            f"Free some space there: {prune}, `sudo apt clean` downloaded packages.",
        )
    if looked.free_inodes is not None and len(missing) + MARGIN_INODES > looked.free_inodes:
        raise DiskFull(
            f"{name}: The file system there has no inodes left for more files: {looked.free_inodes} are free.",
            f"Remove files there that nobody needs: `df -i` shows how many there may be; {prune}.",
        )


def _require_runtime(transport: Transport, artifact: Artifact, looked: Looked, agent: AgentClient | None) -> None:
    if looked.missing:
        # What a board is that has no agent yet, provisioning asks, and says then what its command lacks.
        uncertified = agent is not None and is_uncertified(agent.machine, agent.python, looked.backend)
        command = packages_command(transport.name, looked.backend, uncertified=uncertified)
        raise NotAccepted(
            f"{transport.name} would keep {artifact.manifest.label} ({artifact.sha256[:12]}), not accepted yet: the "
            f"backend {looked.backend} lacks {', '.join(looked.missing)} (looked for by {looked.python}).",
            f"Run: {command}. Then push it.",
        )
