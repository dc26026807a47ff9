"""A network that has all candidates at once: what is optimised, and what candidates are scored in.

Channels of a growing bundle travel as a stack (first halves | other halves | new). The halves of a split filter W are
W + v and W − v; they stay apart until a layer mixes channels, which reads their mean, as the grown network does by
halved weights. So the probe computes exactly what the network computes that all candidates were added to, unless
GroupNL divides seed maps by their norm: there all are divided by that of the maps before any split. It never unfolds
images: one convolution with the stacked weights [W; v; new] gives all three.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.probe.candidates import Growing, LayerCandidates, draw_candidates, weight_of, weighted
from groupnl_deploy.models.probe.seed_maps import generated, normalised
from groupnl_deploy.models.probe.wiring import Wiring, is_dense, is_depthwise


class Slopes:
    """The variables y at zero, one a unit, whose gradients are the candidates' scores.

    A candidate's share d of a map stands as d + y·d, so that dLoss/dy is the slope at full strength.
    """

    def __init__(self, growing: Mapping[int, Growing], device: torch.device) -> None:
        self.split = {number: _zeros(one.layout.units, device) for number, one in growing.items()}
        self.new = {number: _zeros(one.new_units, device) for number, one in growing.items()}

    def variables(self) -> list[Tensor]:
        """All of them."""
        return [*self.split.values(), *self.new.values()]

    def take(self) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        """The sums of the gradients so far, of splits and of new units."""
        return _gradients(self.split), _gradients(self.new)


class Probe(nn.Module):
    """(N, C, H, W) → (N, classes), in evaluation mode; only candidates learn.

    Attributes:
        candidates: by the name of the layer.

    Args:
        wiring: of the network, in evaluation mode.
        growing: bundles that grow, by their numbers.
        generator: candidates are drawn from.
        pooled_means: max-pooling takes the mean of both halves, as in Firefly's released code.
    """

    def __init__(
        self,
        wiring: Wiring,
        growing: Mapping[int, Growing],
        generator: torch.Generator,
        pooled_means: bool = False,
    ) -> None:
        super().__init__()
        self.wiring, self.growing, self.pooled_means = wiring, growing, pooled_means
        self.candidates = draw_candidates(wiring, growing, generator)
        self.slopes: Slopes | None = None
        self.network = wiring.graph
        for layer, own in self.candidates.items():  # so that they are kept, filled and converted as any parameter is
            for kind, drawn in vars(own).items():
                self.register_parameter(f"{layer}/{kind}".replace(".", "/"), drawn)

    def learned(self) -> list[nn.Parameter]:
        """The parameters of all candidates."""
        return [one for layer in self.candidates.values() for one in layer.parameters()]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, classes)."""
        logits: Tensor = _Stacked(self).run(x)
        return logits


class _Stacked(fx.Interpreter):
    """Runs the network's graph on stacks."""

    def __init__(self, probe: Probe) -> None:
        super().__init__(probe.wiring.graph)
        self._probe, self._growing = probe, probe.growing
        self._node = ""

    def run_node(self, n: fx.Node) -> Any:
        self._node = n.name
        return super().run_node(n)

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        layer, place = self.fetch_attr(target), self._probe.wiring.places.get(target)
        writes = self._growing.get(self._probe.wiring.written[self._node])
        reads = None if place is None else self._growing.get(place.reads)
        if reads is None and writes is None:
            return layer(*args, **kwargs)
        stack, own = args[0], self._probe.candidates.get(target, LayerCandidates())
        if place is not None and (is_dense(layer) or isinstance(layer, nn.Linear)):
            return self._mixed(layer, own, *_read(stack, reads), place.writes)
        assert writes is not None
        channels = writes.layout.channels
        if is_depthwise(layer):
            return _filtered(layer, own, stack)
        if isinstance(layer, nn.BatchNorm2d):
            return normalised(layer, stack, 2 * channels)
        pooled = isinstance(layer, nn.MaxPool2d) and self._probe.pooled_means
        return layer(_with_equal_halves(stack, channels) if pooled else stack)

    def _mixed(
        self, layer: nn.Module, own: LayerCandidates, old: Tensor, new: Tensor | None, writes: int | None
    ) -> Tensor:
        before, *rest = _rows(layer, own, old, new)
        parts = [before]
        if rest and writes is not None:
            change, more, added = rest
            if (slopes := self._probe.slopes) is not None:
                change = change + change.detach() * _per_map(slopes.split[writes], change)
                more = more + more.detach() * _per_map(slopes.new[writes], more)
            parts = [before + change, before - change, more + added]
        return generated(layer, before, parts) if isinstance(layer, GroupNLConv2d) else torch.cat(parts, dim=1)


