"""What happens to a command while it is measured: by a meter of known, steady joules, with short margins."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from groupnl_deploy.bench.meter import MeterPlan
from groupnl_deploy.power_run import energy
from groupnl_deploy.power_run.child import Child, Outputs
from groupnl_deploy.power_run.commands import LocalCommand
from groupnl_deploy.power_run.outcome import RunPlan
from groupnl_deploy.power_run.run import Measured, measure_command
from groupnl_deploy.progress import Reporter, Silence, Task
from power.errors import MeterUnreachable
from power.meters.km003c.emulator import Km003cEmulator
from power.trace_io import read_csv

pytestmark = pytest.mark.alone

Measure = Callable[..., Measured]


@pytest.fixture(autouse=True)
def _short_margins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The meter measures 50 times a second, and nothing steps."""
    monkeypatch.setattr(energy, "METERED_RUNOUT_S", 0.1)


@pytest.fixture
def measure(tmp_path: Path) -> Iterator[Measure]:
    made: list[Path] = []

    def run(
        line: str, *, meter: MeterPlan | None = None, stdout: int | None = None, reporter: Reporter | None = None
    ) -> Measured:
        folder = tmp_path / f"run-{len(made)}"
        folder.mkdir()
        made.append(folder)
        plan = RunPlan(("sh", "-c", line), None, meter or MeterPlan("synthetic", "steady:5V,1A"), 0.3)
        outputs = Outputs(folder, stdout, None)
        return measure_command(plan, lambda to: LocalCommand(plan.command, to, False), outputs, reporter or Silence())

    yield run


def soon(happens: int | Callable[[], None], ready: Path) -> None:
    """As soon as the command has said something: send this process a signal, or do whatever it is."""

    def wait() -> None:
        while not (ready.exists() and ready.read_bytes()):
            time.sleep(0.02)
        os.kill(os.getpid(), happens) if isinstance(happens, int) else happens()

    threading.Thread(target=wait, daemon=True).start()


def test_the_joules_of_a_steady_load(measure: Measure) -> None:
    run = measure("sleep 0.5").record
    assert run.valid and run.exit_code == 0 and run.energy is not None and run.host is not None
    assert run.energy.gross_j == pytest.approx(5 * (run.host.end_s - run.host.start_s), rel=1e-6)
    assert run.energy.net_j == pytest.approx(0.0, abs=1e-6) and run.energy.emulated is True


@pytest.mark.parametrize(("line", "code"), [("exit 255", 255), ("kill -KILL $$", 137), ("exit 126", 126)])
def test_the_exit_code_is_the_commands_as_a_shell_has_it(measure: Measure, line: str, code: int) -> None:
    measured = measure(f"sleep 0.4; {line}")
    assert measured.record.exit_code == code and measured.record.energy is not None and measured.error is None


def test_ctrl_c_is_passed_on_and_the_joules_are_those_until_its_end(measure: Measure, tmp_path: Path) -> None:
    soon(signal.SIGINT, tmp_path / "run-0" / "stdout")
    run = measure("trap 'echo heard; exit 4' INT; sleep 0.3; echo on; while :; do sleep 0.1; done").record
    assert run.exit_code == 4 and run.energy is not None and run.valid
    assert (tmp_path / "run-0" / "stdout").read_bytes() == b"on\nheard\n"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_a_polite_kill_is_passed_on_and_ends_the_measurement(
    measure: Measure, tmp_path: Path, how: signal.Signals
) -> None:
    soon(how, tmp_path / "run-0" / "stdout")
    measured = measure("echo on; exec sleep 60")
    assert isinstance(measured.error, KeyboardInterrupt) and measured.record.exit_code == 128 + how
    assert measured.record.energy is None and measured.record.problems == (
        "it was stopped before the idle window behind it was over",
    )
    assert len(read_csv(tmp_path / "run-0" / "power.csv").t_s) >= 2


