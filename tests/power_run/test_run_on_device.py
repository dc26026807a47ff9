"""A command on a device: a real OpenSSH server, whose login shell also greets."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from groupnl_deploy.bench.clock import ClockSync
from groupnl_deploy.bench.meter import MeterPlan
from groupnl_deploy.deploy.inventory import add_device
from groupnl_deploy.errors import CommandNotRun, DeviceUnavailable, DeviceUnreachable
from groupnl_deploy.power_run import energy, on_device
from groupnl_deploy.power_run.child import Outputs
from groupnl_deploy.power_run.commands import Ended
from groupnl_deploy.power_run.on_device import commands_on
from groupnl_deploy.power_run.outcome import RunPlan
from groupnl_deploy.power_run.run import Measured, measure_command
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.device import Device
from power.trace_io import read_csv
from tests.e2e.power_command import power
from tests.rigs.openssh_server import free_ports
from tests.rigs.undisturbed import again_where, has_hole
from tests.rigs.waiting import until

pytestmark = [pytest.mark.sshd, pytest.mark.alone]

GROUPNL = [sys.executable, "-m", "groupnl_deploy.cli.entry"]
Run = Callable[..., tuple[Ended, str, str]]


@pytest.fixture
def run(sshd, tmp_path: Path) -> Run:
    """Run words on the device without any meter; how they ended, and what they wrote."""

    def run(*words: str, signals: tuple[int, ...] = ()) -> tuple[Ended, str, str]:
        with commands_on(sshd.device(), words) as make, make(Outputs(tmp_path, None, None)) as command:
            command.prepare()
            command.start()
            for number in signals:
                until((tmp_path / "stdout").read_bytes)  # it has said that it is ready
                command.send(number)
            assert command.ended(60)
            ended = command.settle()
        return ended, *((tmp_path / name).read_bytes().decode() for name in ("stdout", "stderr"))

    return run


def cut_links() -> None:
    """End the clients that keep connections of this process."""
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if one.name() == "ssh" and "-M" in one.cmdline():
                one.kill()


def test_every_word_arrives_as_it_is_and_the_output_is_the_commands_alone(run: Run) -> None:
    ended, stdout, stderr = run("printf", "%s|", "a b", "$HOME", "it's", "*", "", "ü\n")
    assert (ended.exit_code, stdout) == (0, "a b|$HOME|it's|*||ü\n|")
    assert "Welcome" not in stdout and stderr == ""


@pytest.mark.parametrize(("line", "exit_code"), [("exit 7", 7), ("kill -9 $$", 137), ("exit 255", 255)])
def test_the_exit_code_is_the_commands_own(run: Run, line: str, exit_code: int) -> None:
    ended, stdout, stderr = run("sh", "-c", f"echo out; echo err >&2; {line}")
    assert ended.exit_code == exit_code and stdout == "out\n" and stderr.startswith("err\n")


@pytest.mark.parametrize("words", [["exec", "sh", "-c", "exit 3"], ["exit", "3"]])
def test_words_of_the_shell_end_no_more_than_themselves(run: Run, words: list[str]) -> None:
    assert run(*words)[0].exit_code == 3


@pytest.mark.parametrize("told", ["nan", "inf", "1e999", ""])
def test_a_clock_that_is_no_number_is_refused(told: str) -> None:
    with pytest.raises(DeviceUnreachable, match="does not tell its clock"):
        on_device._seconds(told, "board")


def test_nothing_of_ours_is_in_its_environment_and_its_stdin_is_empty(run: Run) -> None:
    ended, stdout, _ = run("sh", "-c", "cat; env")
    assert ended.exit_code == 0 and "SSH_CONNECTION=" in stdout and "groupnl_" not in stdout


def test_begin_and_end_are_by_the_devices_clock_and_lie_where_it_ran(run: Run) -> None:
    before_s = time.monotonic()
    ended, _, _ = run("sleep", "1")
    after_s = time.monotonic()
    assert ended.device is not None and isinstance(ended.device.clock, ClockSync)
    took_s, unsure_s = ended.device.end_s - ended.device.start_s, ended.device.clock.uncertainty_s
    assert 1.0 - 2 * on_device._TICK_S <= took_s < after_s - before_s
    assert ended.end_s - ended.start_s == pytest.approx(took_s, abs=2 * unsure_s + 0.02)
    assert before_s < ended.start_s < ended.end_s < after_s
    assert 0.01 < ended.device.clock.uncertainty_s < 1.0
    # Server and client are one machine: their clocks differ by what it slept, and never by more than they say.
    slept_s, looking_s = slept()
    assert ended.device.clock.offset_s == pytest.approx(-slept_s, abs=unsure_s + looking_s)


def slept() -> tuple[float, float]:
    """How long this machine has slept since it booted, and by how much that may be wrong: the best of many looks."""
    looks = []
    for _ in range(100):
        before_s, booted_s, after_s = time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME), time.monotonic()
        looks.append((after_s - before_s, booted_s - after_s))
    looking_s, slept_s = min(looks)
    return slept_s, looking_s


def test_a_command_within_one_tick_of_the_devices_clock_counts_as_one_tick(run: Run) -> None:
    ended, _, _ = run("cd", "/")
    assert ended.end_s - ended.start_s >= 0.0099


def test_a_program_that_is_not_there_is_told_before_anything_else(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CommandNotRun, match="no program “no-such-program” on the device “board”") as caught:
        run("no-such-program")
    assert caught.value.exit_code == 127 and not (tmp_path / "stdout").exists()


@pytest.mark.parametrize(
    ("line", "number", "exit_code", "said"),
    [
        ("trap 'echo heard; exit 3' INT; echo ready; sleep 60 & wait", signal.SIGINT, 3, "ready\nheard\n"),
        ("echo ready; sleep 60; echo not reached", signal.SIGTERM, 143, "ready\n"),
    ],
)
def test_signals_reach_the_command_and_all_that_it_started(
    run: Run, line: str, number: int, exit_code: int, said: str
) -> None:
    ended, stdout, _ = run("sh", "-c", line, signals=(number,))
    assert (ended.exit_code, stdout) == (exit_code, said) and ended.end_s - ended.start_s < 60


def test_what_it_leaves_running_there_is_told_and_goes_on(run: Run, tmp_path: Path) -> None:
    ended, stdout, _ = run("sh", "-c", f"sleep 60 & echo $! >{tmp_path}/pid; echo done")
    sleeper = psutil.Process(int((tmp_path / "pid").read_text()))
    assert (ended.exit_code, stdout, ended.left_running) == (0, "done\n", True) and ended.end_s - ended.start_s < 60
    assert sleeper.is_running()
    sleeper.kill()


def test_a_command_that_nobody_waits_for_any_more_is_ended_on_the_device(sshd, tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    line = f"echo $$ >{mark}; exec sleep 600"
    with commands_on(sshd.device(), ["sh", "-c", line]) as make, make(Outputs(tmp_path, None, None)) as command:
        command.prepare()
        command.start()
        until(lambda: mark.exists() and mark.read_text().strip())
    pid = int(mark.read_text())
    until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_link_that_is_lost_is_told_and_gives_no_exit_code(sshd, tmp_path: Path) -> None:
    with commands_on(sshd.device(), ["sleep", "60"]) as make, make(Outputs(tmp_path, None, None)) as command:
        command.prepare()
        command.start()
        cut_links()
        assert command.ended(60)
        with pytest.raises(DeviceUnavailable, match="lost"):
            command.settle()


@pytest.fixture
def measure(sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Measured]:
    """Measure a line of shell there, by a meter of steady joules; `happens` as soon as it has said something."""
    monkeypatch.setattr(energy, "METERED_RUNOUT_S", 0.1)

    def measure(line: str, happens: Callable[[], object]) -> Measured:
        plan = RunPlan(("sh", "-c", line), "board", MeterPlan("synthetic", "steady:5V,1A"), 0.3)

        def wait() -> None:
            while not ((tmp_path / "stdout").exists() and (tmp_path / "stdout").read_bytes()):
                time.sleep(0.02)
            happens()

        threading.Thread(target=wait, daemon=True).start()
        with commands_on(sshd.device(), plan.command) as make:
            return measure_command(plan, make, Outputs(tmp_path, None, None), Silence())

    return measure


def test_ctrl_c_here_is_the_commands_there_and_its_joules_are_told(measure: Callable[..., Measured]) -> None:
    line = "trap 'exit 4' INT; sleep 0.4; echo on; while :; do sleep 0.1; done"
    measured = measure(line, lambda: os.kill(os.getpid(), signal.SIGINT))
    run = measured.record
    assert measured.error is None and run.exit_code == 4 and run.energy is not None and run.clock is not None
    took_s = run.clock.end_s - run.clock.start_s
    assert (
        run.energy.gross_j == pytest.approx(5 * took_s, abs=run.energy.gross_error_j) and run.energy.gross_error_j > 0.1
    )


def test_a_link_that_is_lost_leaves_the_recording_and_says_so(measure: Callable[..., Measured]) -> None:
    measured = measure("echo on; sleep 60", cut_links)
    assert isinstance(measured.error, DeviceUnavailable) and measured.record.exit_code is None
    assert measured.record.energy is None and "lost" in measured.record.problems[0]
    assert [file.name for file in measured.record.files] == ["power.csv", "stdout", "stderr"]


def test_a_command_there_that_does_not_end_politely_is_killed(
    measure: Callable[..., Measured], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groupnl_deploy.power_run.run._POLITE_S", 0.3)
    line = "trap '' TERM; echo $$; while :; do sleep 0.1; done"
    measured = measure(line, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert isinstance(measured.error, KeyboardInterrupt) and measured.record.exit_code == 137
    assert "stopped" in measured.record.problems[0]
    pid = int((tmp_path / "stdout").read_text())
    until(lambda: not psutil.pid_exists(pid))


def test_an_unknown_host_key_is_refused(sshd) -> None:
    sshd.known_hosts.write_text("")
    with pytest.raises(Exception, match="known_hosts"), commands_on(sshd.device(), ["true"]):
        pass


def test_joules_of_a_command_on_a_device(sshd, tmp_path: Path) -> None:
    add_device(sshd.device("board"))
    (tmp_path / "work").mkdir()
    options = ["--port", "emulator", "--idle", "2", "--out", "done", "--json"]
    command = [*GROUPNL, "power", "run", "--device", "board", *options, "--", "sh", "-c", "echo it is; sleep 6"]

    def once() -> "subprocess.CompletedProcess[str]":
        shutil.rmtree(tmp_path / "work" / "done", ignore_errors=True)
        return subprocess.run(command, cwd=tmp_path / "work", capture_output=True, text=True, check=False)

    recorded = tmp_path / "work" / "done" / "run-1" / "power.csv"
    before_s = time.monotonic()
    process = again_where(lambda done: recorded.exists() and has_hole(read_csv(recorded)), once)
    after_s = time.monotonic()
    assert process.returncode == 0, process.stderr
    (run,) = json.loads(process.stdout)["runs"]
    assert (run["device"], run["exit_code"], run["valid"]) == ("board", 0, True)
    assert run["energy"]["gross_j"] == pytest.approx(6.222 * run["energy"]["duration_s"], rel=0.05)
    assert 6.0 - 2 * on_device._TICK_S <= run["clock"]["end_s"] - run["clock"]["start_s"] < after_s - before_s
    assert (tmp_path / "work" / "done" / "run-1" / "stdout").read_bytes() == b"it is\n"
    assert "it is" in process.stderr and "on board ended well" in process.stderr


def test_a_device_that_is_away_and_one_that_is_unknown_are_errors_before_anything_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_device(Device("off", "auto", host="127.0.0.1", port=free_ports(1)[0], user=os.environ.get("USER", "root")))
    monkeypatch.chdir(tmp_path)
    for name, code in (("off", 3), ("nowhere", 2)):
        done = power("run", "--device", name, "--port", "emulator", "--", "true")
        assert done.exit_code == code and "Traceback" not in done.output, done.output
    assert not (tmp_path / "power-runs").exists()