def _rows(layer: nn.Module, own: LayerCandidates, old: Tensor, new: Tensor | None) -> tuple[Tensor, ...]:
    """Maps before any split; where the layer grows also what a split changes, the new maps, and what adds to them."""
    weight, bias = weight_of(layer), weighted(layer).bias
    stacked = [one for one in (weight, own.split, own.new) if one is not None]
    maps = _applied(layer, old, torch.cat(stacked) if len(stacked) > 1 else weight)
    before, *rest = torch.split(maps, [len(one) for one in stacked], dim=1)
    if isinstance(bias, Tensor):
        before = before + _as_maps(bias.detach(), before)
    added = None if new is None or own.read is None else _applied(layer, new, own.read)
    if added is not None:
        before = before + added[:, : len(weight)]
    return (before, *rest, torch.zeros(()) if added is None else added[:, len(weight) :]) if rest else (before,)


def _filtered(layer: nn.Module, own: LayerCandidates, stack: Tensor) -> Tensor:
    """A depthwise layer: each channel by its own filter, both halves of a split by the same."""
    assert own.new is not None
    weight, bias = weight_of(layer), layer.bias
    maps = _convolved(layer, stack, torch.cat((weight, weight, own.new)), stack.shape[1])
    if isinstance(bias, Tensor):
        maps = maps + _as_maps(torch.cat((bias, bias, bias.new_zeros(len(own.new)))).detach(), maps)
    return maps


def _zeros(count: int, device: torch.device) -> Tensor:
    return torch.zeros(count, device=device, requires_grad=True)


def _gradients(variables: Mapping[int, Tensor]) -> dict[int, Tensor]:
    return {number: torch.zeros_like(one) if one.grad is None else one.grad for number, one in variables.items()}


def _per_map(units: Tensor, maps: Tensor) -> Tensor:
    """One number a unit → one for each map, (1, C, 1, 1): the u-th maps of all blocks are one unit."""
    return _as_maps(units.repeat(maps.shape[1] // max(len(units), 1)), maps)


def _read(stack: Tensor, reads: Growing | None) -> tuple[Tensor, Tensor | None]:
    """The mean of both halves, and the new channels if any; of a bundle that does not grow all there is."""
    if reads is None:
        return stack, None
    first, other, new = _parts(stack, reads.layout.channels)
    return (first + other) / 2, new if new.shape[1] else None


def _parts(stack: Tensor, channels: int) -> tuple[Tensor, Tensor, Tensor]:
    return stack[:, :channels], stack[:, channels : 2 * channels], stack[:, 2 * channels :]


def _with_equal_halves(stack: Tensor, channels: int) -> Tensor:
    first, other, new = _parts(stack, channels)
    mean = (first + other) / 2
    return torch.cat((mean, mean, new), dim=1)


def _as_maps(values: Tensor, maps: Tensor) -> Tensor:
    """(C,) → (C, 1, 1), or (C,) beside rows."""
    return values.view(-1, *(1,) * (maps.dim() - 2))


def _applied(layer: nn.Module, inputs: Tensor, weight: Tensor) -> Tensor:
    if isinstance(layer, nn.Linear):
        return functional.linear(inputs, weight)
    return _convolved(weighted(layer), inputs, weight)


def _convolved(conv: nn.Module, inputs: Tensor, weight: Tensor, groups: int = 1) -> Tensor:
    """By a convolution's geometry, without its bias."""
    assert isinstance(conv, nn.Conv2d)
    return functional.conv2d(inputs, weight, None, conv.stride, conv.padding, conv.dilation, groups)
