"""A benchmark whose link is lost, however that is, goes on and is spooled whole, and then nothing runs any more.

Real agents on pipes; tests/bench/test_reconnect.py has the host and its SSH server.
"""

import base64
import contextlib
import fcntl
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from device_agent import running, spool, wire
from device_agent.lock import DeviceLock
from device_agent.messages.alive import Abort, Alive
from device_agent.messages.bench import (
    PHASES,
    BenchBegun,
    BenchDone,
    BenchFrame,
    BenchRequest,
    ImagePayload,
    Latencies,
    Phase,
    PhaseMark,
    PhaseSpan,
)
from device_agent.messages.spool import (
    AskBench,
    BenchFetched,
    BenchForgotten,
    BenchState,
    BenchStates,
    BenchStopped,
    FetchBench,
    ForgetBench,
    ListBenches,
    StopBench,
)
from device_agent.settings import Settings, Workload
from groupnl_deploy.remote.bundle import build_bundle

pytestmark = pytest.mark.alone

F_SETPIPE_SZ = 1031
IMAGES = [ImagePayload((3, 32, 32), base64.b64encode(bytes(3 * 32 * 32)).decode())]
SHORT = Workload(idle_s=0.2, warmup_s=0.1, min_iterations=20, min_seconds=0.2)
LONG = Workload(idle_s=60.0)
# The same agent with another constant, for what would take a minute, or with a model that never answers.
PATCHED = "import sys; sys.argv = sys.argv[1:]; {}; from device_agent.__main__ import main; main()"


@dataclass
class Agent:
    """An agent, spoken to in messages."""

    process: "subprocess.Popen[bytes]"

    def send(self, *messages: wire.Message) -> None:
        self.process.stdin.write(b"".join(wire.encode(message) + b"\n" for message in messages))
        self.process.stdin.flush()

    def read(self) -> wire.Message:
        """The next message but for signs of life."""
        while (message := wire.decode(self.process.stdout.readline())) == Alive():
            pass
        return message

    def ask(self, request: wire.Request) -> wire.Message:
        self.send(request)
        return self.read()

    def read_until(self, kind: type[wire.Message], phase: Phase | None = None) -> wire.Message:
        while True:
            message = self.read()
            if isinstance(message, kind) and (phase is None or message.phase == phase):
                return message


