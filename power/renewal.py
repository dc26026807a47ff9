"""Whether a meter renews its values faster than it is known to and than it is asked, so that many are never seen. Pure.

A KM003C that another program left at 1,000 values a second answers each poll with a value of one millisecond. Twenty of
them a second do not make the mean of a second. The evidence is a number that changes at nearly every poll, and more
often than one number of such a meter can; docs/measuring-energy.md says why the counts below are enough.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from power.trace import MeterFacts, PowerTrace, Samples

CHANGES_NEEDED = 8
WITHIN_POLLS = 10
# At least CHANGES_NEEDED - 2 renewals lie between so many changes for certain, and take one period fewer. A tenth is
# left for the meter's clock and for renewals that are late.
SURE_PERIODS = 0.9 * (CHANGES_NEEDED - 3)

WHAT = "the meter renewed its values faster than it was asked"
MEANING = (
    f"{WHAT}, as another program may have set it: not all of them were seen, and how wrong the joules are is not known"
)
REPLUG = (
    "Unplug the meter from everything, its data cable too, and plug it in again: it then measures twice a second. "
    "Or use --meter km003c-usb, which sets the rate and reads every measurement."
)
OTHERWISE = "Ask it more often (groupnl power record --poll-hz), or set the interval that its driver gives."

Counts = NDArray[np.intp]


def remedy(facts: MeterFacts) -> str:
    """What to do about such a meter."""
    return REPLUG if facts.meter.startswith("km003c") else OTHERWISE


def verdict(facts: MeterFacts) -> str:
    """What is wrong with a recording of such a meter, and what to do."""
    return f"INVALID: {MEANING}. {remedy(facts)}"


def outruns_polls(new_s: Sequence[float] | Samples, polls: Sequence[int] | Counts, period_s: float) -> bool:
    """Whether one number of a meter is renewed faster than every `period_s` seconds and than it is asked.

    Args:
        new_s: when it was new, in seconds, (n,).
        polls: how many polls had been made by then, (n,).
        period_s: the meter's known update period.
    """
    if len(new_s) <= CHANGES_NEEDED:
        return False
    count = CHANGES_NEEDED
    took_s, took_polls = (np.asarray(values)[count:] - np.asarray(values)[:-count] for values in (new_s, polls))
    return bool(np.any((took_s < SURE_PERIODS * period_s) & (took_polls <= WITHIN_POLLS)))


def too_slow_to_tell(facts: MeterFacts) -> bool:
    """Whether even a new value at every poll would prove nothing: no known period, or polls about as rare as that."""
    if facts.update_period_s is None:
        return True
    return CHANGES_NEEDED * (facts.poll_period_s or 0.0) >= SURE_PERIODS * facts.update_period_s


def renewed_too_fast(trace: PowerTrace) -> bool:
    """Whether a recording is of such a meter: it says so, or its rows do.

    Polls that were no rows are counted by their period. Where nobody knows that, they count as being no more frequent
    than the rows.
    """
    facts = trace.facts
    if facts.renews_too_fast or too_slow_to_tell(facts):
        return facts.renews_too_fast
    spacings = np.diff(trace.t_s, prepend=trace.t_s[:1])
    asked = np.rint(spacings / facts.poll_period_s) if facts.poll_period_s else np.ones_like(spacings)
    polls = np.cumsum(np.maximum(asked, 1.0)).astype(np.intp)
    period_s = facts.update_period_s or 0.0
    return any(
        outruns_polls(trace.t_s[new], polls[new], period_s)
        for new in (np.diff(values, prepend=np.nan) != 0.0 for values in (trace.voltage_v, trace.current_a))
    )


def judged(trace: PowerTrace) -> PowerTrace:
    """The recording, its facts saying whether it is of such a meter."""
    return replace(trace, facts=replace(trace.facts, renews_too_fast=renewed_too_fast(trace)))


class RenewalWatch:
    """The same of a meter that is being recorded, by all the raw numbers of its replies, in constant memory."""

    def __init__(self, facts: MeterFacts) -> None:
        self.too_fast = facts.renews_too_fast
        self._period_s = 0.0 if too_slow_to_tell(facts) else facts.update_period_s or 0.0
        self._polls = 0
        self._before: tuple[int, ...] = ()
        self._new: list[deque[tuple[float, int]]] = []

    def count_poll(self) -> None:
        """The meter is asked once more."""
        self._polls += 1

    def add(self, t_s: float, numbers: tuple[int, ...]) -> None:
        """A reply of the latest poll, `t_s` its time in seconds; `numbers` as many as in every reply before."""
        if self.too_fast or not self._period_s:
            return
        if len(self._before) != len(numbers):
            self._new = [deque(maxlen=CHANGES_NEEDED + 1) for _ in numbers]
            self._before = ()
        for place, new in enumerate(self._new):
            if not self._before or self._before[place] != numbers[place]:
                new.append((t_s, self._polls))
                times, polls = zip(*new, strict=True)
                self.too_fast = self.too_fast or outruns_polls(times, polls, self._period_s)
        self._before = numbers
