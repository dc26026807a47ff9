"""One growth step: wiring, candidates, steps A and B, the choice, the wider network."""

import copy
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from groupnl_deploy.errors import InvalidSetting
from groupnl_deploy.growth.apply import grown_state, grown_widths
from groupnl_deploy.growth.budget import cost, growing_bundles, pools_of, reason_to_stay
from groupnl_deploy.growth.choices import Compat, Residual, Select
from groupnl_deploy.growth.choose import Choice, choose
from groupnl_deploy.growth.refusal import CannotGrow
from groupnl_deploy.growth.search import FIREFLY, PAPER, Batch, Loss, Scores, optimise, score
from groupnl_deploy.models.probe.network import Probe
from groupnl_deploy.models.probe.wiring import Wiring, wire
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.models.tracing import Untraceable

Passes = Callable[[int], Iterable[Batch]]
"""The images of a pass, counted from 0."""


@dataclass(frozen=True)
class GrowthSettings:
    """How a network grows.

    Args:
        gamma: γ, more channels as a share of those there are.
        k_new: K, candidates for new channels of each layer.
        select: see `choose`.
        residual: see `budget.growing_bundles`.
        multiple_of: grown widths are multiples of it.
        compat: "firefly" does as the released code where it departs from its description: a channel more in each
            budget, zeros for depthwise filters of new channels and for what linear layers read of them, the numbers of
            RMSprop, and means of halves before max-pooling.
        epochs: passes over the images in step A.
        seed: of candidates and of "random".

    Raises `InvalidSetting`.
    """

    gamma: float
    k_new: int = 70
    select: Select = "score"
    residual: Residual = "inner"
    multiple_of: int = 1
    compat: Compat = ""
    epochs: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.gamma < math.inf):
            raise InvalidSetting(f"{{gamma}} is {self.gamma:g}.", "Give a share such as {gamma} 0.9.", "gamma")
        if self.k_new < 0:
            raise InvalidSetting(f"{{k_new}} is {self.k_new}.", "Give 0 or more, such as {k_new} 70.", "k_new")
        for name, value in (("multiple_of", self.multiple_of), ("epochs", self.epochs)):
            if value < 1:
                raise InvalidSetting(f"{{{name}}} is {value}.", f"Give {{{name}}} 1 or more.", name)


@dataclass(frozen=True)
class LayerGrowth:
    """What became of channels that grow together, in channels.

    Args:
        convolutions: that write them; several where a sum joins them.
        old: before.
        split: more by splits.
        new: more by new filters.
        final: afterwards.
        threshold: the worst score taken in the budget they share; None where scores did not decide.
    """

    convolutions: tuple[str, ...]
    old: int
    split: int
    new: int
    final: int
    threshold: float | None


@dataclass(frozen=True, eq=False)
class Grown:
    """The outcome of a growth step.

    Args:
        spec: of the wider network, one with `widths`.
        network: with its weights, in evaluation mode.
        layers: that could grow.
        stays: a sentence for each convolution that could not.
        width: channels that γ is a share of.
        budget: channels that were asked for.
        added: channels that were added.
        candidates: how many channels competed.
        negative: the share of candidates with a negative score; None where none was scored.
        loss: the mean loss of step A.
        optimise_s: seconds of step A.
        score_s: seconds of step B.
    """

    spec: ModelSpec
    network: nn.Module
    layers: tuple[LayerGrowth, ...]
    stays: tuple[str, ...]
    width: int
    budget: int
    added: int
    candidates: int
    negative: float | None
    loss: float
    optimise_s: float
    score_s: float


