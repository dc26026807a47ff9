"""Pushes over a real OpenSSH server that are killed at random moments, and what must hold whatever happened.

At every instant `current/<format>` is absent or an artifact that is whole and was accepted; a push behind the kill
comes to its end, and sends no byte that is there already.
"""

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil

from device_agent import ledger
from exporters.artifact import Artifact, open_artifact
from groupnl_deploy.remote.device import Device
from tests.remote.current_watch import CurrentWatch, watched
from tests.remote.kill_limits import Limit
from tests.remote.weak_link import WeakLink, weak_link
from tests.rigs.openssh_server import KEYS_ALONE, isolate_client, start_sshd

VICTIMS = ("nobody", "host", "agent", "trial", "sshd", "reset", "silent")
"""Who is killed: a host's process, the agent, its trial of an artifact, the server's session; or how the link is cut.

Who may mount file systems and make control groups has two more: a "disk" that is full, and "memory" that runs out. An
emulated Pi has a "plug" (`tests/pi/pull_plugs.py`).
"""

_SSHD_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/identity.pub
{keys}"""
_DELAY_S = 0.01
_SPARE_BYTES = 100_000  # what a session says beside an artifact's bytes: keys, requests, SSH's own
_ENDS_WITHIN_S = 150.0
_SEEN_WITHIN_S = 15.0
_LEAVES_WITHIN_S = 60.0  # agents of one cut link take their host for gone one behind the other
_MOST_ARTIFACTS = 8  # as many again come in one moment; the small disk of kill_limits.py holds 24
_COMMITTED = 0.4
"""How many of the moments lie in the last third of a push: commit, acceptance and switch are in it."""


@dataclass(frozen=True)
class Board:
    """A device behind a weak link, somebody who looks at its `current`, and what a host's environment is."""

    device: Device
    root: Path
    link: WeakLink
    sshd_pid: int
    environment: dict[str, str]
    watch: CurrentWatch
    limits: dict[str, Limit] = field(default_factory=dict)


