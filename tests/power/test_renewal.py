"""A meter that renews its values faster than it is asked: found where its numbers show it, and no other is."""

import random
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from power.energy import net_of_idle, window_energy
from power.errors import EndOfRecording
from power.meters import open_meter
from power.meters.base import Measurement
from power.meters.km003c.emulated_adc import AdcModel
from power.meters.km003c.emulated_load import LoadHistory, LoadPoint
from power.meters.km003c.emulator import Km003cEmulator
from power.meters.replay import ReplayMeter
from power.recorder import Recorder, is_repeat
from power.renewal import CHANGES_NEEDED, RenewalWatch, judged, outruns_polls, renewed_too_fast, verdict
from power.trace import Averaging, MeterFacts, PowerTrace
from power.trace_io import read_csv, write_csv

NOMINAL_S, POLL_S = 0.5, 0.05


def every(spacing_s: float, count: int = CHANGES_NEEDED + 1, begin_s: float = 0.0) -> list[float]:
    return [begin_s + spacing_s * k for k in range(count)]


@pytest.mark.parametrize(
    ("why", "new_s", "polls", "expected"),
    [
        ("a new value at every poll", every(0.05), range(9), True),
        ("a poll in ten brings none", [*every(0.05, 8), 0.45], [*range(8), 10], True),
        ("every second poll brings none: it is asked oftener than it renews", every(0.1), range(0, 18, 2), False),
        ("the known period", every(0.5), range(0, 90, 10), False),
        ("the known period, asked as often as it renews", every(0.5), range(9), False),
        ("oftener than known by what slow replies may make of it", every(0.29), range(9), False),
        ("oftener than that", every(0.28), range(9), True),
        ("too few to tell", every(0.05, CHANGES_NEEDED), range(8), False),
        ("a burst among slow ones", every(0.5, 5) + every(0.05, 9, 2.5), [*range(0, 50, 10), *range(50, 59)], True),
        ("bursts that are too short to tell", every(0.05, 8) + every(0.05, 8, 2.6), [*range(8), *range(52, 60)], False),
        ("nothing at all", [], [], False),
    ],
)  # fmt: skip
def test_what_is_taken_for_too_fast(why: str, new_s: list[float], polls: list[int], expected: bool) -> None:
    assert outruns_polls(new_s, list(polls), NOMINAL_S) is expected, why


@dataclass(frozen=True)
class Polled:
    """A meter that renews `rate_hz` times a second, and how it is asked.

    Polls are late by up to `late_s`; of the replies a share `stalled` takes up to half a second. The load draws 1.4 A
    for two fifths of each of its periods, else 0.5 A, at 5 V. `noise_a` and `step_a` are the meter's.
    """

    rate_hz: float
    load_hz: float = 20.0
    poll_s: float = POLL_S
    late_s: float = 0.005
    stalled: float = 0.0
    noise_a: float = 3e-6
    step_a: float = 1e-6
    until_s: float = 12.0

    def mean_a(self, until_s: float) -> float:
        """Over the meter's period that ends then."""
        period_s = 1 / self.rate_hz
        return 0.5 + 0.9 * (self._high_s(until_s) - self._high_s(until_s - period_s)) / period_s

    def _high_s(self, at_s: float) -> float:
        whole, part = divmod(at_s * self.load_hz, 1.0)
        return (0.4 * whole + min(part, 0.4)) / self.load_hz


