"""What one batch does in each part of growth: step A lets the candidates learn, step B adds up their slopes."""

import torch
from torch import Tensor

from groupnl_deploy.models.probe.network import Probe, Slopes

# Weight penalties of Firefly's released code, on |v|² and on |new|².
SPLIT_PENALTY, NEW_PENALTY = 1e-2, 1e-4


def candidates_rmsprop(probe: Probe, rate: float, square_decay: float, momentum: float) -> torch.optim.RMSprop:
    """Step A's optimiser, of the candidates alone."""
    return torch.optim.RMSprop(probe.learned(), rate, alpha=square_decay, momentum=momentum)


def learn(probe: Probe, optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """A batch of step A, in place, by its loss."""
    optimiser.zero_grad()
    torch.autograd.backward(loss + _penalty(probe))
    optimiser.step()


def add_slopes(slopes: Slopes, loss: Tensor) -> None:
    """A batch of step B: nothing but the slopes changes."""
    torch.autograd.backward(loss, inputs=slopes.variables())


def _penalty(probe: Probe) -> Tensor:
    parts = [torch.zeros(())]
    for layer in probe.candidates.values():
        if layer.split is not None and layer.new is not None:
            parts += [SPLIT_PENALTY * layer.split.square().sum(), NEW_PENALTY * layer.new.square().sum()]
    return torch.stack([part.to(parts[-1]) for part in parts]).sum()
