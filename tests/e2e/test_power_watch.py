"""`groupnl power watch` in a process of its own: lines, a terminal, a page, a meter that goes and comes back."""

import contextlib
import http.client
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from groupnl_deploy.cli import console
from power.meters.km003c.emulator import Km003cEmulator
from power.trace_io import read_csv
from tests.e2e.power_command import power
from tests.e2e.test_power_record import GROUPNL, on, started, when_it_has
from tests.rigs.waiting import until

pytestmark = pytest.mark.alone

TOTALS = r"\d+ measurements in [\d.]+ s, [\d.]+ J, EMULATED"
HOLES = r"(\d+) holes? of [\d.]+ s in all"  # the cable's, and those that a busy machine makes


@pytest.fixture
def emulator() -> Iterator[Km003cEmulator]:
    with Km003cEmulator(5.0, 1.0) as emulator:
        yield emulator


def read_until(process: "subprocess.Popen[str]", word: str) -> list[str]:
    """The lines of its stdout up to one with that word."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if word in line:
            return lines
    pytest.fail(f"ended without {word}: {''.join(lines)}")


def asked(address: str, path: str = "") -> bytes:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    connection.request("GET", parts.path + path)
    answer = connection.getresponse()
    assert answer.status == 200
    return answer.read()


def gone_for_s(status: str) -> int:
    """As a page says it; 0 where it does not."""
    return max(map(int, re.findall(r"gone for (\d+) s", status)), default=0)


def test_lines_where_there_is_no_terminal_and_totals_at_ctrl_c(tmp_path: Path, emulator: Km003cEmulator) -> None:
    process = started(tmp_path, "power", "watch", *on(emulator))
    read_until(process, "5.000 V  1.000 A  5.000 W")
    emulator.unplug()
    for _ in range(2):  # a second apart, so that it has been away for long enough to be a hole
        read_until(process, "The meter has been gone for")
    emulator.replug()
    read_until(process, "5.000 V  1.000 A  5.000 W")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0 and stderr == "", stderr
    assert re.search(rf"km003c: {TOTALS}, {HOLES}, not counted\n$", stdout)
    assert list(tmp_path.iterdir()) == []


def test_the_page_goes_on_while_the_meter_is_away_and_the_file_has_what_it_showed(
    tmp_path: Path,
    emulator: Km003cEmulator,
) -> None:
    process = started(tmp_path, "power", "watch", *on(emulator), "--web", "--out", "t.csv")
    assert process.stderr is not None
    (address,) = re.findall(r"http://127\.0\.0\.1:\d+/[\w-]{43}/", process.stderr.readline())
    rows = len(when_it_has(tmp_path / "t.csv", 2).t_s)
    emulator.unplug()
    until(lambda: gone_for_s(json.loads(asked(address, "samples?after=0"))["status"]) >= 2)
    emulator.replug()
    when_it_has(tmp_path / "t.csv", rows + 2)
    told = json.loads(asked(address, "samples?after=0"))
    assert len(told["holes"]) == told["w"].count(None) >= 1 and not told["gone"]
    assert re.findall(HOLES, told["status"]) == [str(len(told["holes"]))]
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0 and "Next: groupnl power integrate t.csv" in stderr
    assert re.search(rf"t\.csv: {TOTALS}, {HOLES}", stdout)
    trace = read_csv(tmp_path / "t.csv")
    shown = [round(t, 6) for t in trace.t_s.tolist()]
    assert [t for t, w in zip(told["t"], told["w"], strict=True) if w is not None] == shown[: len(shown)][
        : told["next"]
    ]
    assert urlsplit(address).path.strip("/") not in stdout + (tmp_path / "t.csv").read_text()


def test_ctrl_c_while_the_meter_is_away_is_an_error_for_a_file_and_none_without(
    tmp_path: Path,
    emulator: Km003cEmulator,
) -> None:
    for options, code in (((), 0), (("--out", "t.csv"), 3)):
        process = started(tmp_path, "power", "watch", *on(emulator), *options)
        read_until(process, "5.000 W")
        emulator.unplug()
        read_until(process, "has been gone for")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=300)
        emulator.replug()
        assert process.returncode == code, stderr
        assert re.search(HOLES, stdout) and "is gone" in stderr


@pytest.mark.parametrize("variable", ["TERM=dumb", "PYTHONIOENCODING=ascii"])
def test_a_terminal_that_cannot_show_a_chart_has_lines(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host, terminal = pty.openpty()
    monkeypatch.setenv(*variable.split("="))
    with os.fdopen(terminal, "w", encoding="ascii" if "ascii" in variable else "utf-8") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        assert not console.can_redraw()
    os.close(host)


@contextlib.contextmanager
def on_a_terminal(folder: Path, width: int, *options: str) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """A `power watch` on a terminal of that width, and the terminal's other end."""
    host, terminal = pty.openpty()
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 20, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"TERM": "xterm-256color"}
    command = [*GROUPNL, "power", "watch", *options]
    process = subprocess.Popen(command, cwd=folder, stdin=terminal, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    try:
        yield process, host
    finally:
        process.kill()
        process.wait()


def seen_until(host: int, words: tuple[str, ...]) -> str:
    """What the terminal shows until it has shown all of these, or its program has ended."""
    seen, deadline_s = b"", time.monotonic() + 60
    while not words or not all(word.encode() in seen for word in words):
        assert time.monotonic() < deadline_s, seen
        if select.select([host], [], [], 0.2)[0]:
            try:
                seen += os.read(host, 65536)
            except OSError:  # nobody has the terminal any more
                break
    return seen.decode(errors="replace")


@pytest.mark.parametrize("width", [32, 100])
def test_a_terminal_of_any_width_has_lines_that_fit_and_is_left_as_it_was(
    tmp_path: Path, emulator: Km003cEmulator, width: int
) -> None:
    with on_a_terminal(tmp_path, width, *on(emulator)) as (process, host):
        shown = seen_until(host, ("5.000 W", "█"))
        process.send_signal(signal.SIGINT)
        end = seen_until(host, ())
        os.close(host)
        assert process.wait(timeout=300) == 0
    frames = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r", "\n").split("\n")
    assert [line for line in frames if len(line) >= width] == [] and any("EMULATED" in line for line in frames)
    assert re.search(rf"(no holes|{HOLES}, not counted)$", end.rstrip()) and "\x1b[?25h" in end  # the cursor is back


def test_a_terminal_that_is_gone_ends_what_nobody_sees_and_nothing_that_is_recorded(
    tmp_path: Path, emulator: Km003cEmulator
) -> None:
    with on_a_terminal(tmp_path, 80, *on(emulator)) as (process, host):
        seen_until(host, ("5.000 W",))
        os.close(host)  # without a hang-up, for it is not this process's own terminal
        assert process.wait(timeout=300) == 1
    with on_a_terminal(tmp_path, 80, *on(emulator), "--out", "t.csv") as (process, host):
        seen_until(host, ("5.000 W",))
        os.close(host)
        rows = len(when_it_has(tmp_path / "t.csv", 1).t_s)
        when_it_has(tmp_path / "t.csv", rows + 3)
        assert process.poll() is None


def test_the_likeliest_mistakes_are_told_before_the_meter_is_opened(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for options, words in (
            (("--web-port", 8000), "--web-port is for --web"),
            (("--web", "--web-port", port), "cannot be had"),
            (("--patience", -1), "is none"),
            (("--duration", 0), "is none"),
            (("--out", tmp_path), "exists already"),
        ):
            done = power("watch", "--meter", "km003c", "--port", "emulator", *options)
            assert done.exit_code == 2 and words in done.stderr and "Try:" in done.stderr, done.output
    done = power("watch", "--meter", "km003c", "--port", tmp_path / "no-such-port")
    assert done.exit_code == 3 and "Try:" in done.stderr
