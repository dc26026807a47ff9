"""Emulator, pseudo-terminal, pyserial, recorder, CSV, joules: the whole way, against an exact answer."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from power.energy import net_of_idle, window_energy
from power.errors import MeterSettingError, MeterUnreachable, WindowNotCovered
from power.meters import open_meter
from power.meters.km003c.emulator import Km003cEmulator
from power.meters.km003c.serial import Km003cSerial
from power.recorder import Recorder
from power.trace import PowerTrace
from power.trace_io import read_csv

VOLTAGE_V, IDLE_A, BUSY_A = 5.1, 0.4, 1.4
POLL_HZ = 20.0
# Block means move a step by up to one update period, and it is seen up to one poll later.
STEP_ERROR_J = VOLTAGE_V * (BUSY_A - IDLE_A) * (0.5 + 1.0 / POLL_HZ)


@dataclass(frozen=True)
class StepRun:
    trace: PowerTrace
    csv_path: Path
    step_s: float
    idle_j: float
    across_j: float
    busy_j: float
    received: bytes

    @property
    def idle(self) -> tuple[float, float]:
        return self.step_s - 1.0, self.step_s - 0.1

    @property
    def busy(self) -> tuple[float, float]:
        return self.step_s + 1.2, self.step_s + 2.2


@pytest.fixture(scope="module")
def step_run(tmp_path_factory) -> StepRun:
    """1.5 s idle, a step up, 2.7 s busy. Times of the run count from the trace's beginning."""
    path = tmp_path_factory.mktemp("step") / "power.csv"
    with Km003cEmulator(VOLTAGE_V, IDLE_A, split_replies=True) as emulator:
        with open_meter("km003c", emulator.port) as meter, Recorder(meter, POLL_HZ, path) as recorder:
            time.sleep(1.5)
            step_s = emulator.set_load(VOLTAGE_V, BUSY_A)
            recorder.wait_until_covered(step_s + 2.2, timeout_s=5.0)
            trace = recorder.stop()
        windows = [(-1.0, -0.1), (-1.0, 2.2), (1.2, 2.2)]
        idle_j, across_j, busy_j = (emulator.true_energy_j(step_s + a, step_s + b) for a, b in windows)
        return StepRun(trace, path, step_s - trace.t0_s, idle_j, across_j, busy_j, emulator.received)


def test_steady_windows_agree_within_a_thousandth(step_run: StepRun) -> None:
    idle = window_energy(step_run.trace, *step_run.idle)
    busy = window_energy(step_run.trace, *step_run.busy)
    assert idle.energy_j == pytest.approx(step_run.idle_j, rel=1e-3)
    assert busy.energy_j == pytest.approx(step_run.busy_j, rel=1e-3)
    assert busy.energy_j == pytest.approx(VOLTAGE_V * BUSY_A * 1.0, rel=1e-3)
    net = net_of_idle(busy, idle)
    assert net.net_energy_j == pytest.approx(VOLTAGE_V * (BUSY_A - IDLE_A) * 1.0, rel=2e-3)
    assert busy.emulated and net.emulated


def test_a_step_inside_the_window_costs_no_more_than_the_stated_error(step_run: StepRun) -> None:
    energy = window_energy(step_run.trace, step_run.idle[0], step_run.busy[1])
    assert abs(energy.energy_j - step_run.across_j) <= STEP_ERROR_J
    assert energy.peak_power_w == pytest.approx(VOLTAGE_V * BUSY_A)


def test_rows_come_at_the_update_period_also_under_a_steady_load(step_run: StepRun) -> None:
    spacing_s = np.diff(step_run.trace.t_s)
    assert 7 <= len(step_run.trace.t_s) <= 12
    assert np.max(spacing_s) < 0.8
    energy = window_energy(step_run.trace, *step_run.busy)
    assert energy.update_period_s == pytest.approx(0.5, abs=0.1)
    assert energy.samples in (1, 2)


def test_only_get_data_was_sent(step_run: StepRun) -> None:
    packets = [step_run.received[at : at + 4] for at in range(0, len(step_run.received), 4)]
    assert len(packets) > 50
    assert all(packet[:1] + packet[2:] == b"\x0c\x02\x00" for packet in packets)
    assert [packet[1] for packet in packets] == [(1 + k) % 256 for k in range(len(packets))]


def test_the_csv_holds_the_same_trace_and_says_emulated(step_run: StepRun) -> None:
    stored = read_csv(step_run.csv_path)
    assert "# emulated: true\n" in step_run.csv_path.read_text()
    assert stored.facts == step_run.trace.facts
    for name in ("t_s", "voltage_v", "current_a"):
        assert np.array_equal(getattr(stored, name), getattr(step_run.trace, name))


def test_unplugging_ends_the_recording_and_keeps_the_rows(tmp_path) -> None:
    path = tmp_path / "power.csv"
    with Km003cEmulator(VOLTAGE_V, IDLE_A) as emulator, Km003cSerial(emulator.port) as meter:
        recorder = Recorder(meter, POLL_HZ, path)
        with pytest.raises(MeterUnreachable, match="is gone"), recorder:
            recorder.wait_until_covered(time.monotonic() + 0.6, timeout_s=5.0)
            emulator.unplug()
            recorder.wait_until_covered(time.monotonic() + 60.0, timeout_s=5.0)
        with pytest.raises(MeterUnreachable):
            recorder.stop()
    stored = read_csv(path)
    assert len(stored.t_s) >= 2
    assert stored.voltage_v.tolist() == [VOLTAGE_V] * len(stored.t_s)


def test_values_are_block_means_renewed_at_the_update_rate() -> None:
    with Km003cEmulator(5.0, 0.0, update_hz=20.0) as emulator, Km003cSerial(emulator.port) as meter:
        emulator.set_load(5.0, 2.0)
        currents = []
        end_s = time.monotonic() + 0.3
        while time.monotonic() < end_s:
            currents.append(meter.read().current_a)
    assert (currents[0], currents[-1]) == (0.0, 2.0)
    assert currents == sorted(currents)
    assert len(set(currents)) in (2, 3)  # before, perhaps the block that holds the step, after


def test_the_true_energy_is_the_exact_integral() -> None:
    with Km003cEmulator(5.0, 0.0) as emulator:
        first_s = emulator.set_load(4.0, 0.5)
        second_s = emulator.set_load(5.0, -1.0)
        expected_j = 2.0 * (second_s - first_s) - 5.0 * 3.0
        assert emulator.true_energy_j(first_s - 10.0, second_s + 3.0) == pytest.approx(expected_j, abs=1e-12)
        assert emulator.true_energy_j(second_s + 1.0, second_s + 2.0) == pytest.approx(-5.0, abs=1e-9)
        with pytest.raises(WindowNotCovered):
            emulator.true_energy_j(2.0, 1.0)


def test_text_is_ignored_but_kept() -> None:
    import serial

    with Km003cEmulator() as emulator:
        with serial.Serial(emulator.port, timeout=0.1) as line:
            line.write(b"qc 9V")
            assert line.read(10) == b""
        assert emulator.received == b"qc 9V"


def test_impossible_emulators_are_refused() -> None:
    for options in ({"update_hz": 0.0}, {"block_bytes": 48}, {"voltage_v": 1e9}, {"current_a": float("nan")}):
        with pytest.raises(MeterSettingError):
            Km003cEmulator(**options)
