"""The sum of neighbouring maps, which a sparse convolution needs in training and on a device."""

import torch
from torch import Tensor


def sum_of_neighbours(maps: Tensor, out_channels: int, out: Tensor | None = None) -> Tensor:
    """(N, m·c_out, H, W) → (N, c_out, H, W): each m ≥ 2 neighbouring maps as one.

    Args:
        maps: m neighbours for each of the sums.
        out_channels: c_out.
        out: where to write the result; without gradients only.
    """
    batch, _, height, width = maps.shape
    neighbours = maps.view(batch, out_channels, -1, height, width).unbind(2)
    # Sums of slices take about half the time of sum(dim=2).
    total = torch.add(neighbours[0], neighbours[1], out=out)
    for neighbour in neighbours[2:]:
        total.add_(neighbour)
    return total
