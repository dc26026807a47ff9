"""The E2GC paper's law (arXiv 2006.15100, Eq. 2): g* = m·n·d²·(h·w)^(1-β) / γ. Pure.

Its level γ and its β are fitted to the cheapest g of each layer. β = 0.5 gives constant group sizes where n·√(h·w) is
the same in all layers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from groupnl_deploy.energy_model.best import best_groups
from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.sweep import Curves


@dataclass(frozen=True)
class PaperLaw:
    """Fitted by least squares of ln g* over the layers.

    Args:
        beta: β, without unit. The paper takes 0.5 and says that it lies in (0, 1).
        gamma: γ, in multiply-accumulates^(1-β) · weights^β.
        beta_error: its standard error; None where two layers leave none.
        exponent: that of m·n if it is left free; 1 by the law. None where the layers cannot tell it from β's.
    """

    beta: float
    gamma: float
    beta_error: float | None
    exponent: float | None

    def groups(self, shape: LayerShape) -> float:
        """g*, which need be no divisor of the channels."""
        area = float(shape.height * shape.width)
        return _weights(shape) * math.pow(area, 1 - self.beta) / self.gamma

    @property
    def says_constant(self) -> bool | None:
        """Whether β is 0.5 within its standard error; None where that is not known."""
        return None if self.beta_error is None else abs(self.beta - 0.5) <= self.beta_error


def fit_paper_law(curves: Curves) -> PaperLaw:
    """Of two layers or more; where all maps are of one size β is of no use, and the smallest that fits."""
    best = {shape: best_groups(shape, curve) for shape, curve in curves.items()}
    area = np.log([shape.height * shape.width for shape in best])
    wanted = np.array([math.log(groups / _weights(shape)) for shape, groups in best.items()])
    rows = np.column_stack([area, np.ones(len(best))])
    (slope, level), *_ = np.linalg.lstsq(rows, wanted, rcond=None)
    error = _slope_error(rows, wanted - rows @ (slope, level))
    return PaperLaw(1 - float(slope), float(np.exp(-level)), error, _free_exponent(best))


def _weights(shape: LayerShape) -> int:
    return shape.in_channels * shape.out_channels * shape.kernel**2


def _slope_error(rows: np.ndarray, residuals: np.ndarray) -> float | None:
    freedom = len(rows) - rows.shape[1]
    if freedom < 1 or np.linalg.matrix_rank(rows) < rows.shape[1]:
        return None
    covariance = np.linalg.inv(rows.T @ rows) * float(residuals @ residuals) / freedom
    return math.sqrt(covariance[0, 0])


def _free_exponent(best: Mapping[LayerShape, float]) -> float | None:
    """Of m·n, beside an exponent of h·w and a level."""
    rows = np.array(
        [
            (math.log(shape.in_channels * shape.out_channels), math.log(shape.height * shape.width), 1.0)
            for shape in best
        ]
    )
    if len(rows) < 3 or np.linalg.matrix_rank(rows) < 3:
        return None
    wanted = [math.log(groups / shape.kernel**2) for shape, groups in best.items()]
    return float(np.linalg.lstsq(rows, wanted, rcond=None)[0][0])
