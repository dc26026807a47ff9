"""The recorder with a meter that plays a script."""

import subprocess
import sys
import time

import numpy as np
import pytest

from power import patience
from power.errors import (
    EndOfRecording,
    HostSlept,
    MeterSettingError,
    MeterUnreachable,
    NoReading,
    TraceLost,
    TraceNotWritten,
    WindowNotCovered,
)
from power.host_sleep import SleepWatch
from power.meters.base import Measurement
from power.recorder import Recorder
from power.trace import MeterFacts
from power.trace_io import read_csv
from tests.rigs.waiting import until

pytestmark = pytest.mark.alone


PATIENCE_S = 60.0  # for what must come
STEP_S = 1 / 128


class ScriptedMeter:
    """Gives the scripted currents in turn, then the last one for ever, or fails after them.

    It dates them `STEP_S` apart from its first reading on, whenever it is asked: no busy machine makes a hole in them.
    """

    def __init__(self, currents_a: list[float], failure: Exception | None = None) -> None:
        self.facts = MeterFacts("scripted", "none", "none", True, 1, "current", 0.1)
        self.serial_number = None
        self._currents_a = list(currents_a)
        self._failure = failure
        self._given = 0
        self.reads = 0
        self._began_s = 0.0

    def read(self) -> tuple[Measurement, ...]:
        self._began_s = self._began_s or time.monotonic()
        self.reads += 1
        if self._failure is not None and self._given == len(self._currents_a):
            raise self._failure
        self._given = min(self._given + 1, len(self._currents_a))
        current_a = self._currents_a[self._given - 1]
        t_s = self._began_s + (self.reads - 1) * STEP_S
        return (Measurement(t_s, 5.0, current_a, (round(current_a * 1e6),)),)

    def close(self) -> None:
        pass

    def __enter__(self) -> "ScriptedMeter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def when_it_has(recorder: Recorder, rows: int) -> None:
    until(lambda: recorder.totals is not None and recorder.totals.rows >= rows)


def test_records_each_measurement_once_and_a_steady_load_on_and_on(tmp_path) -> None:
    path = tmp_path / "power.csv"
    before_s = time.monotonic()
    with Recorder(ScriptedMeter([1.0, 1.0, 2.0, 2.0, 3.0]), poll_hz=100.0, csv_path=path) as recorder:
        when_it_has(recorder, 6)
        so_far = recorder.trace_so_far()
        assert recorder.latest is not None and recorder.latest.current_a == 3.0
        trace = recorder.stop()
    assert trace.current_a[:3].tolist() == [1.0, 2.0, 3.0]
    assert len(trace.t_s) >= len(so_far.t_s) >= 6
    assert np.diff(trace.t_s)[:5] == pytest.approx([2 * STEP_S, 2 * STEP_S, *[13 * STEP_S] * 3])  # 0.1 s and more
    assert before_s <= trace.t0_s <= trace.t0_s + trace.t_s[0] <= time.monotonic()
    stored = read_csv(path)
    assert stored.facts == trace.facts and stored.facts.emulated
    assert stored.t_s.tolist() == trace.t_s.tolist()
    assert (stored.t0_s, stored.started_at) == (trace.t0_s, trace.started_at)


def test_a_failing_meter_is_raised_everywhere_and_its_rows_stay(tmp_path) -> None:
    path, failure = tmp_path / "power.csv", MeterUnreachable("Gone.", "Plug it in.")
    with pytest.raises(MeterUnreachable), Recorder(ScriptedMeter([1.0, 2.0], failure), 200.0, path) as recorder:
        with pytest.raises(MeterUnreachable, match="Gone"):
            recorder.wait_until_covered(time.monotonic() + 3600.0, PATIENCE_S)
        with pytest.raises(MeterUnreachable):
            recorder.raise_failure()
        recorder.stop()
    assert read_csv(path).current_a.tolist() == [1.0, 2.0]


