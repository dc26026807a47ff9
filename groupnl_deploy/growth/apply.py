"""The grown network: its widths and its weights, from the old one's and the candidates that were chosen."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.probe.candidates import Growing, LayerCandidates, weight_of
from groupnl_deploy.models.probe.layout import Growth, grown_rows
from groupnl_deploy.models.probe.network import Probe
from groupnl_deploy.models.probe.seed_maps import FRESH_NORM
from groupnl_deploy.models.probe.wiring import Wiring, is_dense, is_depthwise

_NOTHING = Growth()


def grown_widths(wiring: Wiring, chosen: Mapping[int, Growth]) -> dict[str, int]:
    """The channels of every convolution that becomes wider, by its dotted name; what `ModelSpec.widths` takes."""
    widths = dict[str, int]()
    for number, growth in chosen.items():
        bundle = wiring.bundles[number]
        if growth.units:
            widths |= dict.fromkeys(bundle.writers, bundle.layout.channels + growth.units * bundle.layout.unit)
    return widths


@torch.no_grad()
def grown_state(probe: Probe, chosen: Mapping[int, Growth], zero_filters: bool = False) -> dict[str, Tensor]:
    """The state dict of the grown network. Where nothing was chosen it is the old one, bit by bit.

    Of a split filter W become W + v and W − v, what reads them is halved; its BatchNorm is copied, and so is its
    depthwise filter. A new filter gets a fresh BatchNorm.

    Args:
        probe: with the candidates as they were optimised.
        chosen: by the number of the bundle.
        zero_filters: depthwise filters of new channels, and what linear layers read of them, are zero, as Firefly's
            released code leaves them.
    """
    network = probe.wiring.graph
    state = dict(network.state_dict())
    for name in probe.wiring.places:
        layer = network.get_submodule(name)
        grower = _Grower(probe, chosen, name)
        prefix = f"{name}.conv1" if isinstance(layer, GroupNLConv2d) else name
        if is_dense(layer) or isinstance(layer, nn.Linear):
            state |= grower.dense(layer, prefix, zero_filters)
            if isinstance(layer, GroupNLConv2d) and layer.bn is not None:
                state |= grower.norm(layer.bn, f"{name}.bn")
        elif is_depthwise(layer):
            state |= grower.depthwise(layer, prefix, zero_filters)
        elif isinstance(layer, nn.BatchNorm2d):
            state |= grower.norm(layer, prefix)
    return {key: value.clone() for key, value in state.items()}


class _Grower:
    """Of one layer, by what its bundles gain."""

    def __init__(self, probe: Probe, chosen: Mapping[int, Growth], name: str) -> None:
        place = probe.wiring.places[name]
        self._own = probe.candidates.get(name, LayerCandidates())
        self._reads, self._writes = probe.growing.get(place.reads), probe.growing.get(_number(place.writes))
        self._read = chosen.get(place.reads, _NOTHING)
        self._written = chosen.get(_number(place.writes), _NOTHING)

    def dense(self, layer: nn.Module, prefix: str, zero_read: bool) -> dict[str, Tensor]:
        """Standard, GroupNL's seeds, or linear."""
        weight = weight_of(layer)
        rows = len(weight)
        if self._writes is not None:
            assert self._own.split is not None and self._own.new is not None
            chosen = _mask(self._writes, self._written, rows).to(weight).view(-1, *(1,) * (weight.dim() - 1))
            weight = torch.cat((weight + chosen * self._own.split, weight - self._own.split, self._own.new))
        if self._reads is not None:
            assert self._own.read is not None
            zero = zero_read and isinstance(layer, nn.Linear)
            weight = self._columns(weight, self._own.read * 0 if zero else self._own.read, rows)
        values = {f"{prefix}.weight": self._chosen_rows(weight, rows)}
        bias = getattr(layer, "bias", None)
        return values if bias is None else values | {f"{prefix}.bias": self._vector(bias, 0.0)}

    def depthwise(self, layer: nn.Module, prefix: str, zero_filters: bool) -> dict[str, Tensor]:
        """One filter a channel: of both halves of a split the same."""
        weight = weight_of(layer)
        if self._writes is not None:
            assert self._own.new is not None
            new = self._own.new * 0 if zero_filters else self._own.new
            weight = self._chosen_rows(torch.cat((weight, weight, new)), len(weight))
        values = {f"{prefix}.weight": weight}
        bias = layer.bias
        return values if not isinstance(bias, Tensor) else values | {f"{prefix}.bias": self._vector(bias, 0.0)}

    def norm(self, norm: nn.BatchNorm2d, prefix: str) -> dict[str, Tensor]:
        """Behind a layer, or over its seed maps."""
        own = {name: getattr(norm, name) for name in FRESH_NORM}
        return {
            f"{prefix}.{name}": self._vector(value, FRESH_NORM[name])
            for name, value in own.items()
            if value is not None
        }

    def _columns(self, weight: Tensor, read: Tensor, rows: int) -> Tensor:
        """With the inputs that the bundle gains; `read` has o + o' rows, or o where the layer itself does not grow."""
        assert self._reads is not None
        if len(weight) > rows:
            read = torch.cat((read[:rows], read))
        layout = self._reads.layout
        share = 1 - _mask(self._reads, self._read, layout.channels) / 2
        share = share.to(weight).view(1, -1, *(1,) * (weight.dim() - 2))
        stacked = torch.cat((weight * share, weight * share, read), dim=1)
        index = grown_rows(layout.units, self._reads.new_units, layout.unit, self._read)
        return stacked.index_select(1, index.to(weight.device))

    def _chosen_rows(self, stacked: Tensor, rows: int) -> Tensor:
        if self._writes is None:
            return stacked
        layout = self._writes.layout
        index = grown_rows(layout.units, self._writes.new_units, layout.blocks(rows), self._written)
        return stacked.index_select(0, index.to(stacked.device))

    def _vector(self, values: Tensor, fresh: float) -> Tensor:
        if self._writes is None:
            return values
        rows = len(values)
        more = self._writes.new_units * self._writes.layout.blocks(rows)
        return self._chosen_rows(torch.cat((values, values, values.new_full((more,), fresh))), rows)


def _number(writes: int | None) -> int:
    return -1 if writes is None else writes


def _mask(growing: Growing, growth: Growth, rows: int) -> Tensor:
    """1 for the rows of units that are split, else 0."""
    units = torch.zeros(growing.layout.units)
    units[list(growth.split)] = 1
    return units.repeat(growing.layout.blocks(rows))
