"""What a device finished without its host is fetched later: by the host that began it, or by another one."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from device_agent import running
from groupnl_deploy.bench.energy import run_energy
from groupnl_deploy.bench.fetch import fetch_benches
from groupnl_deploy.bench.incomplete import load_incomplete
from groupnl_deploy.bench.run import load_run
from groupnl_deploy.errors import DeviceFault, DeviceUnreachable, UsageError, VerificationFailed
from groupnl_deploy.progress import Silence
from groupnl_deploy.report.build import build_report
from power.errors import WindowNotCovered
from tests.bench.road import Listener, Road

pytestmark = pytest.mark.alone


def require_guarded(folder: Path) -> None:
    """The digests are there and right, for `sha256sum` too, and one nanosecond more is noticed."""
    subprocess.run(["sha256sum", "--quiet", "--check", "run.json.sha256"], cwd=folder, check=True)
    path = folder / "run.json"
    whole = path.read_text()
    latency = str(load_run(folder)[0].result.latencies_ns[-1])
    path.write_text(whole.replace(latency, str(int(latency) + 1)))
    with pytest.raises(VerificationFailed, match="another SHA-256"):
        load_run(folder)
    path.write_text(whole)


def test_what_the_budget_was_too_short_for_is_fetched_later_and_accepted(road: Road) -> None:
    out = Path("runs/mine")
    road.lose_for_good(out, backend="onnxruntime")
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
    require_guarded(folder)
    ended, accepted = listener.said
    assert "onnxruntime) ended on board at 20" in ended and "accepted, and current/onnx there" in accepted
    assert (road.root / "current" / "onnx").resolve().name == road.artifact.sha256
    road.require_nothing_left()
    assert fetch_benches("board", [], out=None, reporter=Silence()) == []
    with pytest.raises(UsageError, match="fetched already"):
        fetch_benches("board", [run.request.bench_id], out=None, reporter=Silence())


def test_another_host_has_it_without_what_the_first_one_kept(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    road.lose_for_good(tmp_path / "mine", retry_for_s=0)
    assert any(f"--fetch --out {tmp_path}/mine" in one for one in road.said)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (folder,) = fetch_benches("board", [], out=None, reporter=Silence())
    run, trace = load_run(folder)
    assert folder == Path("runs/mine") and run.clock is None and trace is None
    assert run.images.source and build_report([folder]).rows[0].fps > 0
    assert (tmp_path / "mine.incomplete").exists()
    assert not (road.root / "current").exists()  # the null backend computes nothing
    road.require_nothing_left()


def test_two_fetches_at_once_make_one_run(road: Road, tmp_path: Path) -> None:
    road.lose_for_good(tmp_path / "runs" / "mine")
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(fetch_benches, "board", [], out=None, reporter=Silence()) for _ in range(2)]
    found = [one.exception() or one.result() for one in both]
    assert [Path("runs/mine")] in found
    assert all(one in ([Path("runs/mine")], []) or "no result" in str(one) for one in found), found
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["mine"]
    road.require_nothing_left()


def test_a_damaged_result_is_refused_and_the_others_come(road: Road, tmp_path: Path) -> None:
    for name in ("one", "two"):
        road.lose_for_good(tmp_path / "runs" / name)
        psutil.wait_procs(road.agents(), timeout=60)
    first = load_incomplete(tmp_path / "runs" / "one.incomplete").request.bench_id
    with (road.root / "spool" / first / "messages.jsonl").open("r+b") as stream:
        stream.write(b"x")
    with pytest.raises(VerificationFailed, match="damaged"):
        fetch_benches("board", [], out=None, reporter=Silence())
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["one.incomplete", "two"]
    assert [path.name for path in (road.root / "spool").iterdir()] == [first]


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


_KILLED_AT_THE_FIRST_PHASE = """
import os, signal
from device_agent.messages.bench import PhaseMark
from groupnl_deploy.cli.entry import entry
from groupnl_deploy.remote.client import AgentClient
bench = AgentClient.bench
def killed(*arguments):
    for message in bench(*arguments):
        if isinstance(message, PhaseMark):
            os.kill(os.getpid(), signal.SIGKILL)
        yield message
AgentClient.bench = killed
entry()
"""


def test_a_killed_host_is_a_lost_link(road: Road, tmp_path: Path) -> None:
    words = ["bench", "--device", "board", "--backend", "null"]
    words += ["--idle", "0.4", "--seconds", "0.3", "--warmup", "0", "--images", "2", "--out", "runs/mine"]
    command = [sys.executable, "-c", _KILLED_AT_THE_FIRST_PHASE, *words]
    host = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    assert host.returncode == -signal.SIGKILL
    end_s = time.monotonic() + 60.0
    while any(one.attached for one in running.running(road.root)):  # it may have come to its end by now
        assert time.monotonic() < end_s, "its agent still takes it for there"
        time.sleep(0.05)
    listener = Listener("", int)
    (folder,) = fetch_benches("board", [], out=None, reporter=listener)  # waits for its end
    assert folder == Path("runs/mine") and load_run(folder)[0].links_lost == 1
    road.require_nothing_left()
