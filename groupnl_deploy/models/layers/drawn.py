"""Hyper-parameters that a layer draws once, when it is made, and never learns."""

import torch
from torch import Tensor

from groupnl_deploy.models.refusal import Range


def drawn(bounds: Range, *shape: int) -> Tensor:
    """Numbers of this shape, uniform in [low, high), from PyTorch's random state."""
    low, high = bounds
    return low + (high - low) * torch.rand(shape)