@contextmanager
def board(program: str, folder: Path, root: Path, bytes_per_s: float | None) -> Iterator[Board]:
    """A server of its own, started by `program`, 20 ms away, whose link carries so much."""
    for name in ("host_key", "identity"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    home = folder / "home"
    home.mkdir()
    tools = isolate_client(folder, home)
    child, (port,) = start_sshd(
        program, folder, lambda ports: _SSHD_CONFIG.format(port=ports[0], folder=folder, keys=KEYS_ALONE)
    )
    host_key = " ".join((folder / "host_key.pub").read_text().split()[:2])
    environment = {"HOME": str(home), "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "SSH_AUTH_SOCK": ""}
    try:
        with weak_link(port, _DELAY_S, bytes_per_s) as link, watched(root) as watch:
            device = Device(
                "board",
                "ssh",
                host="127.0.0.1",
                port=link.port,
                identity=str(folder / "identity"),
                python=sys.executable,
                root=str(root),
                host_key=host_key,
            )
            yield Board(device, root, link, child.pid, environment, watch)
    finally:
        child.terminate()
        child.wait(10)


@dataclass(frozen=True)
class Moment:
    """Who pushes what, how long after the first, and who is killed how long after that.

    A trial is killed so long after it was seen, and with `committed` everybody after an artifact has its name.
    """

    seed: int
    artifacts: tuple[int, ...]
    starts_s: tuple[float, ...]
    victim: str
    after_s: float
    committed: bool = False

    @classmethod
    def of(cls, seed: int, longest_s: float, victims: Sequence[str] = VICTIMS) -> "Moment":
        """One push, two, three or eight, of one artifact or of different ones; each victim in its turn."""
        chance = random.Random(seed)
        count = chance.choice((1,) * 7 + (2,) * 4 + (3,) * 4 + (8,))
        equal = chance.random() < 0.5
        artifacts = tuple(0 if equal else number for number in range(count))
        starts_s = (0.0, *(chance.uniform(0, longest_s / 2) for _ in range(count - 1)))
        victim, committed = victims[seed % len(victims)], chance.random() < _COMMITTED
        close = committed or victim == "trial"
        return cls(
            seed, artifacts, starts_s, victim, chance.uniform(0, longest_s / 3 if close else longest_s), committed
        )


@dataclass(frozen=True)
class Played:
    """What was there when the pushes had ended, and what the second ones sent.

    Args:
        moment: what was planned.
        ends: how each push ended: "accepted", an error's name, "killed".
        found: of each artifact: "nothing", "part", "whole" without a verdict, "refused", "accepted".
        missing_bytes: of the artifacts, after the kill.
        sent_bytes: by the second pushes, all that SSH adds included.
        ended_s: until every push had ended.
        again_s: what the second ones took.
    """

    moment: Moment
    ends: tuple[str, ...]
    found: tuple[str, ...]
    missing_bytes: int
    sent_bytes: int
    ended_s: float
    again_s: float

    def __str__(self) -> str:
        return (
            f"{self.moment.seed} {self.moment.victim}, {self.moment.after_s:.2f} s"
            f"{' behind a commit' if self.moment.committed else ''}: {', '.join(self.ends)}; found "
            f"{', '.join(self.found)}; {self.missing_bytes:,} bytes missing, {self.sent_bytes:,} sent; "
            f"{self.ended_s:.1f} s + {self.again_s:.1f} s"
        )


def play(board: Board, source: Artifact, folder: Path, moment: Moment) -> Played:
    """Push as planned, kill, look; push again, and look again. Raises `AssertionError` for what must not be."""
    artifacts = [relabelled(source, folder, f"net-{moment.seed}-{number}") for number in sorted(set(moment.artifacts))]
    make_room(board)
    begun_s = time.monotonic()
    lift = [board.limits["memory"](random.Random(moment.seed))] if moment.victim == "memory" else []
    pushes = _start_all(board, [artifacts[number] for number in moment.artifacts], moment.starts_s)
    lift += _strike(board, moment, [push for push, _ in pushes], [artifact.sha256 for artifact in artifacts])
    ends = tuple(_end(push, answer) for push, answer in pushes)
    for one in (*lift, board.link.mend):
        one()
    ended_s = time.monotonic()
    board.watch.require_sound(moment)
    found = tuple(_found(board.root, artifact) for artifact in artifacts)
    missing = sent = 0
    for artifact in artifacts:
        lacking, before = missing_bytes(board.root, artifact), len(board.link.bytes_there)
        end = _end(*_start(board, artifact))
        assert end == "accepted", (moment, artifact.manifest.label, end)
        across = sum(board.link.bytes_there[before:])  # not what the dead ones had on the way
        assert across <= lacking * 1.01 + _SPARE_BYTES, (moment, artifact.manifest.label, lacking, across)
        missing, sent = missing + lacking, sent + across
        board.watch.require(artifact.sha256, moment)
    _await(lambda: not left_over(board.root), _LEAVES_WITHIN_S)
    assert not left_over(board.root), (moment, left_over(board.root))
    listed = {item.artifact_sha256 for item in ledger.read(board.root, locked=True).deployments}
    assert {artifact.sha256 for artifact in artifacts} <= listed, moment
    shutil.rmtree(folder)
    return Played(moment, ends, found, missing, sent, ended_s - begun_s, time.monotonic() - ended_s)


def longest_s(board: Board, source: Artifact, folder: Path) -> float:
    """How long a push takes here, from a host's start to the switch: kills are spread over that."""
    for label in ("first", "second"):  # a first one brings the agent
        begun = time.monotonic()
        end = _end(*_start(board, relabelled(source, folder, label)))
        assert end == "accepted", end
    return time.monotonic() - begun


def make_room(board: Board) -> None:
    """Where many artifacts lie there, remove those that are neither current nor previous, as `device prune` does."""
    if len(list(board.root.glob("artifacts/*"))) <= _MOST_ARTIFACTS:
        return
    process = _context.Process(target=_prune, args=(board.device, board.environment))
    process.start()
    process.join(_ENDS_WITHIN_S)
    assert process.exitcode == 0, "a prune failed"


def relabelled(artifact: Artifact, folder: Path, label: str) -> Artifact:
    """The same files under another manifest, and so another artifact."""
    target = folder / label
    target.mkdir(parents=True)
    for file in artifact.manifest.files:
        os.link(artifact.directory / file.name, target / file.name)
    (target / "manifest.json").write_bytes(replace(artifact.manifest, label=label).to_bytes())
    return open_artifact(target)


def missing_bytes(root: Path, artifact: Artifact) -> int:
    """What a push has still to send: nothing of an artifact that is whole, else what no beginning of a part covers."""
    if (root / "artifacts" / artifact.sha256 / "manifest.json").is_file():
        return 0
    missing = 0
    for file in artifact.files:
        part = root / "incoming" / artifact.sha256 / file.name
        there = part.read_bytes() if part.is_file() else b""
        whole = file.read_bytes()
        missing += len(whole) - (len(there) if whole.startswith(there) else 0)
    return missing


def left_over(root: Path) -> list[str]:
    """What no push needs any more: parts, half-removed folders, and agents that run."""
    parts = [str(path.relative_to(root)) for path in (*root.glob("incoming/*"), *root.rglob("*.part"))]
    return parts + [f"agent {pid}" for pid, _ in _agents(root)]


def _found(root: Path, artifact: Artifact) -> str:
    name = artifact.sha256
    if (root / "artifacts" / name).is_dir():
        verdicts = [word for word in ("refused", "accepted") if (root / word / f"{name}.json").is_file()]
        return next(iter(verdicts), "whole")
    return "part" if any(path.stat().st_size for path in (root / "incoming" / name).glob("*")) else "nothing"


_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.remote.kill_rig", "groupnl_deploy.deploy.push", "groupnl_deploy.remote.ssh"])

_Push = tuple[BaseProcess, Connection]


def _start(board: Board, artifact: Artifact) -> _Push:
    ours, theirs = _context.Pipe(duplex=False)
    process = _context.Process(target=_push, args=(board.device, artifact.directory, board.environment, theirs))
    process.start()
    theirs.close()
    return process, ours


def _start_all(board: Board, artifacts: Sequence[Artifact], starts_s: Sequence[float]) -> list[_Push]:
    begun, pushes = time.monotonic(), []
    for artifact, start_s in sorted(zip(artifacts, starts_s, strict=True), key=lambda pair: pair[1]):
        time.sleep(max(0.0, begun + start_s - time.monotonic()))
        pushes.append(_start(board, artifact))
    return pushes


def _push(device: Device, folder: Path, environment: dict[str, str], answer: Connection) -> None:
    """A host's process: it has what it needs imported already."""
    from groupnl_deploy.deploy.push import push_and_accept
    from groupnl_deploy.errors import GroupNLError
    from groupnl_deploy.remote.connect import connect

    os.environ.update(environment)
    try:
        with connect(device) as transport:
            answer.send(push_and_accept(transport, open_artifact(folder), wait_s=_ENDS_WITHIN_S / 2).acceptance.verdict)
    except GroupNLError as error:
        answer.send(f"{type(error).__name__}: {error.message}")


def _prune(device: Device, environment: dict[str, str]) -> None:
    from device_agent.messages.artifacts import Prune
    from groupnl_deploy.remote.agent import open_agent
    from groupnl_deploy.remote.connect import connect
    from groupnl_deploy.remote.waiting import take_lock

    os.environ.update(environment)
    with connect(device) as transport, open_agent(transport) as agent:
        take_lock(agent, device.name, "a prune", _ENDS_WITHIN_S / 2, lambda text: None)
        agent.ask(Prune(device.name, 0))


def _end(push: BaseProcess, answer: Connection) -> str:
    said = "killed"
    with suppress(EOFError):
        assert answer.poll(_ENDS_WITHIN_S), "a push does not end"
        said = answer.recv()
    push.join(10)
    return said


def _strike(
    board: Board, moment: Moment, pushes: Sequence[BaseProcess], names: Sequence[str]
) -> list[Callable[[], None]]:
    """Do it at its time; what has to be undone when the pushes have ended."""
    chance = random.Random(moment.seed)
    if moment.victim == "trial" or moment.committed:
        folders = [board.root / "artifacts" / name for name in names]
        seen = (
            (lambda: _victims(board, "trial")) if moment.victim == "trial" else (lambda: any(map(Path.is_dir, folders)))
        )
        _await(lambda: seen() or not any(push.is_alive() for push in pushes), _SEEN_WITHIN_S)
    time.sleep(moment.after_s)
    if moment.victim == "host":
        chance.choice(pushes).kill()
    elif moment.victim in ("reset", "silent"):
        board.link.cut(moment.victim)  # type: ignore[arg-type]
    elif moment.victim in board.limits and moment.victim != "memory":
        return [board.limits[moment.victim](chance)]
    elif moment.victim in ("agent", "trial", "sshd"):
        for pid in _victims(board, moment.victim):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return []


def _victims(board: Board, victim: str) -> list[int]:
    if victim == "sshd":
        return [session.pid for session in psutil.Process(board.sshd_pid).children()]
    return [pid for pid, words in _agents(board.root) if ("trial" in words) == (victim == "trial")]


def _await(seen: Callable[[], object], within_s: float) -> None:
    """Until it is seen, or for so long."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline and not seen():
        time.sleep(0.02)


def _agents(root: Path) -> list[tuple[int, list[str]]]:
    """Every process that runs a bundle of this device's, trials among them, and its command line."""
    place, found = os.fsencode(root / "agents"), []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            if place in (command := path.read_bytes()):
                found.append((int(path.parent.name), os.fsdecode(command).split("\0")))
    return found
