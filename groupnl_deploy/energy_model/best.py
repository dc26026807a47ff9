"""Which number of groups was measured as the cheapest, also between those that were measured. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence

from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.sweep import grouped


def best_groups(shape: LayerShape, curve: Mapping[int, float]) -> float:
    """g*: the lowest point of the parabola through the three lowest neighbours in ln g; depthwise has no part in it.

    At either end of what was measured it is the end itself.
    """
    costs = grouped(shape, curve)
    groups = sorted(costs)
    at = min(range(len(groups)), key=lambda index: costs[groups[index]])
    if at in (0, len(groups) - 1):
        return float(groups[at])
    return _vertex([(math.log(groups[index]), costs[groups[index]]) for index in (at - 1, at, at + 1)])


def _vertex(points: Sequence[tuple[float, float]]) -> float:
    """e^x where the parabola through three points (x, y) is lowest; the second of them has the lowest y."""
    (before, first), (middle, second), (after, third) = points
    down, up = (second - first) / (middle - before), (third - second) / (after - middle)
    if not up > down:  # three equal costs
        return math.exp(middle)
    return math.exp((before + middle) / 2 - down * (after - before) / (2 * (up - down)))


def nearest(wanted: float, choices: Iterable[int]) -> int:
    """The choice that is nearest as a ratio, of two the smaller."""
    return min(sorted(choices), key=lambda one: abs(math.log(one / wanted)))


def choices_of(shape: LayerShape) -> tuple[int, ...]:
    """Every number of groups but depthwise; a layer of one channel has that alone."""
    return tuple(one for one in shape.group_counts if not shape.is_depthwise(one)) or shape.group_counts
