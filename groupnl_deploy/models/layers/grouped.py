"""Ordinary convolutions with many groups: of constant group size, of constant number, and depthwise."""

import math

from torch import nn

from groupnl_deploy.models.spec import InvalidSpec


def grouped_conv2d(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    *,
    group_size: int | None = None,
    num_groups: int | None = None,
    padding: int = 0,
    dilation: int = 1,
    bias: bool = False,
) -> nn.Conv2d:
    """A convolution (N, c_in, H, W) → (N, c_out, H', W') whose groups are chosen in one of two ways.

    E2GC (arXiv 2006.15100, section III-B) keeps the group size G constant, so that the groups c_in / G grow
    with the width; FgGC, the usual way, keeps the number of groups g constant. Output o of group i is
    Σ_c w[o, c] * x[i·(c_in / g) + c] over the c_in / g channels of its group.

    Raises `InvalidSpec` where c_in or c_out does not divide.

    Args:
        in_channels: c_in.
        out_channels: c_out.
        kernel_size: k of the square kernel.
        stride: as in `nn.Conv2d`.
        group_size: G, the input channels of a group.
        num_groups: g; give either this or `group_size`.
        padding: as in `nn.Conv2d`.
        dilation: as in `nn.Conv2d`.
        bias: as in `nn.Conv2d`.
    """
    groups = _groups(in_channels, group_size, num_groups)
    if in_channels % groups or out_channels % groups:
        common = math.gcd(in_channels, out_channels)
        raise InvalidSpec(
            f"{in_channels} input and {out_channels} output channels do not divide into {groups} groups",
            f"Choose a number of groups that is a divisor of {common}.",
        )
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups=groups, bias=bias)


def depthwise_conv2d(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    *,
    padding: int = 0,
    dilation: int = 1,
    bias: bool = False,
) -> nn.Conv2d:
    """A convolution with gcd(c_in, c_out) groups: depthwise where c_in = c_out (arXiv 1704.04861, Eq. 3).

    (N, c_in, H, W) → (N, c_out, H', W'). With c_in = c_out, y[c] = w[c] * x[c] for every channel c.

    Args:
        in_channels: c_in.
        out_channels: c_out.
        kernel_size: k of the square kernel.
        stride: as in `nn.Conv2d`.
        padding: as in `nn.Conv2d`.
        dilation: as in `nn.Conv2d`.
        bias: as in `nn.Conv2d`; the paper's profile of a depthwise convolution (Table 16) has one.
    """
    groups = math.gcd(in_channels, out_channels)
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups=groups, bias=bias)


def _groups(in_channels: int, group_size: int | None, num_groups: int | None) -> int:
    if num_groups is not None and group_size is None:
        if num_groups < 1:
            raise InvalidSpec(f"{num_groups} groups", "Give at least one.")
        return num_groups
    if group_size is None or num_groups is not None:
        raise InvalidSpec("a grouped convolution needs either a group size or a number of groups", "Give one of them.")
    if group_size < 1 or in_channels % group_size:
        raise InvalidSpec(
            f"{in_channels} input channels do not divide into groups of {group_size} channels",
            f"Choose a group_size that is a divisor of {in_channels}.",
            "group_size",
        )
    return in_channels // group_size
