"""`groupnl power emulate` as a script and a person meet it: its port, its end, its last words."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from power.errors import MeterUnreachable
from power.meters import open_meter

pytestmark = pytest.mark.alone

GROUPNL = Path(sys.executable).with_name("groupnl")
PATIENCE_S = 300.0
SUMMARY = re.compile(
    r"Heard (\d+) requests \(GET_DATA\) and (\d+) bytes of anything else\. "
    r"The load took (-?[\d.]+) J in ([\d.]+) s\.\n$"
)

Emulation = subprocess.Popen[str]
Start = Callable[..., tuple[Emulation, str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts emulators with --print-port; gives the process and the port that it printed."""
    started: list[Emulation] = []

    def emulate(*options: object) -> tuple[Emulation, str]:
        command = [str(GROUPNL), "power", "emulate", "--print-port", *map(str, options)]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().rstrip("\n")

    yield emulate
    for process in started:
        process.terminate()  # killed, it could not remove its folder
        process.communicate(timeout=PATIENCE_S)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is waited for however late it is, so that each request is made once."""
    monkeypatch.setattr("power.meters.km003c.serial.REPLY_TIMEOUT_S", PATIENCE_S)


def end(process: Emulation, how: signal.Signals | None = signal.SIGINT) -> tuple[int, int, float, float]:
    """Stop it, or let it stop by itself; requests, other bytes, joules and seconds of its last words."""
    if how is not None:
        process.send_signal(how)
    rest, last_words = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, rest) == (0, ""), last_words
    found = SUMMARY.search(last_words)
    assert found, last_words
    return int(found[1]), int(found[2]), float(found[3]), float(found[4])


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_the_port_is_the_first_line_and_ctrl_c_ends_well(start: Start, how: signal.Signals) -> None:
    process, port = start("--volts", 5, "--amps", 1.5, "--noise-ua", 0)
    with open_meter("km003c", port) as meter:
        (reading,) = meter.read()
        assert (reading.voltage_v, reading.current_a, meter.facts.emulated) == (5.0, 1.5, True)
        meter.read()
    requests, other_bytes, energy_j, duration_s = end(process, how)
    assert (requests, other_bytes) == (2, 0)
    assert energy_j == pytest.approx(7.5 * duration_s, abs=0.01)
    assert not Path(port).parent.exists()


def test_a_duration_ends_it_and_the_energy_is_that_of_the_script(start: Start, tmp_path: Path) -> None:
    (tmp_path / "load.csv").write_text("t_s,voltage_v,current_a\n0,5,1\n0.5,5,2\n1000,5,2\n")
    process, _ = start("--load", "load.csv", "--duration", 0.8)
    requests, _, energy_j, duration_s = end(process, None)
    assert requests == 0 and duration_s >= 0.8
    assert energy_j == pytest.approx(2.5 + 10.0 * (duration_s - 0.5), abs=0.02)
    process, _ = start("--load", "load.csv", "--interpolate", "--duration", 0.5)
    _, _, energy_j, duration_s = end(process, None)
    ramp_j = 2.5 * (1.0 + 2.0) / 2.0
    assert energy_j == pytest.approx(ramp_j + 10.0 * (duration_s - 0.5), abs=0.02)


@pytest.mark.usefixtures("patient")
def test_a_duration_beyond_every_timer_lasts_until_ctrl_c(start: Start) -> None:
    process, port = start("--duration", 1e10)
    with open_meter("km003c", port) as meter:
        meter.read()
    assert end(process)[0] == 1


def test_every_switch_reaches_the_meter(start: Start) -> None:
    options = ("--reversed", "--block-bytes", 40, "--split", "--stale-every", 2, "--garbage-every", 5)
    process, port = start(*options, "--no-temperature", "--unlocked", "--update-hz", 1000, "--noise-ua", 0, "--seed", 7)
    with open_meter("km003c", port, -1) as meter:
        assert [meter.read()[0].current_a for _ in range(6)] == [0.5] * 6
    requests, other_bytes, _, _ = end(process)
    assert requests >= 7 and other_bytes == 0  # the fifth was answered with garbage and asked again


@pytest.mark.slow
def test_silence_makes_the_reader_ask_again(start: Start) -> None:
    process, port = start("--silent-every", 2)
    with open_meter("km003c", port) as meter:
        for _ in range(2):
            meter.read()
    assert end(process)[0] >= 3
    process, port = start("--silent-from", 0)
    with open_meter("km003c", port) as meter, pytest.raises(MeterUnreachable, match="does not answer"):
        meter.read()


@pytest.mark.slow
def test_the_cable_is_pulled_and_comes_back_under_the_same_path(start: Start) -> None:
    process, port = start("--start-on-first-poll", "--unplug-at", 0.2, "--replug-at", 0.6)
    with open_meter("km003c", port) as meter, pytest.raises(MeterUnreachable):
        for _ in range(1_000_000):
            meter.read()
    while not Path(port).exists():
        time.sleep(0.01)
    with open_meter("km003c", port) as meter:
        meter.read()
    assert end(process)[1] == 0


def test_without_print_port_a_person_is_told_what_to_do_next(tmp_path: Path) -> None:
    command = [str(GROUPNL), "power", "emulate", "--duration", "0.1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert (done.returncode, done.stdout) == (0, "")
    found = re.search(r"groupnl power record --meter km003c --port (\S+) --duration 10 --out trace.csv", done.stderr)
    assert found and "emulated" in found[1]
    assert SUMMARY.search(done.stderr)


@pytest.mark.usefixtures("patient")
def test_text_that_reaches_the_port_is_counted(start: Start) -> None:
    process, port = start()
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
    os.write(descriptor, b"qc 9V")
    with open_meter("km003c", port) as meter:  # an answer proves that the text before it was heard
        meter.read()
    os.close(descriptor)
    assert end(process)[:2] == (1, 5)
