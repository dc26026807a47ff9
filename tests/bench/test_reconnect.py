"""A benchmark over a link that breaks, with a real SSH server behind it: the run is made as if nothing had happened."""

import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from device_agent import running
from device_agent.messages.bench import PhaseMark
from device_agent.messages.ledger import ReadLedger
from device_agent.settings import Settings, Workload
from exporters.artifact import Artifact
from groupnl_deploy.bench.bench_device import bench_device
from groupnl_deploy.bench.energy import run_energy
from groupnl_deploy.bench.fetch import fetch_benches
from groupnl_deploy.bench.incomplete import load_incomplete
from groupnl_deploy.bench.meter import MeterPlan
from groupnl_deploy.bench.reconnect import WayBack
from groupnl_deploy.bench.run import BenchRun, Images, load_run, save_run
from groupnl_deploy.bench.session import Subject, run_session
from groupnl_deploy.bench.unfinished import unfinished_run
from groupnl_deploy.deploy.inventory import add_device
from groupnl_deploy.deploy.push import push_artifact
from groupnl_deploy.errors import DeviceFault, DeviceUnreachable, UsageError, VerificationFailed
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.client import AgentClient, FetchedBench
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.local import LocalTransport
from groupnl_deploy.report.build import build_report
from groupnl_deploy.report.tables import notes
from power.errors import WindowNotCovered
from tests.remote.breakable_link import BreakableLink, breakable_link

pytestmark = pytest.mark.alone

# An idle window loses a second and a half at either end.
METERED = Settings(1, workload=Workload(idle_s=3.8, warmup_s=0.2, min_iterations=20, min_seconds=1.0))
IMAGES = np.zeros((1, 3, 32, 32), dtype=np.uint8)


class Listener(Silence):
    """Does something, once, when a phase is heard to begin; remembers what is said."""

    def __init__(self, phase: str, act: Callable[[], object], stop_at: str | None = None) -> None:
        self.said: list[str] = []
        self._phase, self._act, self._stop_at = phase, act, stop_at

    def note(self, text: str) -> None:
        self.said.append(text)
        if self._stop_at is not None and self._stop_at in text:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def task(self, name: str) -> Iterator[Callable[..., None]]:
        def tell(done: float, total: float | None, detail: str = "") -> None:
            if detail == self._phase:
                self._phase = ""
                self._act()

        yield tell


class Road:
    """A device of the tests' server behind a link that can be broken, with an artifact on it."""

    def __init__(self, sshd, link: BreakableLink, artifact: Artifact) -> None:
        self.sshd, self.link, self.artifact, self.name = sshd, link, artifact, "board"
        self.device = sshd.device(port=link.port)
        self.root = Path(self.device.root)

    def bench(
        self,
        phase: str,
        act: Callable[[], object],
        out: Path,
        retry_for_s: float = 30.0,
        idle_s: float = 0.3,
        stop_at: str | None = None,
    ) -> tuple[BenchRun, list[str]]:
        listener = Listener(phase, act, stop_at)
        workload = Workload(images=2, idle_s=idle_s, warmup_s=0.2, min_iterations=20, min_seconds=0.3)
        try:
            run, folder = bench_device(
                self.name,
                "null",
                artifact=None,
                settings=Settings(1, workload=workload),
                plan=None,
                out=out,
                reporter=listener,
                retry_for_s=retry_for_s,
            )
        finally:
            self.said = listener.said
        assert load_run(folder)[0] == run
        return run, listener.said

    def metered(self, phase: str, act: Callable[[], object], out: Path, retry_for_s: float) -> BenchRun:
        """As `bench` does, with a meter and windows that are shorter than it allows."""
        listener = Listener(phase, act)
        with (
            WayBack("board", self.reach, retry_for_s, listener.note) as way_back,
            unfinished_run(out, listener.note) as unfinished,
            self.reach() as agent,
            listener.task("bench") as task,
        ):
            (deployment,) = agent.ask(ReadLedger("board")).deployments
            subject = Subject(deployment, self.artifact.manifest, IMAGES, Images("noise", None))
            measured = run_session(
                agent,
                subject,
                backend="null",
                settings=METERED,
                plan=MeterPlan("synthetic", "steady:5V,1A"),
                unfinished=unfinished,
                way_back=way_back,
                watch=lambda message: isinstance(message, PhaseMark) and task(0, None, message.phase),
                note=listener.note,
            )
            run = save_run(out, measured.run, measured.trace)
            way_back.confirm(measured.agent, run.request.bench_id)
        return run

    @contextlib.contextmanager
    def reach(self) -> Iterator[AgentClient]:
        with connect(self.device) as transport, open_agent(transport) as agent:
            yield agent

    def break_it(self) -> None:
        """For an instant."""
        self.link.cut("reset")
        self.link.mend()

    def agents(self) -> list[psutil.Process]:
        """Those that run on the device."""
        return [
            one for one in psutil.process_iter(["cmdline"]) if str(self.root) in " ".join(one.info["cmdline"] or [])
        ]

    def require_nothing_left(self) -> None:
        psutil.wait_procs(self.agents(), timeout=20)
        assert self.agents() == []
        assert not (self.root / "spool").exists() or list((self.root / "spool").iterdir()) == []


