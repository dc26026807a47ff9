"""A law of the cost itself: E = e0 + e1·M + e2·A/G + e3·g. Pure.

Work costs e1 for each multiply-accumulate, maps are paid again the narrower the groups are (e2 for each number of A,
over G channels), and each group costs e3. All four are zero or more. It has an optimum in every layer: with
A/G = A·g/m, dE/dg = 0 at g* = √(e1·M0 / (e2·A/m + e3)), M0 being the multiply-accumulates of one group.
"""

import math
from dataclasses import astuple, dataclass

import numpy as np

from groupnl_deploy.energy_model.best import choices_of
from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.sweep import Curves, grouped


@dataclass(frozen=True)
class AdditiveLaw:
    """Of what is not depthwise.

    Args:
        base: e0, J or s for one layer and frame.
        per_mac: e1, for each multiply-accumulate.
        per_narrow_activation: e2, for each number that is read or written, over the channels of a group.
        per_group: e3, for each group.
    """

    base: float
    per_mac: float
    per_narrow_activation: float
    per_group: float

    def cost(self, shape: LayerShape, groups: int) -> float:
        """Of one layer and frame, in J or s."""
        return float(np.dot(astuple(self), _features(shape, groups)))

    def groups(self, shape: LayerShape) -> float:
        """g*, within what the layer can have."""
        choices = choices_of(shape)
        narrowing = self.per_narrow_activation * shape.activations / shape.in_channels + self.per_group
        if narrowing <= 0:
            return float(choices[-1])
        return min(max(math.sqrt(self.per_mac * shape.dense_macs / narrowing), choices[0]), choices[-1])


def fit_additive_law(curves: Curves) -> AdditiveLaw:
    """Non-negative least squares, each cost weighted by one over its square: of equal shares, not of equal joules."""
    from scipy.optimize import nnls

    points = [
        (shape, groups, cost) for shape, curve in curves.items() for groups, cost in grouped(shape, curve).items()
    ]
    rows = np.array([_features(shape, groups) for shape, groups, _ in points])
    costs = np.array([cost for *_, cost in points])
    scale = rows.max(axis=0)  # from 1 to 1e9
    found, _ = nnls(rows / scale / costs[:, None], np.ones(len(costs)))
    return AdditiveLaw(*(float(one) for one in found / scale))


def _features(shape: LayerShape, groups: int) -> tuple[float, float, float, float]:
    return 1.0, shape.macs(groups), shape.activations / shape.group_size(groups), float(groups)