class GrowthStep:
    """A growth step that was found possible; nothing costly has happened yet.

    Args:
        spec: of the network.
        network: stays as it is.
        settings: how it grows.

    Raises `CannotGrow`.
    """

    def __init__(self, spec: ModelSpec, network: nn.Module, settings: GrowthSettings) -> None:
        self._spec, self._settings = spec, settings
        self._wiring = wired(spec, network)
        self._growing = growing_bundles(self._wiring, settings.k_new, settings.residual)
        self._pools = pools_of(spec.name, self._wiring, self._growing, settings.gamma, settings.residual)
        self._costs = {number: cost(self._wiring.bundles[number]) for number in self._growing}
        self._generator = torch.Generator().manual_seed(settings.seed)

    @property
    def bundles(self) -> tuple[int, ...]:
        """The numbers of those that grow."""
        return tuple(self._growing)

    def even_spec(self) -> ModelSpec:
        """A network with as many channels more, an equal number in every layer: before growth nobody knows which."""
        even = choose(
            self._pools,
            self._growing,
            self._costs,
            None,
            "uniform",
            self._generator,
            multiple_of=self._settings.multiple_of,
        )
        return with_widths(self._spec, grown_widths(self._wiring, even.growths))

    def run(self, passes: Passes, loss: Loss = nn.functional.cross_entropy) -> Grown:
        """Take it.

        Args:
            passes: gives the images of each pass, on the network's device: of step A's first, then of step B.
            loss: of GEARnn-2; GEARnn-1 has another.

        Raises `TrainingDiverged`.
        """
        settings, firefly = self._settings, self._settings.compat == "firefly"
        probe = Probe(self._wiring, self._growing, self._generator, pooled_means=firefly)
        began = time.monotonic()
        losses = [
            optimise(probe, passes(epoch), FIREFLY if firefly else PAPER, loss) for epoch in range(settings.epochs)
        ]
        middle = time.monotonic()
        scores = None if settings.select == "random" else score(probe, passes(settings.epochs), loss)
        seconds = (middle - began, time.monotonic() - middle)
        choice = choose(
            self._pools,
            self._growing,
            self._costs,
            scores,
            settings.select,
            self._generator,
            multiple_of=settings.multiple_of,
            one_more=firefly,
        )
        spec, network = grown_network(self._spec, probe, choice, zero_filters=firefly)
        return self._told(spec, network, choice, scores, losses[-1], seconds)

    def _told(
        self,
        spec: ModelSpec,
        network: nn.Module,
        choice: Choice,
        scores: Scores | None,
        loss: float,
        seconds: tuple[float, float],
    ) -> Grown:
        layers = tuple(self._layer(number, choice) for number in self._growing)
        added = sum(self._costs[number] * growth.units for number, growth in choice.growths.items())
        most = {number: one.layout.units + one.new_units for number, one in self._growing.items()}
        return Grown(
            spec,
            network,
            layers,
            self._stays(),
            sum(pool.width for pool in self._pools),
            sum(pool.budget for pool in self._pools),
            added,
            sum(self._costs[number] * units for number, units in most.items()),
            None if scores is None else scores.negative,
            loss,
            *seconds,
        )

    def _layer(self, number: int, choice: Choice) -> LayerGrowth:
        bundle, growth = self._wiring.bundles[number], choice.growths[number]
        unit, old = bundle.layout.unit, bundle.layout.channels
        split, new = len(growth.split) * unit, len(growth.new) * unit
        return LayerGrowth(bundle.writers, old, split, new, old + split + new, choice.thresholds[number])

    def _stays(self) -> tuple[str, ...]:
        return tuple(
            f"{name}: {reason}"
            for bundle in self._wiring.bundles
            if (reason := reason_to_stay(bundle, self._settings.residual))
            for name in bundle.writers
        )


def wired(spec: ModelSpec, network: nn.Module) -> Wiring:
    """The wiring of a copy whose own weights stay as they are. Raises `CannotGrow` for code that cannot be followed."""
    try:
        return wire(copy.deepcopy(network).eval().requires_grad_(False), spec.conv.sparse)
    except Untraceable as error:
        raise CannotGrow(
            f"What this network computes cannot be followed: {error}.",
            "Write its forward function without conditions on values, or grow a network of the zoo.",
        ) from error


def with_widths(spec: ModelSpec, widths: Mapping[str, int]) -> ModelSpec:
    """The spec with these convolutions as wide as given, by dotted name."""
    return replace(spec, widths=tuple({**dict(spec.widths), **widths}.items()))


def grown_network(
    spec: ModelSpec, probe: Probe, choice: Choice, zero_filters: bool = False
) -> tuple[ModelSpec, nn.Module]:
    """The spec with the wider widths, and its network with the grown weights, in evaluation mode."""
    wider = with_widths(spec, grown_widths(probe.wiring, choice.growths))
    network = create_model(wider)
    network.load_state_dict(grown_state(probe, choice.growths, zero_filters))
    return wider, network.eval()
