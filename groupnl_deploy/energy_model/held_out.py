"""How good each fit is for a layer that it has not seen: every layer is left out once. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, median

from groupnl_deploy.energy_model.best import nearest
from groupnl_deploy.energy_model.rules import FITS, LAWS, LawName, RuleName
from groupnl_deploy.energy_model.sweep import Curves, grouped


@dataclass(frozen=True)
class Regret:
    """What a rule's choice costs more than the cheapest one, as a share: 0.05 is 5 %.

    Its g* is rounded to the nearest that was measured. `each` has the layers in the sweep's order.
    """

    rule: RuleName
    each: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of all layers."""
        return fmean(self.each)


@dataclass(frozen=True)
class LawError:
    """The median, over layers and numbers of groups but depthwise, of |predicted / measured - 1|."""

    law: LawName
    median: float


def held_out(curves: Curves) -> tuple[tuple[Regret, ...], tuple[LawError, ...]]:
    """Fit to all layers but one, and ask about that one."""
    regrets: dict[RuleName, list[float]] = {name: [] for name in FITS}
    errors: dict[LawName, list[float]] = {name: [] for name in LAWS}
    for shape, curve in curves.items():
        costs = grouped(shape, curve)
        others = {one: costs for one, costs in curves.items() if one != shape}
        fitted = {name: fit(others) for name, fit in FITS.items()}
        for name, fit in fitted.items():
            regrets[name].append(_regret(fit.groups(shape), costs))
        for law in LAWS:
            errors[law] += [abs(fitted[law].cost(shape, groups) / cost - 1) for groups, cost in costs.items()]
    return (
        tuple(Regret(name, tuple(each)) for name, each in regrets.items()),
        tuple(LawError(name, median(each)) for name, each in errors.items()),
    )


def _regret(wanted: float, costs: Mapping[int, float]) -> float:
    return costs[nearest(wanted, costs)] / min(costs.values()) - 1