def replies(meter: Polled, seed: int) -> list[Measurement]:
    """One poll after the other, each dated midway between request and reply, as the readers do."""
    chance = random.Random(seed)
    phase_s, found, due_s, values = chance.uniform(0.0, 1 / meter.rate_hz), [], 0.01, {}
    while due_s < meter.until_s:
        asked_s = due_s + chance.uniform(0.0, meter.late_s)
        took_s = chance.uniform(0.0, 0.5) if chance.random() < meter.stalled else 0.0003
        number = int((asked_s + chance.uniform(0.0, took_s) - phase_s) * meter.rate_hz // 1)
        if number not in values:
            exact_a = meter.mean_a(phase_s + number / meter.rate_hz) + chance.gauss(0.0, meter.noise_a)
            values[number] = round(exact_a / meter.step_a)
        current_a = values[number] * meter.step_a
        found.append(Measurement(asked_s + took_s / 2, 5.0, current_a, (5_000_000, values[number])))
        due_s = max(due_s + meter.poll_s, asked_s + took_s)
    return found


def recorded(meter: Polled, seed: int, *, averaging: Averaging = "block", poll_known: bool = True) -> PowerTrace:
    """What a recorder keeps of it, judged by nobody yet."""
    rows: list[Measurement] = []
    for reply in replies(meter, seed):
        if not is_repeat(reply, rows[-1] if rows else None, NOMINAL_S):
            rows.append(reply)
    facts = MeterFacts("km003c", "serial", "/dev/pts/3", True, 1, "vbus/ibus", NOMINAL_S, averaging)
    facts = replace(facts, poll_period_s=meter.poll_s if poll_known else None)
    columns = ([row.t_s for row in rows], [row.voltage_v for row in rows], [row.current_a for row in rows])
    return PowerTrace(facts, 0.0, None, *columns)


def watched(meter: Polled, seed: int) -> bool:
    """The same while it is recorded."""
    watch = RenewalWatch(MeterFacts("km003c", "serial", "x", True, 1, "x", NOMINAL_S, "block", meter.poll_s))
    kept: Measurement | None = None
    for reply in replies(meter, seed):
        watch.count_poll()
        if not is_repeat(reply, kept, NOMINAL_S):
            watch.add(reply.t_s, reply.identity)
            kept = reply
    return watch.too_fast


FAST = {
    "1,000 a second, in step": Polled(1000.0),
    "1,000 a second, in step to the microsecond": Polled(1000.0, late_s=0.0),
    "1,000 a second, out of step": Polled(1000.0, load_hz=7.3),
    "1,000 a second, a steady load": Polled(1000.0, load_hz=1e5),
    "1,000 a second, some replies stalled": Polled(1000.0, stalled=0.1),
    "50 a second, in step": Polled(50.0),
    "50 a second, out of step": Polled(50.0, load_hz=7.3),
    "50 a second, 10 polls": Polled(50.0, poll_s=0.1, late_s=0.01),
    "10 a second, 10 polls, in step": Polled(10.0, load_hz=10.0, poll_s=0.1, late_s=0.001),
    "10 a second, 5 polls, out of step": Polled(10.0, load_hz=7.3, poll_s=0.2, late_s=0.01),
    "steps of 1 mA, polls that do not keep time": Polled(1000.0, load_hz=7.3, late_s=0.05, step_a=1e-3, until_s=60.0),
}
AS_KNOWN = {
    "two a second": Polled(2.0),
    "a twentieth faster": Polled(2.1),
    "polls that keep no time": Polled(2.0, late_s=0.3),
    "half of the replies stalled": Polled(2.0, stalled=0.5),
    "noise of a milliampere": Polled(2.0, noise_a=1e-3, late_s=0.02),
    "100 polls": Polled(2.0, poll_s=0.01, late_s=0.004),
    "5 polls": Polled(2.0, poll_s=0.2, late_s=0.1),
    "2 polls": Polled(2.0, poll_s=0.5, late_s=0.05),
    "a slow load": Polled(2.0, load_hz=0.31),
    "10 a second, which 20 polls all see": Polled(10.0),
    "50 a second, which 200 polls all see": Polled(50.0, poll_s=0.005, late_s=0.0005),
}
SEEDS = range(5)


@pytest.mark.parametrize("name", FAST)
def test_a_meter_that_outruns_its_polls_is_found(name: str) -> None:
    assert all(renewed_too_fast(recorded(FAST[name], seed)) for seed in SEEDS)
    assert all(watched(FAST[name], seed) for seed in SEEDS)


@pytest.mark.parametrize("name", AS_KNOWN)
def test_no_other_meter_is_taken_for_one(name: str) -> None:
    assert not any(renewed_too_fast(recorded(AS_KNOWN[name], seed)) for seed in SEEDS)
    assert not any(watched(AS_KNOWN[name], seed) for seed in SEEDS)


@settings(deadline=None)  # what else runs here may take the core for a while
@given(
    st.integers(0, 2**32),
    st.floats(0.01, 0.6),
    st.floats(0.0, 0.5),
    st.floats(0.0, 1.0),
    st.sampled_from([0.0, 3e-6, 1e-2]),
    st.floats(0.05, 60.0),
)
def test_no_stall_makes_a_right_meter_look_too_fast(seed, poll_s, late_s, stalled, noise_a, load_hz) -> None:
    meter = Polled(2.0, load_hz, poll_s, late_s, stalled, noise_a, until_s=10.0)
    assert not renewed_too_fast(recorded(meter, seed, poll_known=False))  # the hardest: every row counts as a poll
    assert not watched(meter, seed)


def test_what_no_number_shows_is_not_found() -> None:
    """In steps of a milliampere a load in step with the polls is one level: no reply tells it from a steady one."""
    assert not renewed_too_fast(recorded(Polled(1000.0, late_s=0.0, step_a=1e-3), 1))


def test_of_polls_that_nobody_knows_the_rows_are_all_there_are() -> None:
    assert renewed_too_fast(recorded(FAST["1,000 a second, in step"], 1, poll_known=False))
    assert renewed_too_fast(recorded(AS_KNOWN["10 a second, which 20 polls all see"], 1, poll_known=False))
    assert not renewed_too_fast(recorded(AS_KNOWN["two a second"], 1, poll_known=False))


@pytest.mark.parametrize(
    ("period_s", "poll_s"), [(None, 0.05), (0.05, 0.05), (0.02, 0.05), (0.001, 0.05), (0.08, 0.05)]
)
def test_where_the_polls_are_as_rare_as_the_values_nothing_is_proved(period_s: float | None, poll_s: float) -> None:
    """A file from elsewhere, or a meter with a queue, whose rows come as they are known to and not as the polls."""
    trace = recorded(Polled(1000.0, until_s=2.0), 1)
    facts = replace(trace.facts, update_period_s=period_s, poll_period_s=poll_s)
    assert not renewed_too_fast(replace(trace, facts=facts))


def sensor(period_s: float) -> PowerTrace:
    """Its volts are new at one instant of its period and its amperes at another, as those of an INA3221."""
    t_s = np.arange(0.0, 20.0, POLL_S)
    volts, amperes = np.floor(t_s / period_s), np.floor(t_s / period_s + 0.5)
    facts = MeterFacts("hwmon", "hwmon", "ina3221", False, 1, "in1, curr1", period_s, "instant", POLL_S)
    return PowerTrace(facts, 0.0, None, t_s, 5.0 + 1e-3 * (volts % 7), 0.8 + 1e-3 * (amperes % 7))


@pytest.mark.parametrize("period_s", [0.1, 0.14, 0.5])
def test_two_numbers_renewed_one_after_the_other_are_not_one_that_is_too_fast(period_s: float) -> None:
    assert not renewed_too_fast(sensor(period_s))


def test_a_sensor_that_contradicts_the_interval_of_its_driver_is_found() -> None:
    trace = sensor(POLL_S)
    trace = replace(trace, facts=replace(trace.facts, update_period_s=0.5))
    assert renewed_too_fast(trace)
    assert "the interval that its driver gives" in verdict(trace.facts)
    assert "Unplug the meter" in verdict(recorded(FAST["50 a second, in step"], 1).facts)


def test_such_a_recording_has_no_known_error_and_neither_has_its_net() -> None:
    trace = recorded(FAST["1,000 a second, in step to the microsecond"], 3)
    gross, idle = window_energy(trace, 3.0, 10.0), window_energy(trace, 1.0, 2.0)
    assert gross.renews_too_fast and gross.edge_error_j is None
    assert abs(gross.mean_power_w - 4.3) > 0.15 * 4.3  # the right mean power
    assert net_of_idle(gross, idle).edge_error_j is None


def test_a_recording_that_is_marked_stays_so_whatever_its_rows_show(tmp_path: Path) -> None:
    """Also once it is cut to few rows, played again or written anew; one that is not marked is found by its rows."""
    path = tmp_path / "power.csv"
    unmarked = recorded(FAST["50 a second, in step"], 2)
    write_csv(unmarked, path)
    assert "renews_too_fast" not in path.read_text() and renewed_too_fast(read_csv(path))
    write_csv(judged(unmarked), path)
    lines = path.read_text().splitlines(keepends=True)
    assert "# renews_too_fast: true\n" in lines
    path.write_text("".join(lines[:20]))
    few = read_csv(path)
    assert (
        len(few.t_s) < CHANGES_NEEDED
        and renewed_too_fast(few)
        and window_energy(few, few.t_s[0], few.t_s[1]).renews_too_fast
    )


def test_an_old_recording_that_is_played_again_is_found(tmp_path: Path) -> None:
    path, again = tmp_path / "old.csv", tmp_path / "again.csv"
    write_csv(recorded(FAST["1,000 a second, in step"], 2), path)
    meter = ReplayMeter(str(path), speed=float("inf"))
    assert meter.facts.renews_too_fast
    with Recorder(meter, 200.0, again) as recorder:
        assert recorder.wait(60.0)
    assert "# renews_too_fast: true\n" in again.read_text()
    with pytest.raises(EndOfRecording):
        meter.read()


def pulses(hertz: float, until_s: float) -> LoadHistory:
    ups = np.arange(0.0, until_s, 1 / hertz)
    return LoadHistory(p for up in ups for p in (LoadPoint(up, 5.0, 1.4), LoadPoint(up + 0.4 / hertz, 5.0, 0.5)))


def record(adc: AdcModel, poll_hz: float, path: Path, seconds: float, until_found: bool) -> Recorder:
    """Twenty pulses a second, for so long or until the meter is found to be too fast."""
    with (
        Km003cEmulator(script=pulses(20.0, seconds + 2.0), adc=adc) as emulator,
        open_meter("km003c", emulator.stable_port) as meter,
        Recorder(meter, poll_hz, path) as recorder,
    ):
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s and not (until_found and recorder.facts.renews_too_fast):
            recorder.wait(0.05)
        assert emulator.other_bytes == 0
    return recorder


@pytest.mark.alone
@pytest.mark.parametrize(
    ("update_hz", "poll_hz", "noise_ua"),
    [(10.0, 10.0, 3.0), (50.0, 20.0, 3.0), (1000.0, 20.0, 3.0), (1000.0, 20.0, 0.0)],
)
def test_an_emulated_meter_left_at_another_rate_is_found_while_it_is_recorded(
    tmp_path: Path, update_hz: float, poll_hz: float, noise_ua: float
) -> None:
    """Without noise the level of CC1 tells, though no volt and no ampere does."""
    path = tmp_path / "power.csv"
    adc = AdcModel(update_hz=update_hz, noise_ua=noise_ua)
    recorder = record(adc, poll_hz, path, 60.0, until_found=True)
    assert recorder.facts.renews_too_fast and recorder.trace_so_far().facts.renews_too_fast
    stored = read_csv(path)
    assert stored.facts == recorder.facts and stored.t_s.tolist() == recorder.trace_so_far().t_s.tolist()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.alone
def test_an_emulated_meter_as_it_is_after_power_up_is_not(tmp_path: Path) -> None:
    path = tmp_path / "power.csv"
    recorder = record(AdcModel(noise_ua=100.0), 20.0, path, 2.5, until_found=False)
    assert not recorder.facts.renews_too_fast and not renewed_too_fast(read_csv(path))
    assert "renews_too_fast" not in path.read_text()