class Board:
    """A device's folder with an artifact of random weights, and its agents."""

    def __init__(self, root: Path, artifact) -> None:
        self.root, self.artifact = root, artifact
        self.id = secrets.token_hex(6)
        self.bundle = root / "agents" / "agent.pyz"
        self.bundle.parent.mkdir(parents=True)
        self.bundle.write_bytes(build_bundle().data)
        (root / "artifacts").mkdir()
        (root / "artifacts" / artifact.sha256).symlink_to(artifact.directory)
        self.agents: list[Agent] = []

    def agent(self, patch: str | None = None, pipe_bytes: int | None = None) -> Agent:
        how = [] if patch is None else ["-c", PATCHED.format(patch)]
        process = subprocess.Popen(
            [sys.executable, *how, str(self.bundle)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if pipe_bytes is not None:
            fcntl.fcntl(process.stdout, F_SETPIPE_SZ, pipe_bytes)
        self.agents.append(Agent(process))
        assert self.agents[-1].process.stdout.readline().startswith(b'{"type":"hello"')
        return self.agents[-1]

    def begin(self, workload: Workload = SHORT, **how: object) -> Agent:
        agent = self.agent(**how)
        settings = Settings(1, workload=workload)
        directory = f"artifacts/{self.artifact.sha256}"
        request = BenchRequest(directory, self.artifact.sha256, "null", settings, len(IMAGES), 0.05, self.id)
        agent.send(request, BenchFrame("the host's words"), *IMAGES)
        return agent

    def require_nothing_runs(self, agent: Agent) -> None:
        assert agent.process.wait(60) == 0
        assert running.running(self.root) == [] and running.pids_of(self.id) == []
        lock = DeviceLock(self.root / "agents" / "bench.lock")
        lock.take("a test", 0)
        lock.release()

    def require_spooled(self) -> list[wire.Message]:
        """The whole benchmark lies in the spool, from its first word; its messages."""
        bench, lines = spool.read(self.root, self.id)
        messages = [wire.decode(line) for line in lines]
        assert isinstance(messages[0], BenchBegun) and isinstance(messages[-1], BenchDone)
        assert tuple(one.phase for one in messages if isinstance(one, PhaseSpan)) == PHASES
        latencies = [one for part in messages if isinstance(part, Latencies) for one in part.latencies_ns]
        assert len(latencies) == messages[-1].iterations >= 20
        assert (bench.frame, bench.fault, bench.request.bench_id) == ("the host's words", None, self.id)
        assert [path.name for path in (self.root / "spool").iterdir()] == [self.id]
        return messages

    def require_no_spool(self) -> None:
        assert list((self.root / "spool").iterdir()) == []


@pytest.fixture
def board(tmp_path: Path, untrained) -> Iterator[Board]:
    board = Board(tmp_path / "board", untrained.onnx)
    yield board
    for agent in board.agents:
        agent.process.kill()
        agent.process.wait()


def lose_stdin(agent: Agent) -> None:
    agent.process.stdin.close()


def lose_all(agent: Agent) -> None:
    """As when its sshd is killed: what it writes meets a broken pipe."""
    for stream in (agent.process.stdout, agent.process.stderr, agent.process.stdin):
        stream.close()


def hang_up(agent: Agent) -> None:
    agent.process.send_signal(signal.SIGHUP)


@pytest.mark.parametrize(
    ("phase", "lose"),
    [
        pytest.param("idle_before", lose_all, marks=pytest.mark.slow),
        pytest.param("warmup", lose_stdin, marks=pytest.mark.slow),
        ("steady", lose_all),
        ("runout", hang_up),
        pytest.param("idle_after", lose_all, marks=pytest.mark.slow),
    ],
)
def test_a_lost_link_ends_nothing(board: Board, phase: Phase, lose) -> None:
    agent = board.begin()
    agent.read_until(PhaseMark, phase)
    lose(agent)
    board.require_nothing_runs(agent)
    board.require_spooled()


def test_a_broken_stdout_is_a_lost_link_too(board: Board) -> None:
    agent = board.begin()
    agent.read_until(PhaseMark, "idle_before")
    agent.process.stdout.close()
    agent.process.stderr.close()
    board.require_nothing_runs(agent)
    board.require_spooled()


_TELLS_WHO_WAITED = """
import device_agent.detached as detached
write = detached._write
def told(descriptor, data, stuck_s):
    try:
        write(descriptor, data, 0.3)
    except TimeoutError:
        with open({told!r}, "a") as file:
            file.write("waited\\n")
        raise
detached._write = told
"""


def test_a_stdout_that_nobody_drains_holds_nothing_up_for_ever(board: Board) -> None:
    """A frozen link: the first message that does not fit waits a moment, and no other does."""
    told = board.root / "told"
    patch = board.root / "patch.py"
    patch.write_text(_TELLS_WHO_WAITED.format(told=str(told)))
    agent = board.begin(patch=f"exec(open({str(patch)!r}).read())", pipe_bytes=4096)
    board.require_nothing_runs(agent)
    board.require_spooled()
    assert told.read_text() == "waited\n"


def test_a_result_without_a_receipt_is_spooled(board: Board) -> None:
    agent = board.begin(patch="import device_agent.detached as d; d.RECEIPT_S = 0.2")
    agent.read_until(BenchDone)
    board.require_nothing_runs(agent)  # although its stdin is open: a silent link looks like this
    board.require_spooled()


def test_a_result_with_a_receipt_is_not(board: Board) -> None:
    agent = board.begin()
    agent.read_until(BenchDone)
    assert agent.ask(AskBench(board.id)).state == "running", "until the receipt it is its agent's"
    assert agent.ask(ForgetBench(board.id)) == BenchForgotten()
    assert agent.ask(AskBench(board.id)) == BenchState(board.id, "unknown")
    lose_stdin(agent)
    board.require_nothing_runs(agent)
    board.require_no_spool()


def test_a_host_that_leaves_behind_the_last_message_has_a_result_in_the_spool(board: Board) -> None:
    agent = board.begin()
    agent.read_until(BenchDone)
    lose_all(agent)
    board.require_nothing_runs(agent)
    board.require_spooled()


@pytest.mark.parametrize(
    "phase", ["steady", None, *(pytest.param(p, marks=pytest.mark.slow) for p in ("idle_before", "idle_after"))]
)
def test_abort_leaves_nothing(board: Board, phase: Phase | None) -> None:
    agent = board.begin(
        SHORT
        if phase is None
        else Workload(
            idle_s=60.0 if phase == "idle_before" else 0.1,
            warmup_s=0.0,
            min_seconds=60.0 if phase == "steady" else 0.0,
            min_iterations=1,
        )
    )
    agent.read_until(BenchDone) if phase is None else agent.read_until(PhaseMark, phase)
    agent.send(Abort())
    board.require_nothing_runs(agent)
    board.require_no_spool()


def test_a_later_agent_tells_of_it_fetches_and_forgets_it(board: Board) -> None:
    other, began_s = board.agent(), time.monotonic()
    agent = board.begin(Workload(idle_s=1.0, warmup_s=0.0, min_iterations=20, min_seconds=0.1))
    agent.read_until(PhaseMark, "idle_before")
    (state,) = other.ask(ListBenches()).benches
    since_s = time.monotonic() - began_s
    assert (state.state, state.attached) == ("running", True) and state.label == board.artifact.manifest.label
    assert state.phase == "idle_before" or since_s > 1.0
    # Two idle windows, a second for each of import, load and check, the window, the run-out.
    assert 5.15 - since_s < state.left_s <= 5.15
    other.ask(AskBench(board.id, reclaim=True))
    while (state := other.ask(AskBench(board.id))).state == "running":
        assert not state.attached
        time.sleep(0.1)
    assert state.state == "finished" and state.ended_s < time.monotonic() - began_s
    board.require_nothing_runs(agent)
    messages = board.require_spooled()
    other.send(FetchBench(board.id))
    fetched = [other.read() for _ in messages]
    assert fetched == messages
    last = other.read()
    assert isinstance(last, BenchFetched) and (last.frame, last.fault) == ("the host's words", None)
    assert other.ask(ForgetBench(board.id)) == other.ask(ForgetBench(board.id)) == BenchForgotten()
    assert other.ask(ListBenches()) == BenchStates(())
    assert other.ask(FetchBench(board.id)).code == "no_bench"


def test_a_later_agent_can_end_it(board: Board) -> None:
    agent = board.begin(LONG)
    agent.read_until(PhaseMark, "idle_before")
    lose_all(agent)
    assert board.agent().ask(StopBench(board.id)) == BenchStopped()
    assert agent.process.wait(60) == -signal.SIGKILL
    assert running.running(board.root) == []
    board.require_no_spool()


# Whoever is not through with the warm-up after four seconds hangs; before it nobody does, on a busy machine either.
_SOON_IN_WARMUP = (
    "import device_agent.detached as d, device_agent.messages.bench as b, device_agent.runner as r; d._ALARM_S = 0.5; "
    "b.PhaseMark.patience_s = property(lambda mark: 3.5 if mark.phase == 'warmup' else 300.0)"
)


def test_what_hangs_is_ended_by_the_kernel(board: Board) -> None:
    agent = board.begin(patch=f"import time; {_SOON_IN_WARMUP}; r._keep_busy = lambda *_: time.sleep(1000)")
    agent.read_until(PhaseMark, "warmup")
    lose_all(agent)
    assert agent.process.wait(60) == -signal.SIGALRM
    board.require_no_spool()


def test_what_is_frozen_is_ended_by_who_asks_for_it_later(board: Board) -> None:
    """The kernel's alarm does not reach a process that is stopped; here it stops itself."""
    stops = "import os, signal; r._keep_busy = lambda *_: os.kill(os.getpid(), signal.SIGSTOP)"
    other = board.agent()
    agent = board.begin(patch=f"{_SOON_IN_WARMUP}; {stops}")
    agent.read_until(PhaseMark, "warmup")
    end_s = time.monotonic() + 60.0
    other.ask(AskBench(board.id, reclaim=True))
    while other.ask(AskBench(board.id)).state == "running":
        assert time.monotonic() < end_s, "it is never ended"
        time.sleep(0.1)
    assert agent.process.wait(60) == -signal.SIGKILL
    board.require_no_spool()


@pytest.mark.root
def test_a_disk_that_is_full_at_the_end_is_told(tmp_path: Path, untrained) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], check=False).returncode:
        pytest.skip("needs to be allowed to mount a small file system")
    try:
        board = Board(disk / "board", untrained.onnx)
        agent = board.begin()
        agent.read_until(PhaseMark, "idle_before")
        with (disk / "filling").open("wb", buffering=0) as filling, contextlib.suppress(OSError):
            while True:
                filling.write(bytes(4096))
        lose_all(agent)
        board.require_nothing_runs(agent)
        state = board.agent().ask(AskBench(board.id))
        assert (state.state, state.why) == ("not_kept", "No space left on device")
        lose_all(board.agents[-1])
        board.agents[-1].process.wait()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_before_it_has_begun_nobody_needs_it(board: Board) -> None:
    agent = board.agent()
    request = BenchRequest(
        f"artifacts/{board.artifact.sha256}", board.artifact.sha256, "null", Settings(1), 5, 0.0, board.id
    )
    agent.send(request, BenchFrame(""), *IMAGES)
    lose_stdin(agent)
    board.require_nothing_runs(agent)
    assert not (board.root / "spool").exists()
