"""A recording played again: its rows, its pace, its facts, its end."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from power.energy import window_energy
from power.errors import EndOfRecording, MeterSettingError, MeterUnreachable, TraceFormatError
from power.meters.base import Measurement
from power.meters.replay import ReplayMeter
from power.recorder import Recorder
from power.trace import MeterFacts, PowerTrace
from power.trace_io import read_csv, write_csv

FACTS = MeterFacts("km003c", "serial", "/dev/ttyACM0", False, -1, "vbus/ibus", 0.5, "block")
TIMES = [3.0, 3.5, 4.0, 6.0]


class Clock:
    """The host's clock, set by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def recording(tmp_path: Path) -> Callable[..., Path]:
    def make(times: list[float], currents: list[float], facts: MeterFacts = FACTS) -> Path:
        path = tmp_path / "trace.csv"
        write_csv(PowerTrace(facts, 50.0, "2026-01-02T03:04:05+00:00", times, [5.0] * len(times), currents), path)
        return path

    return make


def drain(meter: ReplayMeter) -> list[Measurement]:
    measurements: list[Measurement] = []
    try:
        while True:
            measurements += meter.read()
    except EndOfRecording:
        return measurements


def test_rows_come_at_the_pace_they_were_recorded_with(recording: Callable[..., Path]) -> None:
    clock = Clock()
    meter = ReplayMeter(str(recording(TIMES, [1.0, 2.0, 3.0, 4.0])), now=clock)
    given = []
    for second in (0.0, 0.4, 0.5, 1.2, 2.9, 3.0):
        clock.now_s = 1000.0 + second
        given.append([row.current_a for row in meter.read()])
    assert given == [[1.0], [], [2.0], [3.0], [], [4.0]]
    with pytest.raises(EndOfRecording, match="to its end"):
        meter.read()


def test_a_row_is_given_once_though_the_clock_goes_back(recording: Callable[..., Path]) -> None:
    clock = Clock()
    meter = ReplayMeter(str(recording(TIMES, [1.0, 2.0, 3.0, 4.0])), now=clock)
    given = []
    for second in (0.0, 1.0, 0.2, 1.0, 3.0):
        clock.now_s = 1000.0 + second
        given.append([row.current_a for row in meter.read()])
    assert given == [[1.0], [2.0, 3.0], [], [], [4.0]]


def test_time_begins_with_the_first_read_and_keeps_its_spacing(recording: Callable[..., Path]) -> None:
    clock = Clock()
    meter = ReplayMeter(str(recording(TIMES, [1.0] * 4)), speed=math.inf, now=clock)
    clock.now_s = 2000.0
    assert [row.t_s for row in drain(meter)] == [2000.0, 2000.5, 2001.0, 2003.0]


def test_a_faster_replay_gives_the_rows_sooner_and_leaves_their_energy_alone(recording: Callable[..., Path]) -> None:
    clock = Clock()
    meter = ReplayMeter(str(recording(TIMES, [1.0] * 4)), speed=2.0, now=clock)
    meter.read()
    clock.now_s += 0.5
    rows = meter.read()
    assert [row.t_s for row in rows] == [1000.5, 1001.0]


def test_the_recordings_own_facts_stay(recording: Callable[..., Path]) -> None:
    path = recording(TIMES, [1.0] * 4)
    facts = ReplayMeter(str(path)).facts
    assert (facts.meter, facts.emulated, facts.sign, facts.field) == ("km003c", False, -1, "vbus/ibus")
    assert (facts.update_period_s, facts.averaging) == (0.5, "block")
    assert (facts.transport, facts.port) == ("replay of serial", str(path))


def test_a_sign_turns_the_recorded_currents_and_the_recorded_sign(recording: Callable[..., Path]) -> None:
    meter = ReplayMeter(str(recording(TIMES, [1.0, -2.0, 0.0, 4.0])), -1, speed=math.inf)
    assert [row.current_a for row in drain(meter)] == [-1.0, 2.0, 0.0, -4.0]
    assert meter.facts.sign == 1


def test_equal_neighbours_are_all_given(recording: Callable[..., Path]) -> None:
    meter = ReplayMeter(str(recording([0.0, 0.1, 0.2], [1.0] * 3)), speed=math.inf)
    assert len({row.identity for row in drain(meter)}) == 3


def test_a_file_without_facts_keeps_them_unknown(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.csv"
    path.write_text("t_s,voltage_v,current_a\n0.0,5.0,1.0\n1.0,5.0,1.0\n")
    facts = ReplayMeter(str(path)).facts
    assert facts.emulated is None
    assert facts.update_period_s is None


def test_recording_a_replay_gives_the_same_joules(recording: Callable[..., Path]) -> None:
    times = np.linspace(0.0, 2.0, 201)
    path = recording(times.tolist(), (1.0 + np.sin(5.0 * times)).tolist())
    with Recorder(ReplayMeter(str(path), speed=math.inf), poll_hz=1000.0) as recorder:
        while not recorder.wait(0.01):
            pass
        again = recorder.stop()
    recorded = read_csv(path)
    energy_j = window_energy(recorded, 0.0, 2.0).energy_j
    first_s = float(again.t_s[0])
    assert window_energy(again, first_s, float(again.t_s[-1])).energy_j == pytest.approx(energy_j, rel=1e-9)
    assert np.diff(again.t_s) == pytest.approx(np.diff(recorded.t_s), abs=1e-9)


def test_an_empty_recording_is_at_its_end(recording: Callable[..., Path]) -> None:
    with pytest.raises(EndOfRecording):
        ReplayMeter(str(recording([], []))).read()


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan])
def test_a_speed_that_is_none_is_refused(recording: Callable[..., Path], speed: float) -> None:
    with pytest.raises(MeterSettingError, match="speed"):
        ReplayMeter(str(recording(TIMES, [1.0] * 4)), speed=speed)


def test_a_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"hello\n", b"\xff\xfe", b"t_s,voltage_v,current_a\n0,5,1\n-1,5,1\n"):
        path = tmp_path / "file.csv"
        path.write_bytes(content)
        with pytest.raises(TraceFormatError):
            ReplayMeter(str(path))
    with pytest.raises(TraceFormatError, match="cannot be read"):
        ReplayMeter(str(tmp_path / "missing.csv"))


def test_a_closed_replay_gives_nothing_more(recording: Callable[..., Path]) -> None:
    meter = ReplayMeter(str(recording(TIMES, [1.0] * 4)))
    meter.close()
    with pytest.raises(MeterUnreachable, match="closed"):
        meter.read()


def test_two_rows_at_one_instant_are_both_given(recording: Callable[..., Path]) -> None:
    rows = drain(ReplayMeter(str(recording([0.0, 1.0, 1.0], [1.0, 2.0, 3.0])), speed=math.inf))
    assert [row.current_a for row in rows] == [1.0, 2.0, 3.0]
