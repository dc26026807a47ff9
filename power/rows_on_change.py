"""Whether the rows of a recording are samples of a curve or the changes of a value that held between them. Pure.

Straight lines between rows that were written on change make other joules. Such rows never repeat a value; those of a
noisy meter do not either, and may come late or not at all. So one more sign is needed: *levels*, *end*, *silences*,
*linked*, *bands*, *sizes* or *few rows*, each described in docs/measuring-energy.md. What a recording says of its
meter, or of how often it was asked, settles it: then the rows are samples.
"""

from dataclasses import dataclass

import numpy as np

from power.trace import PowerTrace, Samples
from power.trace_facts import UNKNOWN
from power.update_period import changes, near_median

MATTERING_SHARE = 0.02  # of the joules
FEW_ROWS, ENOUGH_ROWS = 8, 10_000  # rows; the habits of a program show in the first of them
# Standard deviation of the spacings over their mean, or a spacing's distance from the usual one over that one.
UNEVEN_SPREAD = 0.05
EVEN_SHARE = 0.75  # share of spacings that are not so far from the usual one
RUGGED_SPREAD = 0.15  # standard deviation of the spacings over their mean
JITTER = 0.35  # of the usual spacing
USUAL, USUAL_TIME = 0.45, 0.6  # share of the spacings near their median, by number and by time
_LARGE_CHANGE = 0.1  # change, over the largest power


