"""A benchmark whose meter another program left at 1,000 values a second: said while it runs, marked ever after."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from groupnl_deploy.bench.metered import MIN_METERED_IDLE_S
from groupnl_deploy.deploy.push import deploy_artifact
from groupnl_deploy.progress import Silence
from power.meters.km003c.emulated_adc import AdcModel
from power.meters.km003c.emulated_load import LoadHistory, LoadPoint
from power.meters.km003c.emulator import Km003cEmulator

pytestmark = [pytest.mark.alone, pytest.mark.slow]

GROUPNL = [sys.executable, "-m", "groupnl_deploy.cli.entry"]
SAID = "meter renewed its values faster than it was asked"


@dataclass(frozen=True)
class Ended:
    """A benchmark that has come to its end."""

    folder: Path
    exit_code: int
    stdout: str
    stderr: str


def camera(until_s: float) -> LoadHistory:
    """Twenty pictures a second: 1.4 A for 20 ms, 0.5 A for 30 ms, 5 V."""
    ups = np.arange(0.0, until_s, 0.05)
    return LoadHistory(p for up in ups for p in (LoadPoint(up, 5.0, 1.4), LoadPoint(up + 0.02, 5.0, 0.5)))


def benched(untrained, folder: Path, update_hz: float) -> Ended:
    deploy_artifact(untrained.onnx.directory, "local", Silence())
    with Km003cEmulator(script=camera(120.0), adc=AdcModel(update_hz=update_hz)) as emulator:
        options = ["--meter", "km003c", "--port", emulator.stable_port, "--idle", str(MIN_METERED_IDLE_S)]
        command = [*GROUPNL, "bench", "--device", "local", "--backend", "null", *options, "--out", "run"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return Ended(folder / "run", done.returncode, done.stdout, done.stderr)


def reported(folder: Path, form: str) -> str:
    command = [*GROUPNL, "report", str(folder), "--format", form]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # exit code 6 where invalid


def test_its_joules_are_invalid_and_its_time_is_not(untrained, tmp_path: Path) -> None:
    done = benched(untrained, tmp_path, 1000.0)
    assert done.exit_code == 6, done.stderr
    before_the_end, _, _ = done.stderr.partition("Kept in")
    assert SAID in before_the_end and "Unplug the meter" in before_the_end
    shown = " ".join(done.stdout.split())  # a terminal's lines are broken anywhere
    assert "invalid" in shown and "too fast" in shown and SAID in shown
    assert json.loads((done.folder / "run.json").read_text())["power"]["meter"]["renews_too_fast"] is True
    assert "# renews_too_fast: true\n" in (done.folder / "power.csv").read_text()
    (row,) = json.loads(reported(done.folder, "json"))["rows"]
    assert row["renews_too_fast"] is True and row["energy_j"] is None and row["power_w"] is None
    assert row["fps"] > 0 and row["emulated"] is True
    assert any(SAID in problem for problem in row["problems"])
    assert done.stderr.count("km003c-usb") == 2  # while it ran, and at the end
    (line,) = csv.DictReader(io.StringIO(reported(done.folder, "csv")))
    assert line["renews_too_fast"] == "true" and line["energy_j"] == "" and SAID in line["problems"]
    assert "invalid" in reported(done.folder, "markdown")


def test_the_same_load_by_a_meter_as_it_is_after_power_up_is_right(untrained, tmp_path: Path) -> None:
    done = benched(untrained, tmp_path, 2.0)
    assert SAID not in done.stdout + done.stderr
    (row,) = json.loads(reported(done.folder, "json"))["rows"]
    assert row["renews_too_fast"] is False and row["power_w"] == pytest.approx(4.3, rel=0.01)
