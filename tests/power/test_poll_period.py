"""How often the meter was asked: a fact of the recording, from the recorder to the file and back."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from power.errors import MeterSettingError, TraceFormatError
from power.meters.replay import ReplayMeter
from power.meters.synthetic import SyntheticMeter
from power.recorder import Recorder
from power.trace import MeterFacts
from power.trace_io import read_csv, write_csv

pytestmark = pytest.mark.alone


def test_a_recording_says_how_often_the_meter_was_asked(tmp_path: Path) -> None:
    path = tmp_path / "power.csv"
    with SyntheticMeter("steady:5V,1A") as meter, Recorder(meter, 40.0, path) as recorder:
        recorder.wait_until_covered(time.monotonic(), 60.0)
        trace = recorder.stop()
    assert meter.facts.poll_period_s is None
    assert recorder.facts == trace.facts == replace(meter.facts, poll_period_s=0.025)
    assert "# poll_period_s: 0.025\n" in path.read_text()
    assert read_csv(path).facts == trace.facts


def test_measurements_that_are_played_were_dated_by_the_polls_of_their_recording(make_trace, tmp_path: Path) -> None:
    trace, path = make_trace([0.0, 0.5, 1.0], [1.0, 2.0, 3.0]), tmp_path / "power.csv"
    write_csv(replace(trace, facts=replace(trace.facts, poll_period_s=0.1)), path)
    with ReplayMeter(str(path)) as meter:
        assert Recorder(meter, 20.0).facts.poll_period_s == 0.1


def test_a_file_without_the_line_is_read_and_its_polls_are_unknown(make_trace, tmp_path: Path) -> None:
    path = tmp_path / "power.csv"
    write_csv(make_trace([0.0, 0.5], [1.0, 2.0]), path)
    assert "poll_period_s" not in path.read_text() and read_csv(path).facts.poll_period_s is None


@pytest.mark.parametrize("period_s", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_period_is_refused(make_trace, tmp_path: Path, period_s: float) -> None:
    with pytest.raises(MeterSettingError, match="The poll period is"):
        MeterFacts("km003c", "serial", "x", False, 1, "any", 0.5, "block", period_s)
    path = tmp_path / "power.csv"
    write_csv(make_trace([0.0, 0.5], [1.0, 2.0]), path)
    path.write_text(path.read_text().replace("# averaging", f"# poll_period_s: {period_s}\n# averaging"))
    with pytest.raises(TraceFormatError, match="line 9: poll_period_s"):
        read_csv(path)
