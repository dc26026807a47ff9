"""Where repeats of one measurement lie: their median, and how sure it is. Pure.

The interval is distribution-free: both ends are repeats. The median of what could have been measured lies below the
k-th lowest of n repeats with the probability that at most k - 1 of n tosses of a coin show heads (David and Nagaraja,
Order Statistics, 2003, section 7.1). No shape of the distribution is assumed, which latencies would not have.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, isfinite
from statistics import median
from typing import Literal

LEAST_FOR_INTERVAL = 6
"""Of five repeats the lowest and the highest enclose the median with 94 % only; of six with 97 %."""

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Spread:
    """The median of `n` values between `low` and `high`, in the values' own unit.

    `kind` is "single" for one value, "range" for the lowest and highest of two to five, and from six on "interval": the
    median lies in it with a probability of 95 % or somewhat more.
    """

    n: int
    median: float
    low: float
    high: float
    kind: Literal["single", "range", "interval"]


def spread(values: Sequence[float]) -> Spread:
    """The spread of one or more values, in any order. Raises `ValueError` for none, or for one that is not finite."""
    if not values or not all(map(isfinite, values)):
        raise ValueError(f"the spread is of one or more finite values, not of {list(values)}")
    ordered, n = sorted(values), len(values)
    if n < LEAST_FOR_INTERVAL:
        return Spread(n, median(ordered), ordered[0], ordered[-1], "single" if n == 1 else "range")
    left_out = _left_out(n)
    return Spread(n, median(ordered), ordered[left_out], ordered[n - 1 - left_out], "interval")


def median_of_all(values: Sequence[float | None]) -> float | None:
    """Their median; None where one has none: a median of fewer would be of another thing."""
    known = [value for value in values if value is not None]
    return median(known) if known and len(known) == len(values) else None


def _left_out(n: int) -> int:
    """How many of n ordered values may lie outside at either end of an interval of 95 %."""
    allowed, tail, count = (1 - CONFIDENCE) / 2 * 2**n, 1, 0
    while tail + comb(n, count + 1) <= allowed:
        count += 1
        tail += comb(n, count)
    return count