@pytest.fixture(scope="module")
def pushed(untrained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A device's folder to copy, with the artifact and an agent."""
    root = tmp_path_factory.mktemp("pushed") / "root"
    with LocalTransport(root, sys.executable, "board") as transport:
        push_artifact(transport, untrained.onnx)
    return root


@pytest.fixture
def road(sshd, untrained, pushed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Road]:
    monkeypatch.chdir(tmp_path)
    with breakable_link(sshd.port) as link:
        with sshd.known_hosts.open("a") as known:
            known.write(f"[{sshd.host}]:{link.port} {sshd.host_key_line}\n")
        road = Road(sshd, link, untrained.onnx)
        add_device(road.device)
        shutil.copytree(pushed, road.root)
        yield road
        for agent in road.agents():
            agent.kill()


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("phase", "transport"),
    [
        ("steady", "ssh"),
        ("idle after", "ssh"),
        pytest.param("idle before", "ssh", marks=SLOW),
        pytest.param("runout", "ssh", marks=SLOW),
        pytest.param("steady", "openssh", marks=SLOW),
    ],
)
def test_a_link_that_breaks_in_any_phase_costs_a_note(road: Road, tmp_path: Path, phase: str, transport: str) -> None:
    if transport != "ssh":
        road.name = "other"
        add_device(replace(road.device, name=road.name, transport=transport))
    run, said = road.bench(phase, road.break_it, tmp_path / "run")
    assert run.links_lost == 1 and run.clock.uncertainty_s < 1
    assert sum("goes on there" in one for one in said) == 1
    report = build_report([tmp_path / "run"])
    assert any(f"the link to {road.name} was lost once" in note for note in notes(report))
    assert not list(tmp_path.glob("run.*"))
    road.require_nothing_left()


