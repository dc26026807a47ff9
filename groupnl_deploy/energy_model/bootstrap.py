"""How sure the fitted parameters are: intervals of 95 % from windows that are drawn again. Pure.

The windows of each point are drawn with replacement, and everything is fitted again. A mean of n drawn windows varies
by √((n-1)/n) of what it should, which is made up for. The intervals tell how far the measurements scatter. How far a
law is wrong they do not tell: its regret does.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np

from groupnl_deploy.energy_model.rules import FITS, RuleName
from groupnl_deploy.energy_model.sweep import Curves, Point, Sweep, curves_of

DRAWS = 200
_SEED = 0  # equal sweeps give equal intervals
_ENDS = (2.5, 97.5)  # per cent
_FITTED: tuple[RuleName, ...] = ("constant", "additive", "paper")  # a table has no parameters


@dataclass(frozen=True)
class Interval:
    """Of one parameter of a fit, by its field; between `low` and `high` in its own unit."""

    rule: RuleName
    parameter: str
    low: float
    high: float


def intervals(sweep: Sweep) -> tuple[Interval, ...]:
    """Of every parameter; none where a point has one window alone, which tells nothing of how they scatter."""
    if sweep.windows < 2:
        return ()
    drawn = _drawn(sweep.points)
    return tuple(one for rule in _FITTED for one in _of_rule(rule, FITS[rule], drawn))


def _of_rule(rule: RuleName, fit: Callable[[Curves], Any], drawn: list[Curves]) -> list[Interval]:
    found = [fit(curves) for curves in drawn]
    names = [field.name for field in fields(found[0])]
    columns = zip(*(astuple(one) for one in found), strict=True)
    return [
        Interval(rule, name, *(float(end) for end in np.percentile(values, _ENDS)))
        for name, values in zip(names, columns, strict=True)
        if not name.endswith("_error") and None not in values
    ]


def _drawn(points: Sequence[Point]) -> list[Curves]:
    """Every point's mean, so many times."""
    random = np.random.default_rng(_SEED)
    means = {(point.shape, point.groups): _means(point, random) for point in points}
    return [curves_of({place: each[draw] for place, each in means.items()}) for draw in range(DRAWS)]


def _means(point: Point, random: np.random.Generator) -> list[float]:
    number = len(point.values)
    away = random.choice(point.values, (DRAWS, number)).mean(axis=1) - point.mean
    least = min(point.values) * 1e-3  # a cost is above 0
    return [max(float(one), least) for one in point.mean + away * math.sqrt(number / (number - 1))]
