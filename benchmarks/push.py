"""How fast an artifact gets to a device, beside OpenSSH's `sftp` with the same server, over four links.

    python benchmarks/push.py [--runs 3] [--link NAME]

For each link: a file of 100 MB by `sftp` in batch mode, and an artifact with that file by a push, in turn; from
connecting to the answer that every digest was verified ("verified"), and to the artifact's being on the disk under its
name ("committed"; `sftp` flushes nothing). Then an artifact of 1.5 MB, one that is there already, and a request to an
agent that runs. The time to import groupnl is in none of them. The links but loopback are real ones, with round trips
and lost packets (`network_link.py`); where this machine cannot have them, that is said.
"""

import argparse
import getpass
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for tests.rigs

from benchmarks.network_link import THERE, LinkKind, network_link, why_not
from device_agent.messages.clock import Ping
from exporters.artifact import Artifact
from groupnl_deploy.deploy.push import push_artifact
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from tests.device_agent.graph_artifacts import graph_artifact, masked_text, text_samples
from tests.rigs.large_artifact import large_artifact
from tests.rigs.openssh_server import KEYS_ALONE, find_sshd, start_sshd

LOOPBACK = LinkKind("loopback")
LINKS = (
    LOOPBACK,
    LinkKind("40 Mbit/s, 5 ms", round_trip_s=0.005, bits_per_s=40e6),
    LinkKind("30 ms, 1 % loss", round_trip_s=0.030, loss=0.01),
    LinkKind("100 ms", round_trip_s=0.100),
)
LARGE_BYTES, SMALL_BYTES = 100_000_000, 1_500_000
_SSHD_CONFIG = f"""\
Port {{port}}
ListenAddress {{address}}
HostKey {{folder}}/host_key
PidFile none
AuthorizedKeysFile {{folder}}/identity.pub
{KEYS_ALONE}SetEnv HOME={{folder}}
Subsystem sftp internal-sftp
"""
_PINGS = 300


@dataclass(frozen=True)
class Board:
    """A device behind a link, and the command that gives OpenSSH's client the same server."""

    device: Device
    sftp: tuple[str, ...]

    def bare(self) -> "Board":
        """The same device with an empty root."""
        return replace(self, device=replace(self.device, root=tempfile.mkdtemp(dir=Path(self.device.root).parent)))

    def anew(self) -> "Board":
        """The same device with a root that has the agent and nothing else."""
        board = self.bare()
        with connect(board.device) as transport, open_agent(transport):
            return board


@contextmanager
def board(kind: LinkKind, folder: Path) -> Iterator[Board]:
    """A real OpenSSH server behind a link."""
    with ExitStack() as held:
        netns, address = tuple[str, ...](), "127.0.0.1"
        if kind != LOOPBACK:
            netns, address = ("ip", "netns", "exec", held.enter_context(network_link(kind))), THERE

        def config(ports: Sequence[int]) -> str:
            return _SSHD_CONFIG.format(port=ports[0], address=address, folder=folder)

        server, (port,) = start_sshd(find_sshd() or "sshd", folder, config, address=address, within=netns)
        held.callback(_end, server)
        known = f"[{address}]:{port} {(folder / 'host_key.pub').read_text()}"
        (folder / "known_hosts").write_text(known)
        yield _described(folder, address, port)


def _end(server: "subprocess.Popen[bytes]") -> None:
    """And its sessions: nobody tells them that the link is gone."""
    for session in psutil.Process(server.pid).children(recursive=True):
        session.kill()
    server.terminate()
    server.wait()


