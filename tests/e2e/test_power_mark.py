"""`groupnl power mark` in a process of its own, beside recordings that really grow."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from groupnl_deploy.api.power import record_power
from groupnl_deploy.bench import live_recordings
from power.marks import Mark, add_mark, read_marks
from tests.e2e.power_command import integrated, power

pytestmark = pytest.mark.alone

GROUPNL = [sys.executable, "-m", "groupnl_deploy.cli.entry"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GROUPNL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def recordings() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def record(recordings: ExitStack, name: str) -> Path:
    recorded = recordings.enter_context(record_power(name, "synthetic", "steady:5V,1A"))
    recorded.recorder.wait_until_covered(recorded.recorder.trace_so_far().t0_s + 0.1, 20)
    return recorded.file


def mark(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*GROUPNL, "power", "mark", *arguments], capture_output=True, text=True, check=False)


def test_a_mark_bears_the_instant_at_which_the_command_was_started(recordings: ExitStack, tmp_path: Path) -> None:
    with record_power("t.csv", "synthetic", "steady:5V,1A") as recorded:
        done = mark("camera\non", "--json")
        recorded.recorder.wait(0.5)
        t_s = recorded.recorder.totals.t_s
    (found,) = read_marks(Path("t.csv"))
    assert done.returncode == 0 and found.label == "camera on"
    # A Python process takes longer than that to start: its own clock, read then, would be later.
    assert -0.02 < found.t_s < t_s
    document = json.loads(done.stdout)
    assert document["recording"] == str(tmp_path / "t.csv") and document["marks"] == str(tmp_path / "t.marks.csv")
    assert document["mark"]["t_s"] == pytest.approx(found.t_s, abs=1e-6)


def test_of_several_recordings_it_asks_which(recordings: ExitStack) -> None:
    for name in ("a.csv", "folder/power.csv"):
        record(recordings, name)
    done = power("mark", "x")
    assert done.exit_code == 2 and "2 recordings grow just now: a.csv, folder/power.csv." in done.stderr
    assert "groupnl power mark LABEL --out-of a.csv" in done.stderr
    for named in ("a.csv", "a", "folder", "folder/power.csv"):
        assert power("mark", named, "--out-of", named).exit_code == 0, named
    assert {one.label for one in read_marks(Path("a.csv"))} == {"a.csv", "a"}
    assert {one.label for one in read_marks(Path("folder/power.csv"))} == {"folder", "folder/power.csv"}
    done = power("mark", "x", "--out-of", "b.csv")
    assert done.exit_code == 2 and "No recording b.csv grows just now; there is a.csv" in done.stderr


def test_without_a_recording_it_says_how_to_begin_one_and_a_dead_one_is_none(home: Path) -> None:
    done = mark("x")
    assert done.returncode == 2 and "No recording of yours grows" in done.stderr and "power record" in done.stderr
    command = [*GROUPNL, "power", "record", "--meter", "synthetic", "--port", "steady:5V,1A", "--out", "t.csv"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    folder = home / "machines"
    while not list(folder.rglob("*.json")):
        assert process.poll() is None
    assert len(live_recordings.live_recordings()) == 1
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(list(folder.rglob("*.json"))) == 1
    assert mark("x").returncode == 2 and not list(folder.rglob("*.json")) and not Path("t.marks.csv").exists()


@pytest.mark.parametrize("label", ["", "  ", "x" * 81])
def test_a_label_that_is_none_is_refused(recordings: ExitStack, label: str) -> None:
    record(recordings, "t.csv")
    done = power("mark", label)
    assert done.exit_code == 2 and "Give 1 to 80 letters" in done.stderr and not Path("t.marks.csv").exists()


def test_marks_are_the_edges_of_a_window(recordings: ExitStack) -> None:
    file = record(recordings, "t.csv")
    for t_s, label in ((0.02, "on"), (0.08, "off"), (0.09, "off")):
        add_mark(file, Mark(t_s, label))
    recordings.close()
    found = integrated(file, "--from-mark", "on", "--to", "0.08")
    assert found["start_s"] == 0.02 and found["energy_j"] == pytest.approx(5 * 0.06, rel=1e-6)
    done = power("integrate", file, "--from-mark", "on", "--to-mark", "off")
    assert done.exit_code == 2 and "2 marks “off”" in done.stderr
    done = power("integrate", file, "--from-mark", "on", "--from", 0.02)
    assert done.exit_code == 2 and "Both --from and --from-mark" in done.stderr
    done = power("integrate", file, "--to-mark", "of")
    assert done.exit_code == 2 and "Its marks are “on”, “off”, “off”." in done.stderr


def test_marks_of_an_older_recording_are_not_taken_for_those_of_a_new_one(tmp_path: Path) -> None:
    Path("t.marks.csv").write_text("t_s,label\n1,old\n")
    done = power("record", "--meter", "synthetic", "--port", "steady:5V,1A", "--duration", 1, "--out", "t.csv")
    assert done.exit_code == 2 and "t.marks.csv exists already" in done.stderr and not Path("t.csv").exists()


def test_where_nothing_can_be_announced_the_recording_goes_on(home: Path) -> None:
    home.write_text("a file in the place of the folder")
    done = power("record", "--meter", "synthetic", "--port", "steady:5V,1A", "--duration", 1, "--out", "t.csv")
    assert done.exit_code == 0 and "Nobody can mark this recording" in done.stderr


def test_a_recording_whose_name_is_no_utf_8_is_made_and_can_be_marked(recordings: ExitStack) -> None:
    file = record(recordings, os.fsdecode(b"odd\xff.csv"))
    assert power("mark", "x").exit_code == 0
    assert [one.label for one in read_marks(file)] == ["x"]
