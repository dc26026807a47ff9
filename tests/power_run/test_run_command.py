"""`groupnl power run`, as it is typed: what it says, and with which exit code it ends."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from groupnl_deploy.cli import power_run
from groupnl_deploy.power_run import energy
from groupnl_deploy.power_run.record import read_command
from tests.e2e.power_command import power

pytestmark = pytest.mark.alone

# Volts and amperes that nothing changes, 50 measurements a second.
STEADY = ["--meter", "synthetic", "--port", "steady:5V,1A", "--idle", "0.3", "--out", "done"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(energy, "METERED_RUNOUT_S", 0.1)
    monkeypatch.setattr(power_run, "LEAST_IDLE_S", 0.3)


def run(*words: str) -> Result:
    found = power("run", *words)
    assert "Traceback" not in found.output
    return found


def test_joules_of_one_run_and_where_it_is_kept() -> None:
    found = run(*STEADY, "--", "sleep", "0.5")
    assert found.exit_code == 0, found.stderr
    (took_s,) = re.findall(r"sleep 0\.5 ended well after (\d+\.\d+) s", found.stderr)
    assert float(took_s) >= 0.5 and "Kept in done." in found.stderr
    assert "mean 5.000 W, peak 5.000 W  EMULATED" in found.stderr and "wrong by up to less than 0.001 J" in found.stderr
    kept = json.loads(Path("done/summary.json").read_text())
    assert kept["valid"] and kept["emulated"] and kept["net_j"]["kind"] == "single"
    assert sorted(path.name for path in Path("done/run-1").iterdir()) == [
        "command.json",
        "command.json.sha256",
        "power.csv",
        "power.marks.csv",
        "stderr",
        "stdout",
    ]


def test_without_a_name_a_new_folder_is_made() -> None:
    found = run(*STEADY[:-2], "--device", "local", "--", "/bin/sleep", "0.4")
    (folder,) = Path("power-runs").iterdir()
    assert found.exit_code == 0 and folder.name.endswith("-sleep") and f"Kept in {folder}." in found.stderr
    assert read_command(folder / "run-1").device is None, "the device “local” is this machine"


def test_a_command_that_is_too_short_is_invalid_and_says_how_long_it_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "MIN_SAMPLES", 1000)  # for 10 may come before the end of a command that is held up
    found = run(*STEADY, "--json", "--", "true")
    assert found.exit_code == 6 and "INVALID: the command took " in found.stderr
    assert "measurements of the 1000 that are needed" in found.stderr and "0.000 J  wrong" in found.stderr
    assert "It must take 20 s at least, as this meter measures every 0.02 s: loop it, sh -c" in found.stderr
    document = json.loads(found.stdout)
    assert (document["valid"], document["exit_code"], document["net_j"]) == (False, 0, None)
    assert document["runs"][0]["energy"]["samples"] < 1000
    again = run(*STEADY[:-1], "again", "--allow-invalid", "--", "true")
    assert again.exit_code == 0 and "INVALID" in again.stderr


@pytest.mark.parametrize("line", ["exit 3", "sleep 0.4; exit 6"])
def test_a_commands_own_exit_code_comes_first_and_its_joules_are_told(line: str) -> None:
    found = run(*STEADY, "--repeats", "3", "--json", "--", "sh", "-c", line, "--debug")
    document = json.loads(found.stdout)
    assert found.exit_code == document["exit_code"] == int(line[-1])
    assert f"FAILED with exit code {line[-1]}" in found.stderr and "gross" in found.stderr
    assert len(document["runs"]) == 1 and document["net_j"] is None


@pytest.mark.parametrize(
    ("repeats", "said"),
    [
        ("2", "in 2 runs, mean 0.000 J, EMULATED. This is the range and no interval; from 6 runs on there is one."),
        ("6", "on average, 95 % interval 0.000 to 0.000 J (Student's t, 6 runs), EMULATED."),
    ],
)
def test_several_runs_together(repeats: str, said: str) -> None:
    found = run(*STEADY, "--repeats", repeats, "--", "sleep", "0.3")
    assert found.exit_code == 0 and said in found.stderr.replace("-0.000", "0.000"), found.stderr
    assert f"Run {repeats} of {repeats}: sleep 0.3 ended well" in found.stderr


def test_what_was_measured_stands_where_a_later_run_cannot_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "sleep 0.4; rm tool"
    Path("tool").write_text(f"#!/bin/sh\n{line}\n")
    Path("tool").chmod(0o755)
    found = run(*STEADY, "--repeats", "2", "--json", "--", "./tool")
    document = json.loads(found.stdout)
    assert found.exit_code == 127 and "no program “./tool”" in found.stderr
    assert len(document["runs"]) == 1 and document["valid"] and Path("done/summary.json").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["no-such-program", "x"], 127, "no program “no-such-program” on this machine"),
        (["ls | wc"], 127, "run by sh -c 'LINE'"),
        (["export", "X=1"], 127, "run by sh -c 'LINE'"),
        (["./data"], 126, "“./data” cannot be run: it may not be executed"),
        (["./"], 126, "it is a folder"),
        (["./broken"], 126, "“./broken” cannot be run: exec format error"),
    ],
)
def test_what_cannot_be_run_is_told(words: list[str], code: int, said: str) -> None:
    Path("data").write_text("x")
    Path("broken").write_bytes(b"\x7fELF")
    Path("broken").chmod(0o755)
    found = run(*STEADY, "--", *words)
    assert (found.exit_code, found.stdout) == (code, "") and said in found.stderr
    assert not Path("done/run-1/command.json").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--idle", "0.1", "--", "true"], 2, "Give --idle 0.3 or more"),
        (["--idle", "nan", "--", "true"], 2, "Give --idle"),
        (["--repeats", "0", "--", "true"], 2, "repeats"),
        (["--meter", "replay", "--port", "x.csv", "--", "true"], 2, "plays back a recording"),
        (["--port", "/dev/nowhere", "--", "true"], 3, "/dev/nowhere"),
        (["--out", "there", "--port", "emulator", "--", "true"], 2, "there exists already"),
        (["--device", "nowhere", "--", "true"], 2, "There is no device “nowhere”"),
        (["--device", "a", "--device", "b", "--", "true"], 2, "takes one device"),
        ([], 2, "Missing argument"),
    ],
)
def test_mistakes_are_told_at_once(words: list[str], code: int, said: str) -> None:
    Path("there").mkdir()
    found = run(*words)
    assert (found.exit_code, found.stdout) == (code, "") and said in found.stderr


def test_a_disk_that_is_full_behind_the_command_does_not_hide_its_joules(
    mounted: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mounted("size=64k"))
    found = run(*STEADY, "--json", "--", "sh", "-c", "sleep 0.4; head -c 1000000 /dev/zero")
    document: dict[str, Any] = json.loads(found.stdout)
    assert found.exit_code == 1 and document["exit_code"] == 0 and "full" in found.stderr
    assert Path("done/run-1/stdout").stat().st_size < 1_000_000
    assert sorted(path.name for path in Path("done/run-1").iterdir() if "command" in path.name) == []


def test_what_nobody_reads_is_kept_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(whole: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(power_run.console, "show_json", closed)
    assert run(*STEADY, "--json", "--", "sleep", "0.4").exit_code == 1
    assert json.loads(Path("done/summary.json").read_text())["valid"]


def test_words_and_folders_that_are_no_utf_8_are_kept_as_they_are() -> None:
    odd = os.fsdecode(b"odd\xff")
    found = run(*STEADY[:-1], odd, "--json", "--", "sh", "-c", f"sleep 0.4 # {odd}")
    assert found.exit_code == 0 and read_command(Path(odd, "run-1")).command[-1] == f"sleep 0.4 # {odd}"
    assert json.loads(found.stdout)["command"][-1] == f"sleep 0.4 # {odd}"
