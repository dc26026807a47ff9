"""From a `ConvSpec` to a module: the one place that knows which method is which class."""

import math

from torch import nn

from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.spec import ConvSpec


def build_conv(conv: ConvSpec, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Module:
    """A convolution that keeps the size at stride 1 (padding k // 2), without bias.

    GroupNL gets c_seed = ceil(c_out / r) seed channels.

    Args:
        conv: the method and its knobs.
        in_channels: c_in.
        out_channels: c_out.
        kernel_size: k, odd.
        stride: stride of the (seed) convolution.
    """
    padding = kernel_size // 2
    if conv.method == "standard":
        return nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False)
    return GroupNLConv2d(
        in_channels,
        out_channels,
        math.ceil(out_channels / conv.ratio),
        kernel_size,
        stride,
        padding=padding,
        nl_groups=conv.nl_groups,
        sparse=conv.sparse,
        normalize=conv.normalize,
        phi_sign=conv.phi_sign,
        omega_range=conv.omega_range,
        phi_range=conv.phi_range,
    )
