"""What growth could add: a direction to split each filter along, new filters, and weights by which they are read."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.probe.layout import Layout
from groupnl_deploy.models.probe.wiring import Wiring, is_dense, is_depthwise

# The starting values of Firefly's released code.
SPLIT_BOUND, NEW_SPREAD, READ_BOUND = 0.1, 0.1, 0.01


@dataclass(frozen=True)
class Growing:
    """A bundle that grows, with room for new units.

    Args:
        layout: of its channels.
        new_units: candidates for new ones, K of the paper in units.
    """

    layout: Layout
    new_units: int

    @property
    def new_channels(self) -> int:
        """As channels."""
        return self.new_units * self.layout.unit


@dataclass(frozen=True, eq=False)
class LayerCandidates:
    """Of one layer with o rows of weights, k x k kernels and c inputs; None is what it has no place for.

    Args:
        split: v, (o, c, k, k), uniform in ±0.1; the halves of filter W are W + v and W − v.
        new: filters that read the old inputs, (o', c, k, k), normal with spread 0.1; of a depthwise layer the new
            channels' own ones, (o', 1, k, k), as Kaiming draws them.
        read: weights by which old and new outputs read the new inputs, (o + o', c', k, k), uniform in ±0.01.
    """

    split: nn.Parameter | None = None
    new: nn.Parameter | None = None
    read: nn.Parameter | None = None

    def parameters(self) -> list[nn.Parameter]:
        """Those there are."""
        return [one for one in (self.split, self.new, self.read) if one is not None]


def weighted(layer: nn.Module) -> nn.Module:
    """The module that has a layer's weights: of a GroupNL convolution the one that makes its seeds."""
    return layer.conv1 if isinstance(layer, GroupNLConv2d) else layer


def weight_of(layer: nn.Module) -> Tensor:
    """A layer's weights, without gradients."""
    weight = weighted(layer).weight
    assert isinstance(weight, Tensor)
    return weight.detach()


def rows_of(layer: nn.Module, growing: Growing) -> int:
    """How many new rows of weights the new units are in a layer: all channels, or its seed maps alone."""
    return growing.new_units * growing.layout.blocks(len(weight_of(layer)))


def draw_candidates(
    wiring: Wiring, growing: Mapping[int, Growing], generator: torch.Generator
) -> dict[str, LayerCandidates]:
    """The candidates of every layer that writes or reads growing bundles, by its name.

    Args:
        wiring: of the network.
        growing: bundles by their numbers.
        generator: the only source of what is drawn.
    """
    drawn: dict[str, LayerCandidates] = {}
    for name, place in wiring.places.items():
        layer = wiring.graph.get_submodule(name)
        reads, writes = growing.get(place.reads), growing.get(-1 if place.writes is None else place.writes)
        if is_depthwise(layer) and writes is not None:
            drawn[name] = LayerCandidates(new=_kaiming(layer, rows_of(layer, writes), generator))
        elif is_dense(layer) or isinstance(layer, nn.Linear):
            drawn[name] = _of_dense(layer, reads, writes, generator)
    return {name: one for name, one in drawn.items() if one.parameters()}


def _of_dense(
    layer: nn.Module, reads: Growing | None, writes: Growing | None, generator: torch.Generator
) -> LayerCandidates:
    weight = weight_of(layer)
    split = new = read = None
    more = 0 if writes is None else rows_of(layer, writes)
    if writes is not None:
        split = _uniform(weight.shape, SPLIT_BOUND, weight, generator)
        drawn = torch.empty(more, *weight.shape[1:]).normal_(0, NEW_SPREAD, generator=generator)
        new = nn.Parameter(drawn.to(weight))
    if reads is not None:
        shape = (len(weight) + more, reads.new_channels, *weight.shape[2:])
        read = _uniform(shape, READ_BOUND, weight, generator)
    return LayerCandidates(split, new, read)


def _uniform(shape: Collection[int], bound: float, like: Tensor, generator: torch.Generator) -> nn.Parameter:
    return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound, generator=generator).to(like))


def _kaiming(layer: nn.Module, rows: int, generator: torch.Generator) -> nn.Parameter:
    """As PyTorch draws the filters of a convolution: uniform, with the spread 1 / √(3 · inputs of a filter)."""
    weight = weight_of(layer)
    shape = (rows, *weight.shape[1:])
    return _uniform(shape, 1 / math.sqrt(weight[0].numel()), weight, generator)
