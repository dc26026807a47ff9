"""The four fits by name: what each says of a layer's groups, and the two that also say what it costs. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from groupnl_deploy.energy_model.additive_law import fit_additive_law
from groupnl_deploy.energy_model.constant_size import fit_constant_size
from groupnl_deploy.energy_model.cost_table import make_cost_table
from groupnl_deploy.energy_model.paper_law import fit_paper_law
from groupnl_deploy.energy_model.sweep import Curves

RuleName = Literal["constant", "additive", "paper", "table"]
LawName = Literal["additive", "table"]

FITS: Mapping[RuleName, Callable[[Curves], Any]] = {
    "constant": fit_constant_size,
    "additive": fit_additive_law,
    "paper": fit_paper_law,
    "table": make_cost_table,
}
"""The simplest first: of equals it is taken."""

LAWS: tuple[LawName, ...] = ("table", "additive")
"""Those that say what a layer costs."""
