"""The plain layers of the inference form: convolutions and steps a channel, each in the form a CPU is fast at.

They are laid out for channels-last, in which PyTorch's CPU library runs depthwise convolutions in a half to a third of
the time, and a pointwise convolution is one matrix product.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from groupnl_deploy.models.neighbours import sum_of_neighbours


def is_channels_last(maps: Tensor) -> bool:
    """Whether the channels of one pixel (N, C, H, W) are neighbours in memory."""
    return maps.is_contiguous(memory_format=torch.channels_last)


def affine(maps: Tensor, scale: Tensor, shift: Tensor, out: Tensor | None = None) -> Tensor:
    """scale·maps + shift in the fewest passes, with constants that broadcast; into `out`, which may be `maps`."""
    if is_channels_last(maps) or maps.dim() != 4:
        return torch.addcmul(shift, maps, scale, out=out)
    # One constant for a whole row: `addcmul` is not vectorised there, and two vectorised passes take less time.
    return torch.mul(maps, scale, out=out).add_(shift)


class InferenceLayer(nn.Module):
    """A layer of the inference form: no gradients, either memory format, and a result that nobody else holds."""


class PointwiseConv2d(InferenceLayer):
    """A 1x1 convolution: y = Wᵀx + b at every pixel, (N, c_in, H, W) → (N, c_out, H, W).

    Attributes:
        weight: W, (c_in, c_out): the transpose of an `nn.Conv2d`'s, which matrix products read faster.
        bias: b, (c_out,), or None.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H, W), in the memory format of x."""
        if not is_channels_last(x):
            return functional.conv2d(x, self.weight.t()[:, :, None, None], self.bias)
        batch, channels, height, width = x.shape
        rows = torch.mm(x.permute(0, 2, 3, 1).reshape(-1, channels), self.weight)
        if self.bias is not None:
            rows.add_(self.bias)  # `addmm` would first fill the whole result with it
        return rows.view(batch, height, width, -1).permute(0, 3, 1, 2)


class SummedDepthwiseConv2d(InferenceLayer):
    """A grouped convolution with one filter a group, as a depthwise one and the sum of neighbours.

    y[o] = Σ_j w[o, j] * x[o·m + j] + b[o] with m = c_in / c_out, (N, c_in, H, W) → (N, c_out, H', W'): the identity of
    `layers.sparse`, with the bias given to one of each m neighbours.

    Attributes:
        conv: c_in → c_in, depthwise.

    Args:
        conv: see above.
        out_channels: c_out.
    """

    def __init__(self, conv: nn.Conv2d, out_channels: int) -> None:
        super().__init__()
        self.conv, self.out_channels = conv, out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H', W')."""
        maps: Tensor = self.conv(x)
        # A new result would inherit a slice's batch stride, by which `cat` takes one image for channels-first.
        return sum_of_neighbours(maps, self.out_channels, out=empty_maps(maps, self.out_channels))


class Affine(nn.Module):
    """scale·x + shift for every channel, in place; (N, C, H, W) → the same.

    Attributes:
        scale: (1, C, 1, 1).
        shift: (1, C, 1, 1).
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", per_channel(scale))
        self.register_buffer("shift", per_channel(shift))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W), overwritten."""
        return affine(maps, self.scale, self.shift, maps)


def per_channel(values: Tensor) -> Tensor:
    """(C,) → (1, C, 1, 1)."""
    return values.view(1, -1, 1, 1)


def empty_maps(like: Tensor, channels: int) -> Tensor:
    """An uninitialised (N, channels, H, W), else as `like`: its batch, pixels, type, device and memory format."""
    batch, _, height, width = like.shape
    kind = torch.channels_last if is_channels_last(like) else torch.contiguous_format
    return torch.empty((batch, channels, height, width), dtype=like.dtype, device=like.device, memory_format=kind)
