"""Two things measured in pairs: their ratio, its interval and an exact sign-flip test. Pure.

Within a pair it is chance which of the two was measured first. If they are equal, each pair's log ratio might as well
have had the other sign, and all 2^n ways to choose the signs are equally likely. The p-value is the share of them whose
mean is at least as far from zero as the one that was measured (Fisher, The Design of Experiments, 1935, section 21).

The interval holds every ratio that the test at 5 % does not refute. No search is needed: its ends are means of subsets
of the log ratios (Hartigan, Using subsample values as typical values, JASA 64, 1969). Up to `MOST_ENUMERATED` pairs all
subsets are used; above that `RESAMPLED` random ones from a fixed seed, which keeps the test's level.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp, floor, isfinite, log
from statistics import NormalDist
from typing import Literal

import numpy as np

from groupnl_deploy.analysis.spread import CONFIDENCE, LEAST_FOR_INTERVAL

LEAST_PAIRS = LEAST_FOR_INTERVAL
"""Of five pairs 2 of the 32 ways are as extreme as possible: p is 0.0625 at least, and nothing is shown at 5 %."""

SIGNIFICANCE = 1 - CONFIDENCE
MOST_ENUMERATED = 20
RESAMPLED = 199_999
_SEED = 0
_AT_ONCE = 4_000_000  # numbers: 32 MB
_POWER = 0.80
# Of the largest log ratio: sums that differ by less are equal but for rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Paired:
    """B against A in `pairs` pairs: the geometric mean of the ratios B/A, and what is known of it.

    `kind` is "interval" from six pairs on: `low` and `high` enclose the ratios that the two-sided test at 5 % does not
    refute, and `p` is its p-value for the ratio 1. With fewer, they are the lowest and highest ratio of a pair (a
    "range", or "single" for one pair) and `p` is null. `effect` is Cohen's d_z: the mean of the log ratios in units of
    their standard deviation `log_sd`; null where all ratios are equal or there is one. `lower` and `higher` count the
    pairs in which B's value was the lower and the higher one. `resampled` is how many random choices of signs stand
    for all of them; null where all were tried.
    """

    pairs: int
    ratio: float
    low: float
    high: float
    kind: Literal["single", "range", "interval"]
    p: float | None
    effect: float | None
    log_sd: float | None
    lower: int
    higher: int
    resampled: int | None = None


def compare_pairs(a: Sequence[float], b: Sequence[float]) -> Paired:
    """Compare the k-th of `a` with the k-th of `b`, in any unit. Raises `ValueError` for what has no log ratio."""
    if not a or len(a) != len(b) or not all(isfinite(value) and value > 0 for value in (*a, *b)):
        raise ValueError("pairs are of as many values on either side, each finite and above zero")
    logs = np.array([log(second / first) for first, second in zip(a, b, strict=True)])
    pairs, mean = len(logs), float(logs.mean())
    log_sd = float(logs.std(ddof=1)) if pairs > 1 and np.ptp(logs) > _ROUNDING else None
    low, high, p = _unsure(logs) if pairs >= LEAST_PAIRS else (float(logs.min()), float(logs.max()), None)
    return Paired(
        pairs=pairs,
        ratio=exp(mean),
        low=exp(low),
        high=exp(high),
        kind="interval" if pairs >= LEAST_PAIRS else "range" if pairs > 1 else "single",
        p=p,
        effect=mean / log_sd if log_sd else None,
        log_sd=log_sd,
        lower=int((logs < 0).sum()),
        higher=int((logs > 0).sum()),
        resampled=RESAMPLED if pairs > MOST_ENUMERATED else None,
    )


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p-values of several questions asked at once, adjusted so that one family in twenty errs (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return tuple(adjusted)


def pairs_to_decide(found: Paired, limit: float) -> int | None:
    """About how many pairs tell the ratio from `limit` in four cases of five, if ratio and spread are as they were.

    By the normal approximation, at least six. None where nobody can say: the ratio is the limit, or has no spread.
    """
    distance = abs(log(found.ratio) - log(limit))
    if not found.log_sd or distance < _ROUNDING:
        return None
    sums = NormalDist().inv_cdf(1 - SIGNIFICANCE / 2) + NormalDist().inv_cdf(_POWER)
    return max(LEAST_PAIRS, ceil((sums * found.log_sd / distance) ** 2))


def _unsure(logs: np.ndarray) -> tuple[float, float, float]:
    """The interval's ends and the two-sided p-value for a mean of zero.

    Flipping the signs of a subset leaves a sum that is no smaller than the measured one exactly where the subset's own
    mean is not above zero; so with `means` of all subsets but the empty one, which is the measured sum itself, the
    one-sided p-value of any supposed mean is a count.
    """
    means = _subset_means(logs)
    ways, near = len(means) + 1, _ROUNDING * float(np.abs(logs).max())
    p = 2 * (1 + min(int((means <= near).sum()), int((means >= -near).sum()))) / ways
    rank = floor(SIGNIFICANCE / 2 * ways) - 1  # from zero
    ordered = np.partition(means, (rank, len(means) - 1 - rank))
    return float(ordered[rank]), float(ordered[len(means) - 1 - rank]), min(1.0, p)


def _subset_means(logs: np.ndarray) -> np.ndarray:
    """The mean of every subset of the log ratios but the empty one, or of many random subsets."""
    if len(logs) > MOST_ENUMERATED:
        return _random_subset_means(logs)
    sums, counts = np.zeros(1), np.zeros(1, dtype=np.int64)
    for value in logs:
        sums, counts = np.concatenate([sums, sums + value]), np.concatenate([counts, counts + 1])
    every: np.ndarray = sums[1:] / counts[1:]
    return every


def _random_subset_means(logs: np.ndarray) -> np.ndarray:
    """The means of `RESAMPLED` subsets that are drawn from a fixed seed, some at a time for the memory's sake."""
    dice, parts = np.random.default_rng(_SEED), []
    most = max(1, _AT_ONCE // len(logs))
    for done in range(0, RESAMPLED, most):
        chosen = dice.integers(0, 2, (min(most, RESAMPLED - done), len(logs)), dtype=np.int8).astype(float)
        counts = chosen.sum(axis=1)  # an empty one is not to be expected: one in millions
        parts.append((chosen @ logs)[counts > 0] / counts[counts > 0])
    means: np.ndarray = np.concatenate(parts)
    return means
