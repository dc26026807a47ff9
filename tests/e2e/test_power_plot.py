"""`groupnl power plot` as it is typed: several recordings, pictures and pages, and the likeliest mistakes."""

import json
import re
import shutil
from pathlib import Path

import pytest

from groupnl_deploy.bench.run import save_run
from power.marks import Mark, add_mark
from power.trace_io import read_csv, write_csv
from tests.e2e.power_command import power
from tests.report.sample_runs import sample_run, sample_trace
from tests.rigs.undisturbed import again_where, has_hole


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    for name, watts in (("a.csv", 6.4), ("b.csv", 5.2)):
        write_csv(sample_trace(watts), tmp_path / name)
    (tmp_path / "a.marks.csv").write_text(
        "# schema_version: 1\nt_s,label,marked_at\n5.0,camera on,2026-11-21T00:00:05+00:00\n"
    )
    return tmp_path / "a.csv", tmp_path / "b.csv"


@pytest.mark.slow
def test_two_recordings_as_a_page_and_as_pictures(two: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "both.html"
    done = power("plot", *two, "--out", out)
    assert done.exit_code == 0 and done.stdout == f"{out}\n", done.output
    page = out.read_text(encoding="utf-8")
    runs = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])["runs"]
    assert [run["name"] for run in runs] == ["1 a.csv", "2 b.csv"] and runs[0]["flags"] == [[5.0, "camera on"]]
    assert page.count("EMULATED meter") >= 5
    for suffix in ("png", "svg"):
        assert power("plot", *two, "--out", tmp_path / f"both.{suffix}").exit_code == 0
    drawn = (tmp_path / "both.svg").read_text()
    assert "EMULATED" in drawn and "camera on" in drawn


def test_a_page_is_made_again_by_the_command_on_it(two: tuple[Path, Path], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert power("plot", "a.csv", "b.csv", "--method", "trapezoid", "--out", "x.html").exit_code == 0
    (said,) = re.findall(r"<code>groupnl power (.*?)</code>", (tmp_path / "x.html").read_text(encoding="utf-8"))
    assert power(*said.split()).exit_code == 0
    assert (tmp_path / "plot-again.html").read_text() == (tmp_path / "x.html").read_text()


def test_runs_are_named_by_their_folders_and_bring_their_phases(tmp_path: Path) -> None:
    for name in ("first", "second"):
        save_run(tmp_path / name, sample_run(), sample_trace())
    done = power("plot", tmp_path / "first", tmp_path / "second", "--out", tmp_path / "x.html")
    assert done.exit_code == 0, done.output
    runs = json.loads(re.search(r'id="data">(.*?)</script>', (tmp_path / "x.html").read_text(), re.S)[1])["runs"]
    assert [run["name"] for run in runs] == ["1 first", "2 second"]
    assert [phase[0] for phase in runs[1]["phases"]][:2] == ["idle_before", "import"]
    done = power("plot", tmp_path / "first", "--sign", -1, "--out", tmp_path / "y.html")
    assert done.exit_code == 2 and "whose record says how it was measured" in done.stderr
    assert not (tmp_path / "y.html").exists()


def test_what_cannot_be_drawn_is_refused_and_nothing_is_written(two: tuple[Path, Path], tmp_path: Path) -> None:
    a, b = two
    before = sorted(tmp_path.iterdir())
    for arguments, words in (
        ((a, a), "is named twice"),
        ((a, b, "--run", tmp_path), "--run names one run"),
        ((a, tmp_path / "gone.csv"), "No such file"),
    ):
        done = power("plot", *arguments, "--out", tmp_path / "x.html")
        assert done.exit_code == 2 and words in done.stderr and "Try:" in done.stderr
    done = power("plot", a, "--out", tmp_path / "x.htm")
    assert done.exit_code == 2 and "Did you mean “html”?" in done.stderr
    (tmp_path / "a.marks.csv").write_text("what is this\n")
    done = power("plot", a, "--out", tmp_path / "x.html")
    assert done.exit_code == 2 and "a.marks.csv" in done.stderr
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.alone
def test_a_command_that_was_measured_brings_its_phases_its_joules_and_why_they_are_invalid(tmp_path: Path) -> None:
    out = tmp_path / "done"
    line = ["run", "--port", "emulator", "--idle", 2, "--out", out, "--allow-invalid", "--", "sleep", 1]

    def once() -> Path:
        shutil.rmtree(out, ignore_errors=True)
        assert power(*line).exit_code == 0
        return out / "run-1"

    folder = again_where(lambda folder: has_hole(read_csv(folder / "power.csv")), once)
    done = power("plot", folder, "--out", tmp_path / "x.html")
    assert done.exit_code == 0, done.output
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    (run,) = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])["runs"]
    assert [phase[0] for phase in run["phases"]] == ["idle_before", "command", "idle_after"]
    assert [label for _, label in run["flags"]] == ["command begins", "command ends"]
    assert "sleep 1 on this machine" in page and "J net of" in page and run["marks"]["energy"] == "*!"
    assert "measurements of the 10 that are needed" in page and page.count(">INVALID<") >= 4
    assert power("plot", folder, "--every", 1, "--out", tmp_path / "y.html").exit_code == 2
    with (folder / "power.csv").open("a") as stream:
        stream.write("99.0,5.1,0.5,2.55\n")
    done = power("plot", folder, "--out", tmp_path / "y.html")
    assert done.exit_code == 4 and "power.csv" in done.stderr and not (tmp_path / "y.html").exists()


def test_letters_that_the_pictures_font_lacks_are_told_of_once(two: tuple[Path, Path], tmp_path: Path) -> None:
    add_mark(two[0], Mark(float(sample_trace().t_s[1]), "相机开"))
    done = power("plot", two[0], "--out", tmp_path / "letters.png")
    assert done.exit_code == 0 and done.stderr.count("lacks some letters") == 1 and "Glyph" not in done.stderr
    assert power("plot", two[0], "--out", tmp_path / "x.html").stderr == ""
    assert "相机开" in (tmp_path / "x.html").read_text()
