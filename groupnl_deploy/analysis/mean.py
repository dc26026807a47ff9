"""The mean of repeats, and how sure it is: Student's t interval of 95 %. Pure.

It supposes repeats that are independent and vary as a normal distribution does, which sums of many small draws of
energy come near to. Where that is too much, take the median's interval of `spread`, which supposes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, inf, isfinite, pi, sin, sqrt, tan
from statistics import fmean, stdev
from typing import Literal

from groupnl_deploy.analysis.spread import CONFIDENCE, LEAST_FOR_INTERVAL


@dataclass(frozen=True)
class Mean:
    """The mean of `n` values between `low` and `high`, in the values' own unit.

    `kind` is "single" for one value, "range" for the lowest and highest of two to five, and from six on "interval": of
    such intervals `confidence` hold the mean of what could have been measured.
    """

    n: int
    mean: float
    low: float
    high: float
    kind: Literal["single", "range", "interval"]
    confidence: float | None


def mean_of(values: Sequence[float]) -> Mean:
    """The mean of one or more values. Raises `ValueError` for none, or for one that is not finite."""
    if not values or not all(map(isfinite, values)):
        raise ValueError(f"the mean is of one or more finite values, not of {list(values)}")
    n, middle = len(values), fmean(values)
    if n < LEAST_FOR_INTERVAL:
        return Mean(n, middle, min(values), max(values), "single" if n == 1 else "range", None)
    half = student_t(n - 1) * stdev(values) / sqrt(n)
    return Mean(n, middle, middle - half, middle + half, "interval", CONFIDENCE)


def student_t(freedom: int) -> float:
    """The value that Student's t of so many degrees of freedom is beyond, at either end, in 5 % of all cases."""
    low, high = 0.0, pi / 2
    while high - low > 1e-15:
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < CONFIDENCE else (low, middle)
    return tan(high) * sqrt(freedom) if high < pi / 2 else inf


def _within(angle: float, freedom: int) -> float:
    """The probability that |t| is at most tan(`angle`) times the root of `freedom`.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4: a finite sum for whole numbers.
    """
    square, odd = cos(angle) ** 2, freedom % 2
    term = cos(angle) if odd else 1.0
    total = 0.0
    for step in range(freedom // 2):
        total += term
        term *= square * ((2 * step + 2) / (2 * step + 3) if odd else (2 * step + 1) / (2 * step + 2))
    return 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total