def _described(folder: Path, address: str, port: int) -> Board:
    user, identity = getpass.getuser(), str(folder / "identity")
    options = f"-F none -i {identity} -o UserKnownHostsFile={folder}/known_hosts -o IdentitiesOnly=yes".split()
    sftp = ("sftp", *options, "-P", str(port), "-b", "-", f"{user}@{address}")
    key = " ".join((folder / "host_key.pub").read_text().split()[:2])
    device = Device("board", "ssh", address, user, port, identity, sys.executable, str(folder / "root"), host_key=key)
    return Board(device, sftp)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--link", choices=[link.name for link in LINKS])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for key in ("host_key", "identity"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
        like = graph_artifact(folder / "like", masked_text(), text_samples())
        large, small = (large_artifact(like, folder / f"{size}", size) for size in (LARGE_BYTES, SMALL_BYTES))
        for link in LINKS:
            lacking = None if link == LOOPBACK else why_not()
            if lacking:
                print(f"\n{link.name}: not measured, as it needs {lacking}")
            elif asked.link in (None, link.name):
                with board(link, folder) as there:
                    measure(there, link, large, small, asked.runs)


def measure(there: Board, link: LinkKind, large: Artifact, small: Artifact, runs: int) -> None:
    """All figures of one link."""
    print(f"\n{link.name}", flush=True)
    pushes, copies = [], []
    for _ in range(runs):
        copies.append(sftp_s(there, large))
        pushes.append(push_s(there.anew(), large))
    sftp, verified, committed = (statistics.median(taken) for taken in (copies, *zip(*pushes, strict=True)))
    print(f"  100 MB         {sftp:7.2f} s sftp")
    print(f"                 {verified:7.2f} s verified,  {sftp / verified:.2f} times as fast")
    print(f"                 {committed:7.2f} s committed, {sftp / committed:.2f} times as fast", flush=True)
    warm = statistics.median(push_s(there.anew(), small)[1] for _ in range(runs))
    cold = statistics.median(push_s(there.bare(), small)[1] for _ in range(runs))
    print(f"  1.5 MB         {warm:7.2f} s; {cold:.2f} s to a device without the agent")
    known = there.anew()
    push_s(known, small)
    again = min(push_s(known, small)[1] for _ in range(runs + 2))
    trips = f"; less than {again / link.round_trip_s:.1f} round trips" if link.round_trip_s else ""
    print(f"  there already  {again:7.2f} s{trips}")
    print(f"  one request    {request_ms(known):7.2f} ms", flush=True)


def sftp_s(there: Board, artifact: Artifact) -> float:
    """From connecting to the end of OpenSSH's own client, which puts the model alone."""
    batch = f"put {artifact.path('model')} {tempfile.mkdtemp(dir=Path(there.device.root).parent)}/\n"
    begin = time.perf_counter()
    subprocess.run(there.sftp, input=batch.encode(), check=True, capture_output=True)
    return time.perf_counter() - begin


def push_s(there: Board, artifact: Artifact) -> tuple[float, float]:
    """From connecting until the digest was verified, and until the artifact has its name."""
    arrived: list[float] = []
    begin = time.perf_counter()
    with connect(there.device) as transport, _watched(arrived):
        push_artifact(transport, artifact)
        committed = time.perf_counter() - begin
    return (arrived[-1] - begin if arrived else committed), committed


@contextmanager
def _watched(arrived: list[float]) -> Iterator[None]:
    """Note when each answer has come that a file has arrived."""
    answer_to: Callable[..., object] = AgentClient.answer_to

    def noting(agent: AgentClient, request: object) -> object:
        answer = answer_to(agent, request)
        if type(request).__name__ == "SendFile":
            arrived.append(time.perf_counter())
        return answer

    AgentClient.answer_to = noting  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        AgentClient.answer_to = answer_to  # type: ignore[method-assign]


def request_ms(there: Board) -> float:
    """The median of many requests to an agent that runs."""
    with connect(there.device) as transport, open_agent(transport) as agent:
        return statistics.median(_times_ms(lambda: agent.ask(Ping()), _PINGS))


def _times_ms(act: Callable[[], object], count: int) -> Sequence[float]:
    taken = []
    for _ in range(count):
        begin = time.perf_counter()
        act()
        taken.append((time.perf_counter() - begin) * 1000)
    return taken


if __name__ == "__main__":
    main()