def test_a_killed_server_session_costs_a_note_too(road: Road, tmp_path: Path) -> None:
    def kill() -> None:
        for session in psutil.Process(road.sshd.pid).children():
            session.kill()

    run, _ = road.bench("steady", kill, tmp_path / "run")
    assert run.links_lost == 1
    road.require_nothing_left()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host looks for the board at once, while it still works."""
    monkeypatch.setattr("groupnl_deploy.bench.reconnect.wait_for_end", lambda *_: None)


@pytest.mark.usefixtures("impatient")
def test_a_host_that_is_back_too_soon_waits(road: Road, tmp_path: Path) -> None:
    run, said = road.bench("idle before", road.break_it, tmp_path / "run", idle_s=2.0)
    assert run.links_lost == 1 and any("board is still in the phase" in one for one in said)
    road.require_nothing_left()


@pytest.mark.usefixtures("impatient")
def test_ctrl_c_while_it_waits_ends_what_runs_there(road: Road, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        road.bench("idle before", road.break_it, tmp_path / "run", stop_at="still in the phase", idle_s=60.0)
    road.require_nothing_left()
    assert not load_incomplete(tmp_path / "run.incomplete").left_behind


def test_a_link_that_is_lost_again_is_sought_again(road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch, cuts = AgentClient.fetch_bench, [road.break_it]

    def fetch_once_more(agent: AgentClient, bench_id: str) -> FetchedBench:
        if cuts:
            cuts.pop()()
        return fetch(agent, bench_id)

    monkeypatch.setattr(AgentClient, "fetch_bench", fetch_once_more)
    run, said = road.bench("steady", road.break_it, tmp_path / "run")
    assert run.links_lost == 2 and any("was lost again" in one for one in said)
    road.require_nothing_left()


@pytest.mark.slow
def test_silence_is_noticed_and_the_device_notices_too(road: Road, tmp_path: Path) -> None:
    """A pulled cable: the agent and its sshd know nothing of it until the host comes back."""

    def pull() -> None:
        road.link.cut("silence")
        road.link.mend()

    run, _ = road.bench("warmup", pull, tmp_path / "run")
    assert run.links_lost == 1
    road.require_nothing_left()


def lost_for_good(road: Road, out: Path, phase: str = "steady", retry_for_s: float = 0.5) -> None:
    with pytest.raises(DeviceUnreachable):
        road.bench(phase, lambda: road.link.cut("reset"), out, retry_for_s=retry_for_s)
    road.link.mend()


def test_what_the_budget_was_too_short_for_is_fetched_later(road: Road) -> None:
    out = Path("runs/mine")
    lost_for_good(road, out)
    kept = out.with_name("mine.incomplete")
    assert load_incomplete(kept).left_behind
    assert any("groupnl bench --device board --fetch" in one and "--out" not in one for one in road.said)
    (row,) = build_report([kept]).incomplete
    assert row.left_behind
    listener = Listener("", int)
    (folder,) = fetch_benches("board", [], out=None, reporter=listener)
    assert folder == out and not kept.exists()
    run, trace = load_run(folder)
    assert run.links_lost == 1 and run.clock is not None and trace is None
    assert len(listener.said) == 1 and "null) ended on board at 20" in listener.said[0]
    road.require_nothing_left()
    assert fetch_benches("board", [], out=None, reporter=Silence()) == []
    with pytest.raises(UsageError, match="fetched already"):
        fetch_benches("board", [run.request.bench_id], out=None, reporter=Silence())


def test_another_host_has_it_without_what_the_first_one_kept(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost_for_good(road, tmp_path / "mine", retry_for_s=0)
    assert any(f"--fetch --out {tmp_path}/mine" in one for one in road.said)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (folder,) = fetch_benches("board", [], out=None, reporter=Silence())
    run, trace = load_run(folder)
    assert folder == Path("runs/mine") and run.clock is None and trace is None
    assert run.images.source and build_report([folder]).rows[0].fps > 0
    assert (tmp_path / "mine.incomplete").exists()
    road.require_nothing_left()


def test_two_fetches_at_once_make_one_run(road: Road, tmp_path: Path) -> None:
    lost_for_good(road, tmp_path / "runs" / "mine")
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(fetch_benches, "board", [], out=None, reporter=Silence()) for _ in range(2)]
    found = [one.exception() or one.result() for one in both]
    assert [Path("runs/mine")] in found
    assert all(one in ([Path("runs/mine")], []) or "no result" in str(one) for one in found), found
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["mine"]
    road.require_nothing_left()


def test_a_damaged_result_is_refused_and_the_others_come(road: Road, tmp_path: Path) -> None:
    for name in ("one", "two"):
        lost_for_good(road, tmp_path / "runs" / name)
        psutil.wait_procs(road.agents(), timeout=20)
    first = load_incomplete(tmp_path / "runs" / "one.incomplete").request.bench_id
    with (road.root / "spool" / first / "messages.jsonl").open("r+b") as stream:
        stream.write(b"x")
    with pytest.raises(VerificationFailed, match="damaged"):
        fetch_benches("board", [], out=None, reporter=Silence())
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["one.incomplete", "two"]
    assert [path.name for path in (road.root / "spool").iterdir()] == [first]


def test_a_meter_records_on_while_the_link_is_lost(road: Road, tmp_path: Path) -> None:
    road.metered("warmup", road.break_it, tmp_path / "run", retry_for_s=30)
    run, trace = load_run(tmp_path / "run")
    energy = run_energy(run, trace)
    assert run.links_lost == 1 and energy.steady.mean_power_w == pytest.approx(5.0)
    assert energy.idle_after.mean_power_w == pytest.approx(5.0)
    road.require_nothing_left()


@pytest.mark.slow
@pytest.mark.parametrize(("retry_for_s", "covered"), [(0.1, True), (0.0, False)])
def test_what_was_recorded_goes_into_a_run_that_is_fetched_later(road: Road, retry_for_s: float, covered: bool) -> None:
    """With no budget at all the host gives up in the window, and so the recording ends there."""
    with pytest.raises(DeviceUnreachable):
        road.metered("warmup", lambda: road.link.cut("reset"), Path("runs/mine"), retry_for_s)
    road.link.mend()
    (folder,) = fetch_benches("board", [], out=None, reporter=Silence())
    run, trace = load_run(folder)
    if covered:
        assert run_energy(run, trace).net.idle_power_w == pytest.approx(5.0)
    else:
        with pytest.raises(WindowNotCovered):
            run_energy(run, trace)
        assert build_report([folder]).rows[0].energy_j is None


def test_what_the_boards_disk_refused_is_told_once(road: Road) -> None:
    (road.root / "spool").mkdir()
    (road.root / "spool" / "0123456789ab.not_kept").symlink_to("No space left on device")
    with pytest.raises(DeviceFault, match="could not be kept on board: No space left on device"):
        fetch_benches("board", [], out=None, reporter=Silence())
    road.require_nothing_left()


def test_a_benchmark_that_the_board_has_lost_is_not_waited_for(road: Road, tmp_path: Path) -> None:
    def crash() -> None:
        road.link.cut("reset")
        for agent in road.agents():
            agent.kill()
        road.link.mend()

    with pytest.raises(DeviceFault, match="knows nothing more of the benchmark"):
        road.bench("steady", crash, tmp_path / "run")
    assert not load_incomplete(tmp_path / "run.incomplete").left_behind
    road.require_nothing_left()


@pytest.mark.parametrize("phase", ["idle before", "steady", "idle after"])
def test_ctrl_c_leaves_nothing_there(road: Road, tmp_path: Path, phase: str) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        road.bench(phase, stop, tmp_path / "run")
    assert road.agents() == []
    road.require_nothing_left()
    assert not load_incomplete(tmp_path / "run.incomplete").left_behind


def test_a_killed_host_is_a_lost_link(road: Road, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "groupnl_deploy.cli.entry", "bench", "--device", "board", "--backend", "null"]
    command += ["--idle", "1", "--seconds", "0.3", "--warmup", "0", "--images", "2", "--out", "runs/mine"]
    host = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not running.running(road.root):
        assert host.poll() is None
        time.sleep(0.05)
    host.send_signal(signal.SIGKILL)
    host.wait()
    while running.running(road.root)[0].attached:
        time.sleep(0.05)
    listener = Listener("", int)
    (folder,) = fetch_benches("board", [], out=None, reporter=listener)  # waits for its end
    assert folder == Path("runs/mine") and load_run(folder)[0].links_lost == 1
    road.require_nothing_left()