@dataclass(frozen=True, eq=False)
class _Changes:
    """Rows of (power, spacing until the next); `levels` counts the different values."""

    power_w: Samples
    spacings: Samples
    levels: int
    end_repeats: bool

    @property
    def rows(self) -> int:
        return len(self.power_w)

    @property
    def has_few_levels(self) -> bool:
        """So few that a meter would have repeated one."""
        return self.levels <= max(2, self.rows // (2 if self.rows < FEW_ROWS else 3 if self.rows < 2 * FEW_ROWS else 6))

    @property
    def steps_w(self) -> Samples:
        return np.abs(np.diff(self.power_w))


def are_changes(trace: PowerTrace) -> bool:
    """Whether each row may hold until the next, rather than be a sample. False where the recording says how it was
    measured."""
    seen = _changes_of(trace)
    if seen is None or not _matters(seen):
        return False
    return any(look(seen) for look in (_levels, _end, _silences, _linked, _bands, _sizes, _few_rows))


def may_be_changes(trace: PowerTrace) -> bool:
    """Whether nothing contradicts that each row holds until the next, though nothing speaks for it either.

    Rows that repeat a value contradict nothing here: a log of changes may show so that it is alive.
    """
    seen = _changes_of(trace, with_repeats=True)
    return seen is not None and _matters(seen) and _unevenness(seen.spacings) > UNEVEN_SPREAD


def _changes_of(trace: PowerTrace, *, with_repeats: bool = False) -> _Changes | None:
    """None where there are too few rows, where their meter is known, and where rows behind one another are equal, but
    for the last, unless they may be (`with_repeats`)."""
    facts = trace.facts
    if facts.meter != UNKNOWN or facts.averaging != "instant":
        return None
    if facts.update_period_s is not None or facts.poll_period_s is not None:
        return None
    differs = changes(trace.voltage_v, trace.current_a)
    if len(differs) < 3 or not (with_repeats or differs[:-1].all()):
        return None
    few = slice(ENOUGH_ROWS)
    values = np.column_stack((trace.voltage_v[few], trace.current_a[few]))
    end_repeats = len(differs) <= ENOUGH_ROWS and not differs[-1]
    return _Changes(trace.power_w[few], np.diff(trace.t_s[few]), len(np.unique(values, axis=0)), end_repeats)


def _matters(seen: _Changes) -> bool:
    """Whether holding and straight lines may differ in a window by more than a little."""
    lines_w = (seen.power_w[1:] + seen.power_w[:-1]) / 2
    between_j = np.sum(seen.spacings * np.abs(lines_w - seen.power_w[:-1]))
    return bool(between_j > MATTERING_SHARE * np.sum(seen.spacings * np.abs(lines_w)))


def _unevenness(spacings: Samples) -> float:
    """Their standard deviation over their mean."""
    return float(np.std(spacings) / np.mean(spacings)) if len(spacings) else 0.0


def _levels(seen: _Changes) -> bool:
    return seen.has_few_levels and _usual(_without_mark(seen), UNEVEN_SPREAD) < EVEN_SHARE


def _usual(spacings: Samples, tolerance: float) -> float:
    """The share of them within `tolerance` of their median: of even rows all but a hole or two."""
    return float(np.mean(np.abs(spacings / np.median(spacings) - 1) <= tolerance)) if len(spacings) else 1.0


def _without_mark(seen: _Changes) -> Samples:
    """The spacings but for that of the end's mark, and those of the two sides of a step."""
    spacings = seen.spacings[:-1] if seen.end_repeats and seen.rows > 3 else seen.spacings
    return spacings[spacings > 0.0]


def _end(seen: _Changes) -> bool:
    if not seen.end_repeats or seen.rows < 4 or not seen.has_few_levels:
        return False
    return abs(float(seen.spacings[-1]) / float(np.median(_without_mark(seen))) - 1) > 1e-3


def _silences(seen: _Changes) -> bool:
    if seen.rows < FEW_ROWS or len(near_median(seen.spacings)) >= USUAL * len(seen.spacings):
        return False
    # Late and lost rows are near the usual spacing by number, rows in bursts by the time that they stand for.
    ordered = np.sort(seen.spacings)
    share = np.cumsum(ordered) / np.sum(ordered)
    middle_s = ordered[int(np.searchsorted(share, 0.5))]
    near = np.abs(ordered - middle_s) <= middle_s / 2
    return float(np.sum(ordered[near])) < USUAL_TIME * float(np.sum(ordered))


def _linked(seen: _Changes) -> bool:
    """Up and down in turn, and the spacings behind high rows apart from those behind low ones."""
    if seen.rows < 20:
        return False
    middle_w = (np.max(seen.power_w) + np.min(seen.power_w)) / 2
    high = seen.power_w > middle_w
    if np.mean(high[1:] != high[:-1]) < 0.8:
        return False
    after_high, after_low = seen.spacings[high[:-1]], np.sort(seen.spacings[~high[:-1]])
    below = np.searchsorted(after_low, after_high, side="left") + np.searchsorted(after_low, after_high, side="right")
    above = float(np.mean(below)) / 2 / len(after_low)
    return _unevenness(seen.spacings) > UNEVEN_SPREAD and not 0.05 < above < 0.95


def _bands(seen: _Changes) -> bool:
    """Up and down at every row between two levels with a gap between them, at times further apart than jitter."""
    middle_w = (np.max(seen.power_w) + np.min(seen.power_w)) / 2
    high = seen.power_w > middle_w
    in_turn = high[1:] != high[:-1]
    if seen.rows < FEW_ROWS or not in_turn[:-1].all() or not (in_turn[-1] or seen.end_repeats):
        return False
    gap_w = np.min(seen.power_w[high]) - np.max(seen.power_w[~high])
    return bool(gap_w > np.ptp(seen.power_w) / 2) and _usual(_without_mark(seen), JITTER) < EVEN_SHARE


def _sizes(seen: _Changes) -> bool:
    steps_w = seen.steps_w[:-1] if seen.end_repeats else seen.steps_w
    calm = np.sort(seen.spacings)[: int(0.95 * len(seen.spacings))]  # without a hole or two
    if seen.rows < 30 or _unevenness(calm) < RUGGED_SPREAD:
        return False
    # The more rows, the surer noise has made a small step by chance.
    return bool(np.min(steps_w) >= max(0.2, 12 / seen.rows) * np.median(steps_w))


def _few_rows(seen: _Changes) -> bool:
    spacings = _without_mark(seen)
    if seen.rows >= FEW_ROWS or not len(spacings) or np.max(spacings) < 2 * np.min(spacings):
        return False
    steps_w = seen.steps_w[:-1] if seen.end_repeats else seen.steps_w
    return bool(np.min(steps_w) >= _LARGE_CHANGE * np.max(np.abs(seen.power_w)))
