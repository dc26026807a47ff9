"""`groupnl power run` on this machine, as its user meets it: real commands, real signals, a real terminal."""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.power_run.child import Outputs
from groupnl_deploy.power_run.commands import LocalCommand
from groupnl_deploy.power_run.record import read_command
from power.marks import Mark, read_marks
from power.trace_io import read_csv
from tests.e2e.power_command import integrated
from tests.rigs.undisturbed import again_where, has_hole
from tests.rigs.waiting import until

pytestmark = pytest.mark.alone

GROUPNL = [sys.executable, "-m", "groupnl_deploy.cli.entry"]
EMULATED = ["--port", "emulator", "--idle", "2", "--out", "done"]
# Volts and amperes that nothing changes, 50 measurements a second: half a second is long enough.
STEADY = ["--meter", "synthetic", "--port", "steady:5V,1A", "--idle", "2", "--out", "done"]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str, **options: Any) -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        started.append(subprocess.Popen([*GROUPNL, "power", "run", *words], text=True, **pipes))
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def done(process: subprocess.Popen[str], given: str = "") -> tuple[int, str, str]:
    stdout, stderr = process.communicate(given, timeout=300)
    assert "Traceback" not in stderr
    return process.returncode, stdout, stderr


def document(stdout: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stdout)
    return found


def test_joules_are_those_of_the_load_and_all_of_it_is_kept(start: Start) -> None:
    line = "echo out; printf '\\377'; echo err >&2; cat; sleep 6"
    folder = Path("done/run-1")

    def once() -> tuple[int, str, str, int]:
        shutil.rmtree("done", ignore_errors=True)
        process = start(*EMULATED, "--", "sh", "-c", line, errors="replace")
        until((folder / "stdout").exists)
        time.sleep(0.05)  # the instant of a mark is cut to hundredths of a second
        marked = subprocess.run([*GROUPNL, "power", "mark", "half"], capture_output=True, text=True, check=False)
        stdout, stderr = process.communicate("given\n", timeout=300)
        return process.returncode, stdout, stderr, marked.returncode

    def is_disturbed(_: object) -> bool:
        """There is a hole, or the load, which the same process steps, was on for longer than the command ran."""
        if has_hole(read_csv(folder / "power.csv")):
            return True
        run = read_command(folder)
        assert run.energy is not None and run.host is not None
        return run.energy.gross_j > 5.1 * 1.22 * (run.host.end_s - run.host.start_s) + run.energy.gross_error_j

    code, stdout, stderr, marked = again_where(is_disturbed, once)
    assert code == 0, stderr
    assert (folder / "stdout").read_bytes() == b"out\n\xffgiven\n" and (folder / "stderr").read_bytes() == b"err\n"
    assert stdout.startswith("out\n") and "err\n" in stderr and "EMULATED" in stderr
    run = read_command(folder)
    energy, host = run.energy, run.host
    assert energy is not None and host is not None and run.valid and run.exit_code == 0 and run.clock is None
    # The load steps with the command, so its joules are known: 5.1 V x 1.22 A, and 0.53 A while it idles.
    took_s = host.end_s - host.start_s
    assert energy.gross_j == pytest.approx(5.1 * 1.22 * took_s, abs=energy.gross_error_j)
    assert energy.net_j == pytest.approx(5.1 * (1.22 - 0.53) * took_s, abs=energy.net_error_j)
    assert energy.gross_j == pytest.approx(energy.idle_j + energy.net_j)
    assert energy.peak_power_w == pytest.approx(5.1 * 1.22, rel=1e-3) and energy.emulated is True
    trace = read_csv(folder / "power.csv")
    assert host.recording_start_s == pytest.approx(host.start_s - trace.t0_s)
    begins, half, ends = read_marks(folder / "power.csv")
    assert marked == 0 and (half.label, ends.label) == ("half", "command ends")
    assert begins == Mark(pytest.approx(host.recording_start_s, abs=1e-6), "command begins")
    around = energy.around
    again = integrated(folder / "power.csv", "--from", around.start_s, "--to", around.end_s)
    assert again["energy_j"] == around.energy_j
    (folder / "command.json").write_text(
        (folder / "command.json").read_text().replace('"exit_code": 0', '"exit_code": 1')
    )
    with pytest.raises(VerificationFailed, match="not as it was written"):
        read_command(folder)


