"""A network as the authors of GroupNL write it: seed maps that are split, repeated, bent and concatenated."""

import torch
from torch import nn


class AuthorsConv(nn.Module):
    """GroupNL's convolution of arXiv 2506.12335, Algorithm 1, by torch.split, repeat and cat.

    Args:
        channels: of the input.
        filters: of the output, `ratio` times the seed maps.
        ratio: of outputs to seed maps.
        groups: of the seed maps, each of which has hyper-parameters of its own.
        normalize: whether seed maps are divided by their norm over channels before the sine.
    """

    omega: torch.Tensor
    phi: torch.Tensor

    def __init__(
        self, channels: int, filters: int, ratio: int, groups: int, stride: int = 1, normalize: bool = True
    ) -> None:
        super().__init__()
        seeds = filters // ratio
        self.seed = nn.Conv2d(channels, seeds, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(filters)
        self.copies, self.block, self.normalize = ratio - 1, seeds // groups, normalize
        generated = self.copies * seeds
        self.register_buffer("omega", torch.empty(1, generated, 1, 1).uniform_(1, 5))
        self.register_buffer("phi", torch.empty(1, generated, 1, 1).uniform_(-5, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) → (N, filters, H', W')."""
        seeds = self.seed(x)
        repeated = torch.cat([part.repeat(1, self.copies, 1, 1) for part in torch.split(seeds, self.block, 1)], 1)
        if self.normalize:
            repeated = nn.functional.normalize(repeated, dim=1)
        bent = torch.sin(self.omega * repeated + self.phi)
        normal: torch.Tensor = self.norm(torch.cat([seeds, bent], 1))
        return normal


def authors_net(ratio: int, groups: int, normalize: bool, width: int = 32) -> nn.Module:
    """Three such convolutions with pointwise ones between, and a head of ten classes; in evaluation mode."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [AuthorsConv(3, width, ratio, groups, 2, normalize), nn.ReLU()]
    for _ in range(2):
        layers += [nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        layers += [AuthorsConv(width, width, ratio, groups, 1, normalize), nn.Hardswish()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)).eval()
