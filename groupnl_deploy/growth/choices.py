"""The words of a growth step; imports nothing slow."""

from typing import Literal

Select = Literal["score", "random", "uniform"]
"""In what order candidates are taken, see `choose.choose`."""
Residual = Literal["inner", "tied"]
"""Whether what a sum reads grows, see `budget.growing_bundles`."""
Compat = Literal["", "firefly"]
"""Whose way it is, see `step.GrowthSettings`."""
