"""What a BatchNorm and a GroupNL convolution make of a stack of halves and new maps."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.layers.normalise import SMALLEST_NORM

FRESH_NORM = {"running_mean": 0.0, "running_var": 1.0, "weight": 1.0, "bias": 0.0}
"""The BatchNorm of a new map."""


def normalised(norm: nn.BatchNorm2d, stack: Tensor, old: int) -> Tensor:
    """The first `old` maps by the norm's own values, one set or several times that; the others by a fresh norm."""
    own = {name: getattr(norm, name) for name in FRESH_NORM}
    wider = {
        name: torch.cat((value.repeat(old // len(value)), value.new_full((stack.shape[1] - old,), FRESH_NORM[name])))
        for name, value in own.items()
        if value is not None
    }
    mean, variance = wider["running_mean"], wider["running_var"]
    return functional.batch_norm(stack, mean, variance, wider.get("weight"), wider.get("bias"), eps=norm.eps)


def generated(conv: GroupNLConv2d, before: Tensor, parts: Sequence[Tensor]) -> Tensor:
    """The seed maps of a GroupNL convolution → what it writes, (N, r·c, H, W).

    Args:
        conv: the convolution.
        before: its seed maps before any split, whose norm over channels all are divided by where it normalises. To
            first order that is the norm of the grown layer: in it, both halves' changes cancel.
        parts: those alone, or (first halves, other halves, new maps).
    """
    if conv.normalize:
        norm = before.square().sum(dim=1, keepdim=True).clamp_min(SMALLEST_NORM**2).sqrt()
        parts = [part / norm for part in parts]
    if conv.bn is not None:
        parts = [normalised(conv.bn, part, 0 if at == 2 else part.shape[1]) for at, part in enumerate(parts)]
    return torch.cat([conv.generated(part) for part in parts if part.shape[1]], dim=1)
