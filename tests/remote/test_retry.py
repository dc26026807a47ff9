"""What is tried again, when, and how long: the loop itself, with a clock of its own."""

import random
from collections.abc import Callable

import pytest

from groupnl_deploy.errors import DeviceBusy, DeviceUnavailable, DeviceUnreachable, GroupNLError, UsageError
from groupnl_deploy.remote import deadline, retry
from groupnl_deploy.remote.deadline import Deadline
from groupnl_deploy.remote.retry import Budget, retrying


class Clock:
    """Stands still but for pauses."""

    def __init__(self) -> None:
        self.now_s, self.pauses = 1000.0, list[float]()

    def monotonic(self) -> float:
        """The time by this clock."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.pauses.append(seconds)
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(retry, "time", made)
    monkeypatch.setattr(deadline, "time", made)
    return made


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chance takes the longest pause each time."""
    monkeypatch.setattr(random, "uniform", lambda low, high: high)


def lost() -> DeviceUnavailable:
    return DeviceUnavailable("The link to pi was lost.", "Check it.")


def failing(times: int, error: Callable[[], GroupNLError] = lost) -> Callable[[], int]:
    """Fails so often, then answers with the number of the try."""
    tries = 0

    def act() -> int:
        nonlocal tries
        tries += 1
        if tries <= times:
            raise error()
        return tries

    return act


def test_a_transient_error_is_tried_again_and_said_in_a_sentence(clock: Clock, longest: None) -> None:
    said: list[str] = []
    assert retrying(failing(2), Budget(30), said.append) == 3
    assert clock.pauses == [0.5, 1.0]
    assert said[0] == "The link to pi was lost; trying again in 0.5 s, for up to 30 s."


def test_pauses_double_to_ten_seconds_and_the_last_try_is_at_the_budgets_end(clock: Clock, longest: None) -> None:
    with pytest.raises(DeviceUnavailable):
        retrying(failing(1000), Budget(60), lambda sentence: None)
    assert clock.pauses == [0.5, 1, 2, 4, 8, 10, 10, 10, 10, 4.5]


def test_pauses_are_random_from_nothing_on(clock: Clock) -> None:
    for _ in range(60):
        retrying(failing(3), Budget(30), lambda sentence: None)
    third = clock.pauses[2::3]
    assert 0 <= min(third) < 0.3 and 1.7 < max(third) <= 2


def test_progress_begins_pauses_and_budget_anew(clock: Clock, longest: None) -> None:
    across = iter([5, 5, 5, 9, 9, 9, 9, 9])
    now = 0

    def act() -> None:
        nonlocal now
        now = next(across)
        clock.now_s += 3
        raise lost()

    with pytest.raises(DeviceUnavailable):
        retrying(act, Budget(10), lambda sentence: None, lambda: now)
    assert clock.pauses == [0.5, 1.0, 2.0, 0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    "error",
    [
        lambda: UsageError("No such device.", "Name another."),
        lambda: DeviceUnreachable("The key was refused.", "Add it."),
        lambda: DeviceBusy("pi is busy with a push.", "Wait."),
    ],
)
def test_what_stays_is_raised_at_once(clock: Clock, error: Callable[[], GroupNLError]) -> None:
    said: list[str] = []
    with pytest.raises(type(error())):
        retrying(failing(1, error), Budget(30), said.append)
    assert not said and not clock.pauses


def test_a_budget_of_nothing_tries_once(clock: Clock) -> None:
    with pytest.raises(DeviceUnavailable):
        retrying(failing(1), Budget(0), lambda sentence: None)
    assert not clock.pauses


def test_a_deadline_is_what_is_left_of_a_step(clock: Clock) -> None:
    end = Deadline.after(2)
    clock.now_s += 1.5
    assert end.left_s == 0.5 and not end.expired
    clock.now_s += 5
    assert end.left_s == 0 and end.expired