def test_a_command_that_does_not_end_politely_is_killed(
    measure: Measure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groupnl_deploy.power_run.run._POLITE_S", 0.5)
    soon(signal.SIGTERM, tmp_path / "run-0" / "stdout")
    measured = measure("trap '' TERM; echo $$; while :; do sleep 0.1; done")
    assert measured.record.exit_code == 137
    assert not psutil.pid_exists(int((tmp_path / "run-0" / "stdout").read_text()))


def test_ctrl_c_in_the_idle_window_behind_it_keeps_what_is_known(measure: Measure) -> None:
    class Interrupted(Silence):
        @contextmanager
        def task(self, name: str) -> Iterator[Task]:
            if name.startswith("idle after"):
                signal.raise_signal(signal.SIGINT)
            yield lambda done, total, detail="": None

    measured = measure("sleep 0.4", reporter=Interrupted())
    assert isinstance(measured.error, KeyboardInterrupt) and measured.record.exit_code == 0
    assert measured.record.host is not None and not measured.record.valid


def test_what_it_leaves_running_is_told_and_left_alone(measure: Measure, tmp_path: Path) -> None:
    run = measure("sleep 60 & echo $!; sleep 0.4").record
    left = psutil.Process(int((tmp_path / "run-0" / "stdout").read_text()))
    assert left.is_running() and any("still holds its output" in note for note in run.notes)
    left.kill()


def test_an_output_that_nobody_reads_any_more_is_kept_all_the_same(measure: Measure, tmp_path: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    run = measure("sleep 0.4; seq 100000", stdout=writes).record
    os.close(writes)
    assert run.exit_code == 0 and (tmp_path / "run-0" / "stdout").read_text().endswith("\n100000\n")


def test_a_meter_that_goes_while_the_command_runs_leaves_it_alone(measure: Measure, tmp_path: Path) -> None:
    with Km003cEmulator(5.0, 1.0) as emulator:
        soon(emulator.unplug, tmp_path / "run-0" / "stdout")
        line = f"echo on; while [ -e {emulator.stable_port} ]; do sleep 0.1; done; sleep 0.5; echo to the end"
        measured = measure(line, meter=MeterPlan("km003c", emulator.stable_port))
    assert isinstance(measured.error, MeterUnreachable) and measured.record.exit_code == 0
    assert (tmp_path / "run-0" / "stdout").read_bytes() == b"on\nto the end\n"
    assert measured.record.energy is None and "gone" in " ".join(measured.record.problems)


def test_a_recording_that_fails_under_the_command_is_told_at_once_and_the_command_goes_on(
    measure: Measure, tmp_path: Path
) -> None:
    measured = measure(f"sleep 0.3; rm {tmp_path}/run-0/power.csv; sleep 0.3; echo end")
    assert measured.error is not None and measured.record.exit_code == 0 and "removed" in measured.record.problems[0]
    assert (tmp_path / "run-0" / "stdout").read_bytes() == b"end\n"


_STOPPED = """
import os, signal, sys
from pathlib import Path
from groupnl_deploy.power_run.child import Child, Outputs
child = Child(["sh", "-c", "kill -STOP $$; echo on"], Outputs(Path(sys.argv[1]), None, None), None)
while Path(f"/proc/{child.group}/stat").read_text().rpartition(")")[2].split()[0] != "T":
    assert not child.ended(0.05)
assert not child.ended(0.5)
child.send(signal.SIGCONT)
assert child.ended(60) and child.exit_code == 0
"""


def test_a_command_that_stops_itself_has_not_ended(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _STOPPED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_stops_a_moment_behind_the_command_is_woken_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-Z reaches a group one by one: our answer to the first may come before it reaches the last."""
    monkeypatch.setattr("groupnl_deploy.power_run.child._AGAIN_S", 5.0)
    late = "sh -c 'kill -STOP $$; echo woken' & kill -STOP $$; wait"
    child = Child(["sh", "-c", f"sleep 0.5; {late}"], Outputs(tmp_path, None, None), None)
    child.has_terminal = True
    assert child.ended(60) and child.exit_code == 0
    assert child.output_ended(60) and (tmp_path / "stdout").read_text() == "woken\n"
