"""E2GC's rule (arXiv 2006.15100, Eq. 4): the same group size G in every layer. Pure."""

from dataclasses import dataclass
from statistics import median

from groupnl_deploy.energy_model.best import best_groups
from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.sweep import Curves


@dataclass(frozen=True)
class ConstantSize:
    """`group_size` is G, in channels; it need be no whole number."""

    group_size: float

    def groups(self, shape: LayerShape) -> float:
        """g* = m / G."""
        return shape.in_channels / self.group_size


def fit_constant_size(curves: Curves) -> ConstantSize:
    """The median of the layers' cheapest m / g."""
    return ConstantSize(median(shape.in_channels / best_groups(shape, curve) for shape, curve in curves.items()))
