"""For claims that suppose a process that gets to run: a meter that is polled in time, a load that steps in time.

A busy machine may hold any process up, for seconds. No patience then makes a recording whole, so it is made again.
"""

import threading
import time
from collections.abc import Callable
from typing import Self, TypeVar

import numpy as np
import pytest

from power.holes import HOLE_PERIODS
from power.trace import PowerTrace

Made = TypeVar("Made")

LOOK_EVERY_S = 0.01
TRIES = 5


def again_where(is_disturbed: Callable[[Made], bool], make: Callable[[], Made]) -> Made:
    """What `make` gives, made again where it was disturbed. Raises `AssertionError` where it was so each time."""
    for _ in range(TRIES):
        made = make()
        if not is_disturbed(made):
            return made
    raise AssertionError(f"disturbed in each of {TRIES} tries: {made}")


class StandStill:
    """Looks at the clock while its `with` block runs, on a thread: `longest_s` is how long none of it could run."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        before_s = time.monotonic()
        while not self._over.wait(LOOK_EVERY_S):
            now_s = time.monotonic()
            self.longest_s, before_s = max(self.longest_s, now_s - before_s), now_s
        self.longest_s = max(self.longest_s, time.monotonic() - before_s)


def in_time(make: Callable[[], Made], longest_s: float) -> Made:
    """What `make` gives where this process never stood still for longer. Skips the test where it did each time."""
    for _ in range(TRIES):
        with StandStill() as still:
            made = make()
        if still.longest_s <= longest_s:
            return made
    pytest.skip(f"this machine held the test up for more than {longest_s} s in each of {TRIES} tries")


def has_hole(trace: PowerTrace) -> bool:
    """Whether a process that records, or one that is recorded, stood still for longer than no measurement may miss."""
    longest_s = float(np.max(np.diff(trace.t_s), initial=0.0))
    return longest_s > HOLE_PERIODS * (trace.facts.update_period_s or 0.0)