def test_a_failure_nobody_asked_about_is_raised_at_the_end() -> None:
    meter = ScriptedMeter([], MeterUnreachable("Gone.", "Plug it in."))
    with pytest.raises(MeterUnreachable), Recorder(meter):
        until(lambda: meter.reads > 0)


def test_an_error_in_the_block_is_not_replaced() -> None:
    meter = ScriptedMeter([], MeterUnreachable("Gone.", "Plug it in."))
    with pytest.raises(KeyError), Recorder(meter):
        until(lambda: meter.reads > 0)
        raise KeyError("mine")


def test_waiting_has_an_end() -> None:
    with Recorder(ScriptedMeter([1.0])) as recorder, pytest.raises(WindowNotCovered, match=r"within 0\.1 s"):
        recorder.wait_until_covered(time.monotonic() + 3600.0, timeout_s=0.1)


def test_nothing_is_recorded_before_the_first_reply() -> None:
    meter = ScriptedMeter([1.0])
    recorder = Recorder(meter)
    assert recorder.latest is None
    with recorder:
        pass
    assert len(recorder.stop().t_s) <= 1


@pytest.mark.parametrize("poll_hz", [0.0, -1.0, float("nan"), 1e9, 1e-300])
def test_impossible_rates_are_refused(poll_hz: float) -> None:
    with pytest.raises(MeterSettingError):
        Recorder(ScriptedMeter([1.0]), poll_hz)


def test_an_unwritable_csv_is_refused_before_recording(tmp_path) -> None:
    with pytest.raises(TraceNotWritten), Recorder(ScriptedMeter([1.0]), csv_path=tmp_path / "no" / "power.csv"):
        pass


def test_pyserial_is_loaded_only_when_a_port_is_opened() -> None:
    code = "import sys, power.energy, power.recorder, power.meters; sys.exit('serial' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_kept_rows_the_file_and_the_totals_have_them(tmp_path) -> None:
    path = tmp_path / "power.csv"
    with Recorder(ScriptedMeter([1.0, 2.0, 3.0]), 100.0, path, keep_rows=False) as recorder:
        when_it_has(recorder, 4)
    assert len(recorder.stop().t_s) == 0
    stored, totals = read_csv(path), recorder.totals
    assert totals is not None and totals.rows == len(stored.t_s) >= 4
    assert totals.power_w == 15.0 and totals.t_s == stored.t_s[-1]
    assert totals.energy_j == pytest.approx(
        np.sum(np.diff(stored.t_s) * (stored.power_w[1:] + stored.power_w[:-1]) / 2)
    )


def test_the_end_of_a_replay_is_no_error() -> None:
    end = EndOfRecording("All was given.", "Replay it again.")
    with Recorder(ScriptedMeter([1.0, 2.0], end), 100.0) as recorder:
        assert recorder.wait(PATIENCE_S)
        assert not Recorder(ScriptedMeter([1.0])).wait(0.01)
    assert recorder.stop().current_a.tolist() == [1.0, 2.0]


def test_what_came_before_a_failure_can_still_be_had() -> None:
    failure = MeterUnreachable("Gone.", "Plug it in.")
    with pytest.raises(MeterUnreachable), Recorder(ScriptedMeter([1.0, 2.0], failure), 100.0) as recorder:
        recorder.wait(PATIENCE_S)
    assert recorder.trace_so_far().current_a.tolist() == [1.0, 2.0]


class SleepyHost:
    """Falls asleep for an hour before the meter's read number `before_read`."""

    def __init__(self, meter: ScriptedMeter, before_read: int) -> None:
        self._meter, self._before_read = meter, before_read

    def watch(self) -> SleepWatch:
        return SleepWatch(lambda: 0.0, lambda: 3600.0 * (self._meter.reads >= self._before_read))


