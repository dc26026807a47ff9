"""The energy model of one board: four fits to its sweep, how good each is, and what it holds for; kept as JSON."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groupnl_deploy.energy_model.additive_law import AdditiveLaw
from groupnl_deploy.energy_model.bootstrap import Interval, intervals
from groupnl_deploy.energy_model.constant_size import ConstantSize
from groupnl_deploy.energy_model.cost_table import CostTable
from groupnl_deploy.energy_model.held_out import LawError, Regret, held_out
from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.paper_law import PaperLaw
from groupnl_deploy.energy_model.rules import FITS, LawName, RuleName
from groupnl_deploy.energy_model.sweep import Curves, Key, Quantity, Sweep, grouped
from groupnl_deploy.errors import UsageError
from groupnl_deploy.record import add_record, read_record
from groupnl_deploy.words import counted
from groupnl_deploy.workspace import require_absent

SCHEMA_VERSION = 1
LEAST_LAYERS = 4  # one is left out, and a line through two fits anything
LEAST_GROUPS = 3  # of a parabola


class TooFewLayers(UsageError):
    """A sweep has too few layers, numbers of groups or sizes of maps for anything to be fitted."""


@dataclass(frozen=True)
class EnergyModel:
    """What a convolution costs on one board, by its shape and groups.

    Args:
        key: what it holds for, and nothing else.
        quantity: what was measured; "time" stands in for energy where there was no meter.
        meter: what measured the energy; None for time.
        emulated: the meter was: such a model is of no board.
        windows: of each layer with each number of groups, at least.
        constant: one of the four fits, as the next three are.
        additive: see there.
        paper: see there.
        table: see there.
        intervals: of the fits' parameters, 95 %; none where each point has one window.
        regrets: what each rule's choice costs for a layer that it has not seen.
        law_errors: what each law is wrong by for one.
        schema_version: version of this record on disk.
    """

    key: Key
    quantity: Quantity
    meter: str | None
    emulated: bool
    windows: int
    constant: ConstantSize
    additive: AdditiveLaw
    paper: PaperLaw
    table: CostTable
    intervals: tuple[Interval, ...]
    regrets: tuple[Regret, ...]
    law_errors: tuple[LawError, ...]
    schema_version: int = SCHEMA_VERSION

    @property
    def rule(self) -> RuleName:
        """The fit whose choices cost least for layers that it has not seen; of equals the simplest."""
        order = list(FITS)
        return min(self.regrets, key=lambda one: (round(one.mean, 6), order.index(one.rule))).rule

    @property
    def law(self) -> LawName:
        """The law that is nearest to the costs of layers that it has not seen."""
        return min(self.law_errors, key=lambda one: one.median).law

    @property
    def constant_is_right(self) -> bool:
        """Whether no other law's choices cost less than those of a constant group size."""
        means = {one.rule: one.mean for one in self.regrets}
        return means["constant"] <= min(means["additive"], means["paper"]) + 1e-6

    def groups(self, shape: LayerShape) -> float:
        """g* of the best rule; it need be no divisor."""
        return float(self._fit(self.rule).groups(shape))

    def cost(self, shape: LayerShape, groups: int) -> float | None:
        """Of one layer and frame, in J or s. None for depthwise where none was measured.

        What was measured is the table's; of other layers the best law says it.
        """
        if self.table.knows(shape) or shape.is_depthwise(groups):
            return self.table.cost(shape, groups)
        found: float | None = self._fit(self.law).cost(shape, groups)
        return found

    def _fit(self, name: RuleName) -> Any:
        return getattr(self, name)


def fit(sweep: Sweep) -> EnergyModel:
    """Fit all four to a sweep. Raises `TooFewLayers`."""
    curves = sweep.curves
    require_enough(curves)
    regrets, errors = held_out(curves)
    return EnergyModel(
        key=sweep.key,
        quantity=sweep.quantity,
        meter=sweep.meter,
        emulated=sweep.emulated,
        windows=sweep.windows,
        intervals=intervals(sweep),
        regrets=regrets,
        law_errors=errors,
        **{name: fit_one(curves) for name, fit_one in FITS.items()},
    )


def require_enough(curves: Curves) -> None:
    """Raise `TooFewLayers` where these layers and numbers of groups are too few, whatever they cost."""
    if len(curves) < LEAST_LAYERS:
        raise TooFewLayers(
            f"The sweep has {counted(len(curves), 'layer')}, and a fit wants {LEAST_LAYERS} or more: each is left "
            "out once.",
            "Measure more layers; eight, of several widths and sizes of maps, tell the fits apart.",
        )
    for shape, curve in curves.items():
        several = len(grouped(shape, curve))
        if several < LEAST_GROUPS:
            raise TooFewLayers(
                f"Of the layer {shape} there {'is' if several == 1 else 'are'} {counted(several, 'number')} of groups "
                f"beside depthwise, and a fit wants {LEAST_GROUPS} or more.",
                "Measure it with more, such as 1, 2, 4, 8 and so on; or leave the layer out.",
            )
    if len({shape.height * shape.width for shape in curves}) == 1:
        raise TooFewLayers(
            "All layers of the sweep have maps of one size, so nothing can be told of others.",
            "Measure layers of two sizes of maps or more, such as 28x28 and 14x14.",
        )


def save_model(path: Path, model: EnergyModel) -> None:
    """Write it, and its digest beside it. Raises `UsageError` where something is there already, or `DiskFull`."""
    require_absent(path)
    add_record(path, model)


def load_model(path: Path) -> EnergyModel:
    """Read it. Raises `VerificationFailed` where it is damaged or no energy model, `UsageError` where nothing is."""
    if not path.is_file():
        raise UsageError(f"{path} is no file.", "Fit a model first: groupnl energy-model fit SWEEP --out model.json")
    return read_record(EnergyModel, path, "Name a file that groupnl energy-model fit wrote; or fit again.")
