"""What a board's convolutions cost, measured one by one: the record that an energy model is fitted to. Pure."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.errors import UsageError

SCHEMA_VERSION = 1

Quantity = Literal["energy", "time"]
Passes = Literal["forward", "forward+backward"]
Curves = Mapping[LayerShape, Mapping[int, float]]
"""Of each layer the cost by number of groups: joules, or seconds, for one frame."""

UNITS: Mapping[Quantity, str] = {"energy": "J", "time": "s"}


class OtherKey(UsageError):
    """An energy model, or a part of a sweep, is of another board or setting than is asked for."""


@dataclass(frozen=True)
class Key:
    """What a measurement holds for, and nothing else.

    Args:
        board: its model, such as "Raspberry Pi 4 Model B Rev 1.4".
        clock_mhz: of the processor, fixed; None where it is not fixed.
        threads: that compute.
        runtime: with its version, such as "onnxruntime 1.22.0".
        precision: of the numbers, such as "float32".
        passes: "forward" is an inference.
        batch: images at once; a cost is of one of them.
    """

    board: str
    clock_mhz: float | None
    threads: int
    runtime: str
    precision: str = "float32"
    passes: Passes = "forward"
    batch: int = 1

    def __post_init__(self) -> None:
        if self.threads < 1 or self.batch < 1:
            raise ValueError(f"threads is {self.threads} and batch {self.batch}; both are 1 or more")

    def require(self, **asked: object) -> None:
        """Raise `OtherKey` with every field that is asked for and is not this one's; None asks for nothing."""
        others = {name: value for name, value in asked.items() if value is not None}
        if found := self.differences(others, lambda value: f"{value} is asked for"):
            options = " and ".join(
                f"--{_option(name)}" for name, value in others.items() if value != getattr(self, name)
            )
            raise OtherKey(
                f"This energy model is {found}. What a convolution costs there it does not know.",
                "Measure layers there and fit them: groupnl energy-model sweep, then groupnl energy-model fit. Or "
                f"leave {options} out, and see what is predicted for the model's own.",
            )

    def differences(self, others: Mapping[str, object], said: Callable[[str], str]) -> str:
        """Every field of `others`, by its name, that is not this one's: "of the board “A”, and pi has “B”; of …".

        Empty where all are. `said` makes the half about the other value.
        """
        return "; ".join(
            f"of the {_WORDS.get(name, name)} {_shown(name, mine)}, and {said(_shown(name, other))}"
            for name, other in others.items()
            if other != (mine := getattr(self, name))
        )

    def __str__(self) -> str:
        clock = "a clock that is not fixed" if self.clock_mhz is None else f"{self.clock_mhz:g} MHz"
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        return f"{self.board}, {clock}, {threads}, {self.runtime}, {self.precision}, {self.passes}, batch {self.batch}"


@dataclass(frozen=True)
class Point:
    """One layer with one number of groups; `values` has one cost for each window, in J or s, of one frame and layer."""

    shape: LayerShape
    groups: int
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.groups not in self.shape.group_counts:
            raise ValueError(f"{self.groups} groups do not divide the channels of {self.shape}")
        if not self.values or not all(math.isfinite(value) and value > 0 for value in self.values):
            raise ValueError(f"a cost of {self.shape} with {self.groups} groups is missing, or is not above 0")

    @property
    def mean(self) -> float:
        """Of its windows."""
        return float(np.mean(self.values))


@dataclass(frozen=True)
class Sweep:
    """The costs of single convolutions under one key.

    Args:
        key: what they hold for.
        quantity: what was measured; without a meter time stands in for energy.
        meter: what measured the energy; None for time.
        emulated: the meter was, so this is no measurement of a board.
        points: each layer with each number of groups once.
        schema_version: version of this record on disk.
    """

    key: Key
    quantity: Quantity
    meter: str | None
    emulated: bool
    points: tuple[Point, ...]
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if (self.quantity == "energy") != (self.meter is not None):
            raise ValueError(f"the quantity is {self.quantity}, and the meter {self.meter}")
        twice = [
            one for one, count in Counter((point.shape, point.groups) for point in self.points).items() if count > 1
        ]
        if twice:
            raise ValueError(f"{twice[0][0]} with {twice[0][1]} groups stands there twice; put its windows together")

    @property
    def curves(self) -> Curves:
        """The mean of the windows."""
        return curves_of({(point.shape, point.groups): point.mean for point in self.points})

    @property
    def windows(self) -> int:
        """Of the point that has fewest."""
        return min(len(point.values) for point in self.points)


def curves_of(costs: Mapping[tuple[LayerShape, int], float]) -> Curves:
    """By layer, in the order in which they come, and by number of groups, in rising order."""
    curves: dict[LayerShape, dict[int, float]] = {shape: {} for shape, _ in costs}
    for (shape, groups), cost in sorted(costs.items(), key=lambda one: one[0][1]):
        curves[shape][groups] = cost
    return curves


def grouped(shape: LayerShape, curve: Mapping[int, float]) -> dict[int, float]:
    """The costs without depthwise, which runtimes compute in a way of its own."""
    return {groups: cost for groups, cost in curve.items() if not shape.is_depthwise(groups)}


_WORDS = {"clock_mhz": "clock", "threads": "number of threads", "passes": "pass"}


def _shown(name: str, value: object) -> str:
    if name == "clock_mhz":
        return "“not fixed”" if value is None else f"“{value:g} MHz”"
    return f"“{value}”"


def _option(name: str) -> str:
    return {"clock_mhz": "clock", "passes": "pass"}.get(name, name)


KEY_FIELDS: tuple[str, ...] = tuple(field.name for field in fields(Key))