@pytest.mark.parametrize("failure", [None, MeterUnreachable("Gone.", "Plug it in.")], ids=["reply", "lost meter"])
def test_a_sleeping_host_ends_the_recording_and_the_rows_before_stay(failure: Exception | None, tmp_path) -> None:
    path, meter = tmp_path / "power.csv", ScriptedMeter([1.0, 2.0] if failure else [1.0, 2.0, 3.0], failure)
    host = SleepyHost(meter, before_read=3)
    with (
        pytest.raises(HostSlept, match=r"slept for 3600\.00 s"),
        Recorder(meter, 200.0, path, watch_sleep=host.watch) as recorder,
    ):
        recorder.wait(PATIENCE_S)
    assert recorder.trace_so_far().current_a.tolist() == read_csv(path).current_a.tolist() == [1.0, 2.0]


def test_a_failure_can_be_asked_for_without_the_rows() -> None:
    failure = MeterUnreachable("Gone.", "Plug it in.")
    meter = ScriptedMeter([1.0], failure)
    with pytest.raises(MeterUnreachable), Recorder(meter, 200.0) as recorder:
        Recorder(meter).raise_failure()
        with pytest.raises(MeterUnreachable):
            recorder.wait(PATIENCE_S)
        recorder.raise_failure()
        pytest.fail("the failure was kept silent")


class QueueingMeter(ScriptedMeter):
    """Its first reply also holds what it measured before it was asked."""

    def read(self) -> tuple[Measurement, ...]:
        (now,) = super().read()
        earlier = Measurement(now.t_s - 3600.0, 5.0, 9.0, (9_000_000,))
        return (earlier, now) if self.reads == 1 else (now,)


def test_what_a_meter_measured_before_the_recording_began_is_no_row(tmp_path) -> None:
    path = tmp_path / "power.csv"
    with Recorder(QueueingMeter([1.0, 2.0]), 100.0, path) as recorder:
        when_it_has(recorder, 2)
    trace = recorder.stop()
    assert trace.t_s[0] >= 0.0 and 9.0 not in trace.current_a
    assert read_csv(path).current_a.tolist() == trace.current_a.tolist()


def test_a_file_that_was_removed_meanwhile_is_an_error_at_the_end(tmp_path) -> None:
    path = tmp_path / "power.csv"
    with pytest.raises(TraceLost, match="was removed"), Recorder(ScriptedMeter([1.0, 2.0]), 100.0, path) as recorder:
        when_it_has(recorder, 1)
        path.unlink()
        recorder.stop()


class StammeringMeter(ScriptedMeter):
    """Its driver has no reading at some of its reads."""

    def __init__(self, currents_a: list[float], missing: range) -> None:
        super().__init__(currents_a)
        self._missing = missing

    def read(self) -> tuple[Measurement, ...]:
        if self.reads in self._missing:
            self.reads += 1
            raise NoReading("The sensor could not be read: Input/output error.", "Try again.")
        return super().read()


def test_a_driver_that_has_no_reading_for_a_moment_leaves_a_hole(monkeypatch) -> None:
    monkeypatch.setattr(patience, "NO_READING_PATIENCE_S", PATIENCE_S)
    meter = StammeringMeter([1.0], range(20, 100))
    with Recorder(meter, poll_hz=200.0) as recorder:
        until(lambda: meter.reads > 120)
        totals, trace = recorder.totals, recorder.stop()
    assert totals is not None and totals.holes == 1 and totals.hole_s > 0.5
    assert np.max(np.diff(trace.t_s)) > 0.5


def test_a_driver_that_never_has_a_reading_again_ends_the_recording(monkeypatch) -> None:
    monkeypatch.setattr(patience, "NO_READING_PATIENCE_S", 0.1)
    with pytest.raises(NoReading), Recorder(StammeringMeter([1.0], range(5, 10**6)), poll_hz=100.0) as recorder:
        recorder.wait_until_covered(time.monotonic() + 3600.0, PATIENCE_S)
