"""What a network's group convolutions would cost: the best groups of each, and E2GC, FgGC and depthwise. Pure.

The rest of the network (stem, pointwise convolutions, head) is the same in all variants and in none of these numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from groupnl_deploy.energy_model.best import choices_of, nearest
from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.model import EnergyModel

Kind = Literal["each layer its own", "E2GC", "FgGC", "depthwise"]


@dataclass(frozen=True)
class LayerChoice:
    """One convolution: the best number of groups but depthwise, and what it costs so and depthwise, in J or s a frame.

    `measured` says whether a layer of this shape was; else its cost is the law's or the neighbours'.
    """

    name: str
    shape: LayerShape
    measured: bool
    groups: int
    group_size: int
    cost: float
    depthwise_cost: float | None


@dataclass(frozen=True)
class Variant:
    """The network with one choice of groups: G of E2GC or g of FgGC is `number`, null for others; in J or s a frame."""

    kind: Kind
    number: int | None
    cost: float


@dataclass(frozen=True)
class Prediction:
    """Of all group convolutions of a network together, for one frame. `variants` are the cheapest first."""

    layers: tuple[LayerChoice, ...]
    variants: tuple[Variant, ...]

    def best(self, kind: Kind) -> Variant | None:
        """The cheapest of a kind."""
        return next((one for one in self.variants if one.kind == kind), None)


def predict(model: EnergyModel, layers: Sequence[tuple[str, LayerShape]]) -> Prediction:
    """Ask the model about each convolution, by name, and about every variant that all of them can have."""
    choices = tuple(_choice(model, name, shape) for name, shape in layers)
    shapes = [shape for _, shape in layers]
    variants = [Variant("each layer its own", None, sum(one.cost for one in choices))]
    variants += _constant_size(model, shapes) + _constant_number(model, shapes)
    alone = _total(model, shapes, [shape.in_channels for shape in shapes])
    variants += [] if alone is None else [Variant("depthwise", None, alone)]
    return Prediction(choices, tuple(sorted(variants, key=lambda one: one.cost)))


def _choice(model: EnergyModel, name: str, shape: LayerShape) -> LayerChoice:
    groups = nearest(model.groups(shape), choices_of(shape))
    cost, alone = model.cost(shape, groups), _total(model, [shape], [shape.in_channels])
    assert cost is not None, "what is not depthwise has a cost in every law"
    return LayerChoice(name, shape, model.table.knows(shape), groups, shape.in_channels // groups, cost, alone)


def _constant_size(model: EnergyModel, shapes: Sequence[LayerShape]) -> list[Variant]:
    """Of every group size above 1 that all layers can have."""
    sizes = range(2, min(shape.in_channels for shape in shapes) + 1)
    return [
        Variant("E2GC", size, cost)
        for size in sizes
        if all(shape.in_channels % size == 0 for shape in shapes)
        and (cost := _total(model, shapes, [shape.in_channels // size for shape in shapes])) is not None
    ]


def _constant_number(model: EnergyModel, shapes: Sequence[LayerShape]) -> list[Variant]:
    """Of every number of groups that all layers can have, and that is depthwise in none."""
    shared = set.intersection(*(set(choices_of(shape)) for shape in shapes))
    return [
        Variant("FgGC", number, cost)
        for number in sorted(shared)
        if (cost := _total(model, shapes, [number] * len(shapes))) is not None
    ]


def _total(model: EnergyModel, shapes: Sequence[LayerShape], groups: Sequence[int]) -> float | None:
    """None where a layer cannot have that many, or where depthwise was never measured."""
    total = 0.0
    for shape, number in zip(shapes, groups, strict=True):
        cost = model.cost(shape, number) if number in shape.group_counts else None
        if cost is None:
            return None
        total += cost
    return total
