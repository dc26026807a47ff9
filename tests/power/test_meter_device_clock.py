"""The meter's clock on the host's: bounds, drift, wraps, samples delivered twice, jumps."""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.errors import MeterProtocolError
from power.meters.km003c.device_clock import WRAP_MS, DeviceClock


@dataclass
class Bench:
    """A meter whose clock runs `drift` too fast, polled by a host; both clocks are known exactly."""

    period_ms: int
    drift: float = 0.0
    uptime_ms: int = 1000
    round_trip_s: float = 0.0005
    jitter_s: float = 0.0
    host_s: float = 500.0
    worst_s: float = 0.0
    placed: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = DeviceClock(self.period_ms / 1e3)
        self.random = random.Random(1)
        self.sent = self._newest(self.host_s)

    def poll(self, pause_s: float) -> None:
        """Ask once, after a pause, for all samples since the last time."""
        self.host_s += pause_s
        asked_s = self.host_s
        there_s = asked_s + self.round_trip_s / 2 + self.random.uniform(0.0, self.jitter_s)
        self.host_s = there_s + self.round_trip_s / 2 + self.random.uniform(0.0, self.jitter_s)
        numbers = range(self.sent + 1, self._newest(there_s) + 1)
        self.sent = max(self.sent, numbers.stop - 1)
        clocks = [(self.uptime_ms + number * self.period_ms) % WRAP_MS for number in numbers]
        for position, at_s in self.clock.place(asked_s, self.host_s, clocks, emptied=True):
            self.placed.append((numbers[position], at_s))
            self.worst_s = max(self.worst_s, abs(at_s - self._taken_s(numbers[position])))

    def prime(self) -> None:
        """The quick polls of an opening, until two samples have come; the worst counts from here."""
        while len(self.placed) < 2:
            self.poll(0.001)
        self.worst_s = 0.0

    def _newest(self, host_s: float) -> int:
        return int((host_s - 500.0) * (1.0 + self.drift) * 1e3 / self.period_ms)

    def _taken_s(self, number: int) -> float:
        return 500.0 + number * self.period_ms / 1e3 / (1.0 + self.drift)


@pytest.mark.parametrize("period_ms", [500, 100, 20, 1])
def test_after_quick_polls_the_clock_is_known_to_a_round_trip(period_ms: int) -> None:
    bench = Bench(period_ms)
    bench.prime()
    for _ in range(100):
        bench.poll(0.04)
    assert bench.worst_s <= 0.002


@pytest.mark.parametrize(
    ("period_ms", "drift"),
    [
        (500, -100e-6),
        (20, 100e-6),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((500, 100e-6), (20, -100e-6))),
    ],
)
def test_a_drifting_quartz_is_followed_to_within_a_poll(period_ms: int, drift: float) -> None:
    bench = Bench(period_ms, drift)
    bench.prime()
    for _ in range(30_000):  # 25 minutes, over which the clocks part by 150 ms
        bench.poll(0.05)
    assert bench.worst_s <= 0.052


@pytest.mark.parametrize("drift", [-100e-6, pytest.param(100e-6, marks=pytest.mark.slow)])
def test_at_the_fastest_rate_drift_leaves_two_milliseconds(drift: float) -> None:
    bench = Bench(1, drift)
    bench.prime()
    for _ in range(8_000):
        bench.poll(0.025)
    assert bench.worst_s <= 0.002


def test_slow_round_trips_do_no_harm() -> None:
    bench = Bench(20)
    bench.prime()
    bench.jitter_s = 0.2
    for _ in range(300):
        bench.poll(0.01)
    assert bench.worst_s <= 0.002


def test_the_clock_goes_on_over_its_wrap() -> None:
    bench = Bench(20, uptime_ms=WRAP_MS - 1500)
    bench.prime()
    for _ in range(100):
        bench.poll(0.05)
    spacings = [(n1 - n0, t1 - t0) for (n0, t0), (n1, t1) in zip(bench.placed, bench.placed[1:], strict=False)]
    assert {step for step, _ in spacings} == {1}
    assert [time_s for _, time_s in spacings[2:]] == pytest.approx([0.02] * (len(spacings) - 2), abs=1e-6)
    assert bench.sent * 20 > 1500


@given(
    start_ms=st.integers(0, WRAP_MS - 1),
    steps_ms=st.lists(st.integers(1, 5000), min_size=1, max_size=40),
    again=st.lists(st.integers(0, 39), max_size=20),
)
def test_a_sample_delivered_again_is_dropped_and_no_other(start_ms: int, steps_ms: list[int], again: list[int]) -> None:
    clock = DeviceClock(0.02)
    uptimes = [start_ms]
    for step_ms in steps_ms:
        uptimes.append(uptimes[-1] + step_ms)
    delivered = [(number, uptime_ms) for number, uptime_ms in enumerate(uptimes)]
    for number in sorted({number for number in again if number < len(uptimes)}, reverse=True):
        delivered[number + 1 : number + 1] = [(earlier, uptimes[earlier]) for earlier in range(number + 1)]
    placed = clock.place(10.0, 10.001, [uptime_ms % WRAP_MS for _, uptime_ms in delivered], emptied=True)
    assert [delivered[position][0] for position, _ in placed] == list(range(len(uptimes)))


@given(
    replies=st.lists(
        st.tuples(st.floats(0.0, 2.0), st.floats(0.0, 0.3), st.lists(st.integers(0, 60), max_size=5), st.booleans()),
        max_size=30,
    )
)
def test_time_never_goes_backwards_and_no_sample_is_younger_than_its_reply(
    replies: list[tuple[float, float, list[int], bool]],
) -> None:
    clock, host_s, uptime_ms, latest_s = DeviceClock(0.02), 100.0, 0, float("-inf")
    for pause_s, trip_s, steps_ms, emptied in replies:
        asked_s, host_s = host_s + pause_s, host_s + pause_s + trip_s
        clocks = [uptime_ms := uptime_ms + step_ms for step_ms in steps_ms]
        for _, at_s in clock.place(asked_s, host_s, clocks, emptied):
            assert latest_s <= at_s <= host_s + 1e-9
            latest_s = at_s


def test_a_reply_that_left_samples_behind_does_not_pull_the_clock() -> None:
    clock = DeviceClock(0.001)
    clock.place(10.0, 10.001, [5000], emptied=True)
    before = clock.place(10.002, 10.003, [5002], emptied=True)
    # The host slept for a second: a full reply brings samples from the start of that second.
    late = clock.place(11.0, 11.001, list(range(5003, 5066)), emptied=False)
    assert late[0][1] - before[0][1] == pytest.approx(0.001)
    rest = clock.place(11.002, 11.003, list(range(5066, 5129)), emptied=False)
    assert rest[-1][1] - before[0][1] == pytest.approx(0.126)


def test_a_clock_that_jumps_ahead_is_an_error() -> None:
    clock = DeviceClock(0.02)
    clock.place(10.0, 10.001, [5000], emptied=True)
    with pytest.raises(MeterProtocolError, match=r"jumped 6\d\.\d s ahead") as caught:
        clock.place(10.02, 10.021, [65000], emptied=True)
    assert "sleeping" in caught.value.remedy
