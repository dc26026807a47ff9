"""`groupnl power record` in a process of its own, on the emulated meter."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from groupnl_deploy.cli.main import app
from power import host_sleep
from power.meters.km003c.emulated_adc import AdcModel
from power.meters.km003c.emulator import Km003cEmulator
from power.trace import MeterFacts, PowerTrace
from power.trace_io import read_csv, write_csv
from tests.e2e.power_command import integrated, power
from tests.rigs.undisturbed import again_where, in_time
from tests.rigs.waiting import until

pytestmark = pytest.mark.alone

GROUPNL = [sys.executable, "-m", "groupnl_deploy.cli.entry"]


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([*GROUPNL, *arguments], cwd=folder, stdout=pipe, stderr=pipe, text=True)


def recorded(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    process = started(folder, "power", "record", *arguments)
    stdout, stderr = process.communicate(timeout=300)
    assert "Traceback" not in stderr
    return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)


def when_it_has(path: Path, rows: int) -> PowerTrace:
    """The recording once it has that many rows."""
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        if path.exists() and sum(not line.startswith("#") for line in path.read_text().splitlines()) > rows:
            return read_csv(path)
        time.sleep(0.05)
    pytest.fail(f"{path} never had {rows} rows")


def open_in(process: subprocess.Popen[str]) -> set[str]:
    """What it has open."""
    found = set()
    for file in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(OSError):  # just closed
            found.add(str(file.readlink()).partition(" ")[0])
    return found


@pytest.fixture
def emulator():
    with Km003cEmulator(5.0, 1.0) as emulator:
        yield emulator


def on(emulator: Km003cEmulator) -> list[str]:
    return ["--meter", "km003c", "--port", emulator.stable_port]


HOLES = r"(no holes|\d+ holes? of [\d.]+ s in all, not counted)"  # of its own accord a busy machine makes some


def test_one_document_and_a_file_that_agree(tmp_path: Path) -> None:
    options = ["--meter", "km003c", "--port", "emulator", "--duration", "2.5", "--out", "new/t.csv", "--json"]

    def once() -> subprocess.CompletedProcess[str]:
        shutil.rmtree(tmp_path / "new", ignore_errors=True)
        return recorded(tmp_path, *options)

    def is_disturbed(done: subprocess.CompletedProcess[str]) -> bool:
        """A measurement was missed: the process did not get to run."""
        times = read_csv(tmp_path / "new" / "t.csv").t_s if done.returncode == 0 else np.arange(5.0) / 2
        return len(times) < 5 or float(np.max(np.diff(times))) > 0.9

    done = again_where(is_disturbed, once)
    assert done.returncode == 0, done.stderr
    document, trace = json.loads(done.stdout), read_csv(tmp_path / "new" / "t.csv")
    assert document["schema_version"] == 1 and document["meter"]["emulated"] is True
    assert document["recorded"]["rows"] == len(trace.t_s) and len(trace.t_s) >= 5
    assert np.median(np.diff(trace.t_s)) > 0.25  # two a second; a reply that was held up may be a row more
    assert document["recorded"]["energy_j"] == pytest.approx(5.1 * 0.53 * (trace.t_s[-1] - trace.t_s[0]), rel=1e-3)
    assert document["recorded"]["holes"] == 0
    assert document["meter"] == vars(trace.facts)
    assert "EMULATED" not in done.stdout


def test_a_meter_that_is_too_fast_is_said_while_it_records_and_marked_everywhere(tmp_path: Path) -> None:
    with Km003cEmulator(5.0, 1.0, adc=AdcModel(update_hz=1000.0)) as emulator:
        command = [*GROUPNL, "power", "record", *on(emulator), "--out", "t.csv", "--json"]
        with (tmp_path / "said").open("w") as said:
            process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=said, text=True)
        until(lambda: "INVALID" in (tmp_path / "said").read_text())
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=300)
        stderr = (tmp_path / "said").read_text()
    assert process.returncode == 0
    assert stderr.count("INVALID: the meter renewed its values faster than it was asked") == 1
    assert "plug it in again" in stderr and "--meter km003c-usb" in stderr
    trace = read_csv(tmp_path / "t.csv")
    assert trace.facts.renews_too_fast and json.loads(stdout)["meter"] == vars(trace.facts)
    replayed = recorded(tmp_path, "--meter", "replay", "--port", "t.csv", "--out", "again.csv")
    assert "INVALID (the meter renewed its values faster" in replayed.stdout
    assert read_csv(tmp_path / "again.csv").facts.renews_too_fast


def test_ctrl_c_ends_a_recording_without_a_duration(tmp_path: Path, emulator: Km003cEmulator) -> None:
    process = started(tmp_path, "power", "record", *on(emulator), "--out", "t.csv")
    when_it_has(tmp_path / "t.csv", 2)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert re.search(rf"t\.csv: \d+ measurements in .* J, EMULATED, {HOLES}", stdout)
    assert emulator.other_bytes == 0


def test_ctrl_c_cuts_a_duration_short_and_keeps_what_was_recorded(tmp_path: Path, emulator: Km003cEmulator) -> None:
    process = started(tmp_path, "power", "record", *on(emulator), "--duration", "60", "--out", "t.csv")
    when_it_has(tmp_path / "t.csv", 2)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 1 and "Stopped before the 60 s were over." in stderr
    assert "is in t.csv; record anew with another --out." in stderr
    assert "measurements in" in stdout and len(read_csv(tmp_path / "t.csv").t_s) >= 2


@pytest.mark.parametrize("how", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)])
def test_a_polite_kill_and_a_hang_up_end_it_as_ctrl_c_does(
    tmp_path: Path, how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    process = started(tmp_path, "power", "record", "--meter", "km003c", "--port", "emulator", "--out", "t.csv")
    when_it_has(tmp_path / "t.csv", 2)
    assert [path.name.startswith("groupnl-emulator-") for path in temporary.iterdir()] == [True]
    process.send_signal(how)
    process.send_signal(signal.SIGHUP)  # a closed session is told of more than once
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0 and "measurements in" in stdout, stderr
    assert list(temporary.iterdir()) == []


def test_a_terminal_that_is_closed_ends_it_and_leaves_the_recording_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a lost SSH session is: the terminal is gone, and whatever is said to it is an error."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    ours, theirs = os.openpty()
    command = [*GROUPNL, "power", "record", "--meter", "km003c", "--port", "emulator", "--out", "t.csv"]
    process = subprocess.Popen(
        [sys.executable, "-c", _IN_A_TERMINAL, *command],
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    when_it_has(tmp_path / "t.csv", 2)
    os.close(ours)
    process.wait(300)
    text = (tmp_path / "t.csv").read_text()
    assert text.endswith("\n") and len(read_csv(tmp_path / "t.csv").t_s) >= 2
    assert list((tmp_path / "temporary").iterdir()) == []


_IN_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_who_ignores_a_hang_up_is_not_ended_by_one(tmp_path: Path, emulator: Km003cEmulator) -> None:
    command = ["nohup", *GROUPNL, "power", "record", *on(emulator), "--duration", "3", "--out", "t.csv"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True)
    when_it_has(tmp_path / "t.csv", 1)
    process.send_signal(signal.SIGHUP)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0 and "measurements in" in stdout, stderr


def test_a_killed_recorder_leaves_a_folder_that_goes_with_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    options = ["--meter", "km003c", "--port", "emulator"]
    process = started(tmp_path, "power", "record", *options, "--out", "t.csv")
    when_it_has(tmp_path / "t.csv", 1)
    process.kill()
    process.communicate(timeout=300)
    assert len(list(temporary.iterdir())) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    Km003cEmulator(5.0, 1.0).close()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("json_option", [(), ("--json",)])
def test_a_recording_too_short_to_integrate_says_so_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, json_option: tuple[str, ...]
) -> None:
    facts = MeterFacts("km003c", "serial", "/dev/ttyACM0", False, 1, "vbus/ibus", 0.5, "block", 0.05)
    write_csv(PowerTrace(facts, 0.0, None, [0.0], [5.0], [1.0]), tmp_path / "one.csv")
    options = ["--meter", "replay", "--port", "one.csv", "--out", "t.csv", *json_option]
    monkeypatch.chdir(tmp_path)
    done = power("record", "--duration", 0.3, *options)
    assert done.exit_code == 6 and "0.3 s are short" in done.stderr and "need 2.5 s" in done.stderr
    assert "t.csv is too short to integrate: it has 1 measurement." in done.stderr and "Next:" not in done.stderr
    assert len(read_csv(tmp_path / "t.csv").t_s) == 1 and bool(json_option) == done.stdout.startswith("{")


def test_a_recording_too_short_to_know_its_error_says_so_at_once(tmp_path: Path) -> None:
    options = ["--meter", "km003c", "--port", "emulator", "--out"]
    done = power("record", "--duration", 1.2, *options, tmp_path / "t.csv")
    assert done.exit_code == 0 and "too short to know how wrong its joules may be" in done.stderr

    def once() -> Result:
        enough.unlink(missing_ok=True)
        return power("record", "--duration", 2.6, *options, enough)

    enough = tmp_path / "enough.csv"
    done = in_time(once, 0.3)
    assert done.exit_code == 0 and "too short" not in done.stderr and " are short" not in done.stderr
    assert integrated(tmp_path / "enough.csv")["edge_error_j"] is not None


def test_a_killed_recorder_loses_at_most_a_second(tmp_path: Path, emulator: Km003cEmulator) -> None:
    process = started(tmp_path, "power", "record", *on(emulator), "--out", "t.csv")
    rows, asked = len(when_it_has(tmp_path / "t.csv", 3).t_s), emulator.requests
    # Forty polls, twenty a second, bring three measurements at least, and two of them are a second.
    until(lambda: emulator.requests >= asked + 40)
    process.kill()
    process.communicate(timeout=300)
    assert len(read_csv(tmp_path / "t.csv").t_s) > rows


def test_a_replugged_meter_leaves_a_hole_that_shows(tmp_path: Path, emulator: Km003cEmulator) -> None:
    process = started(tmp_path, "power", "record", *on(emulator), "--out", "t.csv")
    when_it_has(tmp_path / "t.csv", 2)
    emulator.unplug()
    time.sleep(2.0)
    before = len(read_csv(tmp_path / "t.csv").t_s)
    emulator.replug()
    when_it_has(tmp_path / "t.csv", before + 2)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert re.search(r"\d+ holes? of", stdout)
    times = read_csv(tmp_path / "t.csv").t_s
    assert max(times[1:] - times[:-1]) >= 1.9


def test_a_meter_that_is_away_when_the_time_is_over_is_an_error_and_its_absence_a_hole(
    tmp_path: Path, emulator: Km003cEmulator
) -> None:
    before_s = time.monotonic()
    process = started(tmp_path, "power", "record", *on(emulator), "--duration", "8", "--out", "t.csv", "--json")
    when_it_has(tmp_path / "t.csv", 2)
    emulator.unplug()
    stdout, stderr = process.communicate(timeout=300)
    took_s = time.monotonic() - before_s
    assert process.returncode == 3, stderr
    assert "is gone." in stderr and "until then are kept in t.csv" in stderr and "Try:" in stderr
    recorded, times = json.loads(stdout)["recorded"], read_csv(tmp_path / "t.csv").t_s
    # The absence is the last of them, and lasts to the end; before it a busy machine may have made others.
    assert recorded["rows"] == len(times) >= 2 and recorded["holes"] >= 1
    spacings_s = np.diff(times)
    away_s = recorded["hole_s"] - np.sum(spacings_s[spacings_s > 1.5])
    assert 8.0 - 0.1 <= recorded["t_s"] + away_s <= took_s


@pytest.mark.slow
def test_ctrl_c_while_the_meter_is_away_is_the_same_error(tmp_path: Path, emulator: Km003cEmulator) -> None:
    process = started(tmp_path, "power", "record", *on(emulator), "--out", "t.csv")
    when_it_has(tmp_path / "t.csv", 1)
    port = emulator.port
    emulator.unplug()
    until(lambda: port not in open_in(process))
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 3, stderr
    rows = len(read_csv(tmp_path / "t.csv").t_s)
    things = "1 measurement" if rows == 1 else f"{rows} measurements"
    assert re.search(rf"t\.csv: {things} in .*, \d+ holes? of \d+\.\d s in all, not counted\n$", stdout)
    assert "is gone." in stderr and f"{things} until then" in stderr and "Next:" not in stderr


def test_a_file_that_is_removed_while_it_grows_is_an_error_and_nothing_is_claimed(
    tmp_path: Path, emulator: Km003cEmulator
) -> None:
    process = started(tmp_path, "power", "record", *on(emulator), "--out", "t.csv")
    when_it_has(tmp_path / "t.csv", 2)
    (tmp_path / "t.csv").unlink()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=300)
    assert (process.returncode, stdout) == (1, "") and "t.csv was removed" in stderr and "kept" not in stderr


def test_patience_ends_in_exit_code_3_and_the_rows_stay(tmp_path: Path, emulator: Km003cEmulator) -> None:
    process = started(tmp_path, "power", "record", *on(emulator), "--patience", "0.5", "--out", "t.csv")
    when_it_has(tmp_path / "t.csv", 2)
    emulator.unplug()
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 3, stderr
    assert stdout == "" and "measurements until then are kept in t.csv" in stderr and "Try:" in stderr
    assert len(read_csv(tmp_path / "t.csv").t_s) >= 2


def test_a_host_that_slept_ends_it_with_exit_code_6_and_the_rows_before_stay(tmp_path: Path, monkeypatch) -> None:
    out, asleep_s = tmp_path / "t.csv", list[float]()

    def sleepless_s() -> float:
        """The host falls asleep behind the second row."""
        now_s = time.monotonic()
        if not asleep_s and out.exists() and sum(line[:1].isdigit() for line in out.read_text().splitlines()) >= 2:
            asleep_s.append(now_s)
        return now_s + 3600.0 * len(asleep_s)

    monkeypatch.setattr(host_sleep, "sleepless_clock", lambda: sleepless_s)
    arguments = ["--meter", "km003c", "--port", "emulator", "--duration", "60", "--out", str(out)]
    done = CliRunner().invoke(app, ["power", "record", *arguments])
    assert done.exit_code == 6, done.output
    # Less where this process was held up between its looks at the two clocks: it tells no more than it knows.
    (slept_s,) = re.findall(r"The host slept for (\d+\.\d\d) s", done.stderr)
    assert 3500.0 < float(slept_s) <= 3600.0 and "systemd-inhibit" in done.stderr
    trace = read_csv(out)
    assert len(trace.t_s) >= 2 and trace.t0_s + trace.t_s[-1] <= asleep_s[0]
