"""Whether the host slept, told by two clocks that need not be the host's."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.errors import HostSlept
from power.host_sleep import LEAST_SLEEP_S, SLEEPLESS, SleepWatch, sleepless_clock


class Host:
    """Its two clocks; each look at one takes a little time, and more where the looking thread is held up."""

    def __init__(self) -> None:
        self.awake_s, self.asleep_s = 1000.0, 77.0
        self.held_up_s = 0.0

    def awake(self) -> float:
        self.awake_s += 1e-6
        return self.awake_s

    def sleepless(self) -> float:
        self.awake_s += self.held_up_s
        return self.awake_s + self.asleep_s

    def watch(self) -> SleepWatch:
        return SleepWatch(self.awake, self.sleepless)


def test_a_sleep_is_told_with_its_length_and_its_place_in_the_recording() -> None:
    host = Host()
    watch = host.watch()
    host.awake_s += 12.34
    watch.require_awake()
    host.awake_s += 0.05
    host.asleep_s += 3600.5
    with pytest.raises(HostSlept, match=r"slept for 3600\.50 s, 12\.3 s after the recording began") as caught:
        watch.require_awake()
    assert "systemd-inhibit" in caught.value.remedy


def test_an_hour_awake_is_no_sleep() -> None:
    host = Host()
    watch = host.watch()
    for _ in range(3600):
        host.awake_s += 1.0
        watch.require_awake()


@given(st.floats(0.0, 10.0), st.floats(0.0, 10.0))
def test_a_thread_that_is_held_up_between_two_looks_is_no_sleep(at_first_s: float, later_s: float) -> None:
    host = Host()
    host.held_up_s = at_first_s
    watch = host.watch()
    host.held_up_s = later_s
    watch.require_awake()


def test_a_sleep_is_told_though_the_first_look_was_held_up() -> None:
    host = Host()
    host.held_up_s = 5.0
    watch = host.watch()
    host.held_up_s = 0.0
    watch.require_awake()
    host.asleep_s += LEAST_SLEEP_S + 0.001
    with pytest.raises(HostSlept):
        watch.require_awake()


def test_the_clocks_of_this_host_say_that_it_is_awake() -> None:
    watch = SleepWatch()
    for _ in range(100):
        watch.require_awake()


@pytest.mark.parametrize("platform", sorted(SLEEPLESS))
def test_a_system_with_two_clocks_is_asked_for_the_one_that_goes_on(platform: str, monkeypatch) -> None:
    monkeypatch.setattr(time, SLEEPLESS[platform], 99, raising=False)
    monkeypatch.setattr(time, "clock_gettime", lambda number: {99: 123.0}[number])
    assert sleepless_clock(platform)() == 123.0


@pytest.mark.parametrize("platform", ["sunos5", "linux"])
def test_a_system_without_such_a_clock_never_slept_and_nothing_crashes(platform: str, monkeypatch) -> None:
    monkeypatch.delattr(time, SLEEPLESS["linux"], raising=False)
    clock = sleepless_clock(platform)
    assert clock is time.monotonic
    SleepWatch(sleepless=clock).require_awake()
