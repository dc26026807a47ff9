"""The measured costs themselves, interpolated: right also where a runtime's blocks make cliffs that no law has. Pure.

Of a layer that was measured, the cost between two numbers of groups is on a straight line of ln cost over ln g. Of
another layer it is the cost for each multiply-accumulate at the same group size G, of the three nearest layers of its
kernel.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from groupnl_deploy.energy_model.best import choices_of
from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.sweep import Curves

_NEIGHBOURS = 3


@dataclass(frozen=True)
class Row:
    """The costs of one layer by number of groups, in rising order; those of depthwise are among them."""

    shape: LayerShape
    groups: tuple[int, ...]
    costs: tuple[float, ...]

    def per_mac(self, size: float) -> float | None:
        """At a group size; at 1 that of depthwise, if that was measured, and at others that of the others."""
        narrow = size == 1
        points = [
            (math.log(self.shape.group_size(groups)), math.log(cost / self.shape.macs(groups)))
            for groups, cost in zip(self.groups, self.costs, strict=True)
            if self.shape.is_depthwise(groups) == narrow
        ]
        if not points:
            return None
        at, logs = zip(*sorted(points), strict=True)
        return math.exp(float(np.interp(math.log(size), at, logs)))


@dataclass(frozen=True)
class CostTable:
    """All measured layers."""

    rows: tuple[Row, ...]

    @cached_property
    def _by_shape(self) -> dict[LayerShape, Row]:
        return {row.shape: row for row in self.rows}

    def knows(self, shape: LayerShape) -> bool:
        """Whether this layer itself was measured."""
        return shape in self._by_shape

    def cost(self, shape: LayerShape, groups: int) -> float | None:
        """Of one layer and frame, in J or s. None for depthwise where none was measured."""
        size = shape.group_size(groups)
        known = self._by_shape.get(shape)
        own = known.per_mac(size) if known else None
        each = self._of_neighbours(shape, size) if own is None else own
        return None if each is None else each * shape.macs(groups)

    def groups(self, shape: LayerShape) -> float:
        """The cheapest of all that the layer can have, but depthwise."""
        return float(min(choices_of(shape), key=lambda groups: self.cost(shape, groups) or math.inf))

    def _of_neighbours(self, shape: LayerShape, size: float) -> float | None:
        found = [(_distance(row.shape, shape), each) for row in self._of_kernel(shape) if (each := row.per_mac(size))]
        near = sorted(found)[:_NEIGHBOURS]
        if not near:
            return None
        weights = [1 / (distance**2 + 1e-9) for distance, _ in near]
        return math.exp(float(np.average(np.log([each for _, each in near]), weights=weights)))

    def _of_kernel(self, shape: LayerShape) -> Sequence[Row]:
        return [row for row in self.rows if row.shape.kernel == shape.kernel] or self.rows


def make_cost_table(curves: Curves) -> CostTable:
    """Of all that was measured."""
    return CostTable(tuple(Row(shape, tuple(curve), tuple(curve.values())) for shape, curve in curves.items()))


def _distance(one: LayerShape, other: LayerShape) -> float:
    return math.dist(_place(one), _place(other))


def _place(shape: LayerShape) -> tuple[float, float]:
    return math.log(shape.in_channels * shape.out_channels), math.log(shape.height * shape.width)
