"""Step A optimises the candidates, step B scores them; each is a pass over images of its own."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from groupnl_deploy.errors import TrainingDiverged
from groupnl_deploy.models.probe.network import Probe, Slopes
from groupnl_deploy.models.probe.steps import add_slopes, candidates_rmsprop, learn

Batch = tuple[Tensor, Tensor]
"""Inputs (N, C, H, W) and labels (N,)."""
Loss = Callable[[Tensor, Tensor], Tensor]
"""Of logits (N, classes) and labels."""


@dataclass(frozen=True)
class Search:
    """RMSprop's numbers for step A. Its effective rate is rate / (1 − momentum)."""

    rate: float
    momentum: float
    square_decay: float


PAPER = Search(9e-5, 0.9, 0.1)
"""As GEARnn prints them (arXiv 2410.07691)."""
FIREFLY = Search(1e-3, 0.1, 0.9)
"""As in Firefly's released code: momentum and the decay of squares the other way round."""


@dataclass(frozen=True, eq=False)
class Scores:
    """dLoss/dy of each candidate, the mean over batches, by the number of its bundle; the lowest gain most."""

    split: Mapping[int, Tensor]
    new: Mapping[int, Tensor]

    @property
    def negative(self) -> float:
        """The share of candidates that lower the loss."""
        every = torch.cat([*self.split.values(), *self.new.values()])
        return float((every < 0).double().mean())


def optimise(probe: Probe, batches: Iterable[Batch], search: Search, loss: Loss = functional.cross_entropy) -> float:
    """Step A, in place: only candidates learn. Returns the mean loss without penalties.

    Raises `TrainingDiverged` where a loss is no number.
    """
    optimiser = candidates_rmsprop(probe, search.rate, search.square_decay, search.momentum)
    losses = []
    for inputs, labels in batches:
        found = _checked(loss(probe(inputs), labels), "optimised")
        learn(probe, optimiser, found)
        losses.append(found.item())
    return math.fsum(losses) / max(len(losses), 1)


def score(probe: Probe, batches: Iterable[Batch], loss: Loss = functional.cross_entropy) -> Scores:
    """Step B: nothing is changed. Raises `TrainingDiverged` where a loss is no number."""
    device = next(iter(probe.learned())).device
    probe.slopes = Slopes(probe.growing, device)
    try:
        total, count = probe.slopes, 0
        for inputs, labels in batches:
            found = _checked(loss(probe(inputs), labels), "scored")
            add_slopes(total, found)
            count += 1
        split, new = total.take()
    finally:
        probe.slopes = None
    return Scores(*({number: sums / max(count, 1) for number, sums in part.items()} for part in (split, new)))


def _checked(loss: Tensor, what: str) -> Tensor:
    if not math.isfinite(loss.item()):
        raise TrainingDiverged(
            f"The loss became {loss.item()} while candidates for growth were {what}.",
            "Train the network first, or use the images that it was trained on.",
        )
    return loss
