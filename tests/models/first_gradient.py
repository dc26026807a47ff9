"""How long the gradient of a network's first step is."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def first_step(net: nn.Module) -> tuple[Tensor, float]:
    """The logits of 32 images of noise, of ten classes, and the length of the whole gradient."""
    torch.manual_seed(0)
    logits = net.train()(torch.randn(32, 3, 32, 32))
    functional.cross_entropy(logits, torch.arange(32) % 10).backward()
    squares = [parameter.grad.square().sum() for parameter in net.parameters() if parameter.grad is not None]
    return logits.detach(), float(torch.stack(squares).sum().sqrt())
