"""A step of a training, computed as often as it is asked for and always the same, so that a device's time can be taken.

Everything is computed that a step of a training computes: forward, the loss, backward, and the optimiser's update. But
the learning rate is zero. So the weights stay, each step answers as the first did, and the answer can be held against
the right one.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from groupnl_deploy.models.probe.candidates import Growing
from groupnl_deploy.models.probe.network import Probe, Slopes
from groupnl_deploy.models.probe.steps import add_slopes, candidates_rmsprop, learn
from groupnl_deploy.models.probe.wiring import wire
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ModelSpec

_MOMENTUM, _SQUARE_DECAY = 0.9, 0.1
# What a weight's update costs depends on the optimiser and on none of its numbers.
_OPTIMISERS: dict[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]] = {
    "sgd": lambda learned: torch.optim.SGD(learned, 0.0, momentum=_MOMENTUM, weight_decay=1e-4),
    "adamw": lambda learned: torch.optim.AdamW(learned, 0.0),
    "rmsprop": lambda learned: torch.optim.RMSprop(learned, 0.0, momentum=_MOMENTUM),
}


class About(Protocol):
    """Which step it is, as an artifact's manifest says it (`device_agent.training_step.TrainingStep`)."""

    @property
    def kind(self) -> str:
        """ "train", "optimise" or "score"."""

    @property
    def optimiser(self) -> str:
        """Of "train": "sgd", "adamw" or "rmsprop"."""

    @property
    def k_new(self) -> int:
        """Candidates for new channels of each layer."""

    @property
    def bundles(self) -> Sequence[int]:
        """That grow, by their numbers."""


class StepOfTraining(nn.Module):
    """All weights of a network learn.

    Args:
        network: becomes this one's, in training mode; but dropout draws nothing, or no two answers were the same.
        optimiser: "sgd", "adamw" or "rmsprop".
    """

    def __init__(self, network: nn.Module, optimiser: str) -> None:
        super().__init__()
        self.network, self._word = network, optimiser
        self._optimiser: torch.optim.Optimizer | None = None
        self.train()

    def train(self, mode: bool = True) -> "StepOfTraining":
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.Dropout | nn.Dropout2d):
                module.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) → (N, classes)."""
        logits: Tensor = self.network(images)
        return logits

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        """(N, C, H, W) and (N,) → the logits (N, classes) that the step began with."""
        if self._optimiser is None:
            self._optimiser = _OPTIMISERS[self._word](list(self.parameters()))
        self._optimiser.zero_grad()
        logits: Tensor = self(images)
        torch.autograd.backward(functional.cross_entropy(logits, labels))
        self._optimiser.step()
        return logits.detach()


class StepOfGrowth(nn.Module):
    """A batch of step A of growth, or of step B.

    Args:
        network: in evaluation mode; becomes this one's.
        bundles: that grow, by their numbers.
        k_new: candidates for new channels of each layer.
        scored: step B in place of step A.
        sparse: its GroupNL convolutions are sparse ones.
    """

    def __init__(
        self, network: nn.Module, bundles: Sequence[int], k_new: int, scored: bool, sparse: bool = False
    ) -> None:
        super().__init__()
        wiring = wire(network.eval().requires_grad_(False), sparse)
        layouts = {number: wiring.bundles[number].layout for number in bundles}
        growing = {number: Growing(layout, k_new // layout.unit) for number, layout in layouts.items()}
        self.probe = Probe(wiring, growing, torch.Generator().manual_seed(0))
        self._scored = scored
        self._optimiser: torch.optim.Optimizer | None = None

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) → (N, classes)."""
        logits: Tensor = self.probe(images)
        return logits

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        """(N, C, H, W) and (N,) → the logits (N, classes)."""
        if self._scored and self.probe.slopes is None:
            self.probe.slopes = Slopes(self.probe.growing, images.device)
        logits: Tensor = self(images)
        loss = functional.cross_entropy(logits, labels)
        if self.probe.slopes is not None:
            add_slopes(self.probe.slopes, loss)
        else:
            if self._optimiser is None:
                self._optimiser = candidates_rmsprop(self.probe, 0.0, _SQUARE_DECAY, _MOMENTUM)
            learn(self.probe, self._optimiser, loss)
        return logits.detach()


def step_of(spec: ModelSpec, about: About) -> StepOfTraining | StepOfGrowth:
    """The step of a network of this specification, with the random weights of its seed."""
    network = create_model(spec)
    if about.kind == "train":
        return StepOfTraining(network, about.optimiser)
    return StepOfGrowth(network, about.bundles, about.k_new, about.kind == "score", spec.conv.sparse)
