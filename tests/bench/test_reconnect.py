"""A benchmark over a link that breaks, with a real SSH server behind it: the run is made as if nothing had happened."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from device_agent import oom
from groupnl_deploy.bench.energy import run_energy
from groupnl_deploy.bench.incomplete import load_incomplete
from groupnl_deploy.bench.run import load_run
from groupnl_deploy.deploy.inventory import add_device
from groupnl_deploy.errors import DeviceFault, DeviceUnreachable, NotBegun
from groupnl_deploy.remote.client import AgentClient, FetchedBench
from groupnl_deploy.report.build import build_report
from groupnl_deploy.report.tables import notes
from tests.bench.road import Road

pytestmark = pytest.mark.alone

SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("phase", "transport"),
    [
        ("steady", "ssh"),
        pytest.param("idle after", "ssh", marks=SLOW),
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.parametrize("early", [pytest.param("probe_clock", marks=SLOW), "bench"])
def test_what_had_not_begun_there_is_begun_again(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, early: str
) -> None:
    cut_before(early, road.break_it, monkeypatch)
    run, said = road.bench("", int, tmp_path / "run")
    assert run.links_lost == 0 and not any("goes on there" in one or "seven days" in one for one in said)
    assert sum("had not begun on board" in one and "It is begun again" in one for one in said) == 1
    assert list(tmp_path.glob("run*")) == [tmp_path / "run"]
    road.require_nothing_left()


def test_without_a_budget_it_is_not_begun_again(road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_before("probe_clock", road.break_it, monkeypatch)
    with pytest.raises(NotBegun, match="nothing of it is kept there"):
        road.bench("", int, tmp_path / "run", retry_for_s=0)
    assert not list(tmp_path.glob("run*"))


def test_where_nobody_can_be_asked_it_is_not_said_to_go_on(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_before("bench", lambda: road.link.cut("reset"), monkeypatch)
    with pytest.raises(DeviceUnreachable):
        road.bench("", int, tmp_path / "run", retry_for_s=0.5)
    assert not any("goes on there" in one or one.startswith("board finishes") for one in road.said)
    assert any("had begun on board is not known" in one for one in road.said)
    assert any("If it had, board finishes" in one and "--fetch" in one for one in road.said)


def cut_before(method: str, cut: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """The link is cut when the client does this for the first time."""
    cuts, whole = [cut], getattr(AgentClient, method)

    def once_cut(agent: AgentClient, *arguments: object) -> object:
        if cuts:
            cuts.pop()()
        return whole(agent, *arguments)

    monkeypatch.setattr(AgentClient, method, once_cut)


@pytest.mark.slow
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
        road.link.cut("silent")
        road.link.mend()

    run, _ = road.bench("warmup", pull, tmp_path / "run")
    assert run.links_lost == 1
    road.require_nothing_left()


def test_a_meter_records_on_while_the_link_is_lost(road: Road, tmp_path: Path) -> None:
    road.metered("warmup", road.break_it, tmp_path / "run", retry_for_s=30)
    run, trace = load_run(tmp_path / "run")
    energy = run_energy(run, trace)
    assert run.links_lost == 1 and energy.steady.mean_power_w == pytest.approx(5.0)
    assert energy.idle_after.mean_power_w == pytest.approx(5.0)
    road.require_nothing_left()


def test_a_benchmark_that_the_board_has_lost_is_not_waited_for(road: Road, tmp_path: Path) -> None:
    def crash() -> None:
        road.link.cut("reset")
        for agent in road.agents():
            agent.kill()
        road.link.mend()

    kills = oom.kills()
    with pytest.raises(DeviceFault, match="knows nothing more of the benchmark") as caught:
        road.bench("steady", crash, tmp_path / "run")
    if oom.kills() == kills:
        assert "its agent was ended" in caught.value.message
    assert not load_incomplete(tmp_path / "run.incomplete").left_behind
    road.require_nothing_left()


@pytest.mark.slow
def test_an_agent_that_is_frozen_is_ended_and_told_of(road: Road, tmp_path: Path) -> None:
    """It hears neither the end of its link nor the kernel's alarm, and yet it is not waited for without an end."""

    def freeze() -> None:
        for agent in road.agents():
            agent.suspend()

    with pytest.raises(DeviceFault, match="knows nothing more of the benchmark"):
        road.bench("steady", freeze, tmp_path / "run")
    assert any("sent nothing for 16." in one for one in road.said)
    road.require_nothing_left()


@pytest.mark.parametrize("phase", ["steady", *(pytest.param(p, marks=SLOW) for p in ("idle before", "idle after"))])
def test_ctrl_c_leaves_nothing_there(road: Road, tmp_path: Path, phase: str) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        road.bench(phase, stop, tmp_path / "run")
    assert road.agents() == []
    road.require_nothing_left()
    assert not load_incomplete(tmp_path / "run.incomplete").left_behind