def test_ctrl_c_in_the_idle_window_ends_it_at_once_and_keeps_what_was_recorded(start: Start) -> None:
    process = start("--port", "emulator", "--idle", "60", "--out", "done", "--", "touch", "ran")
    until(lambda: Path("done/run-1/power.csv").exists() and Path("done/run-1/power.csv").read_text().count("\n") > 14)
    process.send_signal(signal.SIGINT)
    code, _, stderr = done(process)
    assert code == 1 and "Stopped." in stderr and "What was recorded until then is in done" in stderr
    assert len(read_csv(Path("done/run-1/power.csv")).t_s) >= 1 and not Path("ran").exists()


_IN_A_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
CTRL_C, CTRL_Z = b"\x03", b"\x1a"
InTerminal = Callable[..., tuple[subprocess.Popen[str], int]]


@pytest.fixture
def in_terminal() -> Iterator[InTerminal]:
    """Starts `power run` with a terminal of its own; the process, and what a person types into."""
    started: list[tuple[subprocess.Popen[str], int]] = []

    def begin(*words: str) -> tuple[subprocess.Popen[str], int]:
        ours, theirs = os.openpty()
        command = [sys.executable, "-c", _IN_A_TERMINAL, *GROUPNL, "power", "run", *words]
        started.append(
            (subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True), ours)
        )
        os.close(theirs)
        return started[-1]

    yield begin
    for process, ours in started:
        process.kill()  # and what it started is hung up on with the terminal
        os.close(ours)
        process.communicate()


def test_in_a_terminal_the_command_has_it_and_gives_it_back(in_terminal: InTerminal) -> None:
    """Ctrl-C there is the command's alone, it can ask for a line, and Ctrl-Z does not stop it."""
    line = "read -r name </dev/tty; echo hello $name; trap 'echo heard; exit 0' INT; while :; do sleep 0.1; done"
    process, keyboard = in_terminal(*STEADY, "--", "sh", "-c", line)
    kept = Path("done/run-1/stdout")
    until(kept.exists)
    os.write(keyboard, b"you\n")
    until(lambda: kept.read_text() == "hello you\n")
    os.write(keyboard, CTRL_Z)
    time.sleep(1.0)
    os.write(keyboard, CTRL_C)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0 and kept.read_text() == "hello you\nheard\n", stderr
    assert "ended well" in stderr and "gross" in stderr


_STARTS_A_PROGRAM = """
import ctypes, os, pathlib, platform, signal, time
while os.tcgetpgrp(0) != os.getpgrp():
    time.sleep(0.01)
VFORK, clone = 0x4000, {"x86_64": 56, "aarch64": 220}[platform.machine()]
if ctypes.CDLL(None).syscall(clone, VFORK | signal.SIGCHLD, 0, 0, 0, 0) == 0:
    print("starting", flush=True)
    while not pathlib.Path("begin").exists():
        time.sleep(0.01)
    os._exit(0)
print("it went on", flush=True)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"), reason="knows two clones"
)
def test_ctrl_z_while_the_command_starts_a_program_does_not_stop_it(in_terminal: InTerminal) -> None:
    """As a shell does by vfork(): it hears nothing until the program runs, and that is stopped before it does."""
    process, keyboard = in_terminal(*STEADY, "--", sys.executable, "-c", _STARTS_A_PROGRAM)
    kept = Path("done/run-1/stdout")
    until(lambda: kept.exists() and kept.read_text() == "starting\n")
    os.write(keyboard, CTRL_Z)
    time.sleep(1.0)
    Path("begin").touch()
    until(lambda: kept.read_text() == "starting\nit went on\n")
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0 and "ended well" in stderr, stderr


def test_a_stop_before_the_terminal_is_lent_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by Ctrl-Z, or where the command asked for the terminal before it had it."""

    @contextmanager
    def lent_late(group: int) -> Iterator[bool]:
        os.killpg(group, signal.SIGSTOP)
        seen, stopped = f"/proc/{group}/stat", os.WSTOPPED | os.WNOHANG | os.WNOWAIT
        until(lambda: Path(seen).read_text().rpartition(")")[2].split()[0] == "T")
        until(lambda: os.waitid(os.P_PID, group, stopped) is None)  # it was told of, while the terminal was not lent
        yield True

    monkeypatch.setattr("groupnl_deploy.power_run.commands.lent_to", lent_late)
    with LocalCommand(["sleep", "0.5"], Outputs(tmp_path), reads_stdin=False) as command:
        command.start()
        with command.with_terminal():
            until(lambda: command.ended(0.1))
