"""Ordinary convolutions: with one group, with groups of constant size or number, and depthwise."""

import math

from torch import nn

from groupnl_deploy.models.conv_site import ConvSite, Replacement
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.placement import BOTTLENECKS, POINTWISE, Family
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.spec import ConvSpec


def standard_conv2d(conv: ConvSpec, shape: ConvShape) -> nn.Conv2d:
    """A convolution of one group; (N, c_in, H, W) → (N, c_out, H', W')."""
    return _conv2d(shape, 1)


def grouped_conv2d(conv: ConvSpec, shape: ConvShape) -> nn.Conv2d:
    """A convolution (N, c_in, H, W) → (N, c_out, H', W') whose groups are chosen in one of two ways.

    E2GC (arXiv 2006.15100, section III-B) keeps the group size G constant, so that the groups c_in / G grow
    with the width; FgGC, the usual way, keeps the number of groups g constant. Output o of group i is
    Σ_c w[o, c] * x[i·(c_in / g) + c] over the c_in / g channels of its group.

    Raises `InvalidSpec` where c_in or c_out does not divide.
    """
    groups = conv.num_groups or _groups_of(shape.in_channels, conv.group_size)
    if shape.in_channels % groups or shape.out_channels % groups:
        common = math.gcd(shape.in_channels, shape.out_channels)
        raise InvalidSpec(
            f"{shape.in_channels} input and {shape.out_channels} output channels do not divide into {groups} groups",
            f"Choose a number of groups that is a divisor of {common}.",
        )
    return _conv2d(shape, groups)


def depthwise_conv2d(conv: ConvSpec, shape: ConvShape) -> nn.Conv2d:
    """A convolution with gcd(c_in, c_out) groups: depthwise where c_in = c_out (arXiv 1704.04861, Eq. 3).

    (N, c_in, H, W) → (N, c_out, H', W'). With c_in = c_out, y[c] = w[c] * x[c] for every channel c. The GroupNL paper's
    profile of one (Table 16) has a bias.
    """
    return _conv2d(shape, math.gcd(shape.in_channels, shape.out_channels))


def places(conv: ConvSpec, site: ConvSite, family: Family, usual: Replacement | str) -> Replacement | str:
    """Where the E2GC paper puts group convolutions: not where channels are colours, and not in shortcuts."""
    if family == "plain" and site.first:
        return "the first convolution: its input channels are the image's"
    if family == "basic" and site.shortcut:
        return "shortcuts stay"
    if family in BOTTLENECKS and not site.first:
        return Replacement(conv) if site.leaf == "conv2" else POINTWISE
    return usual


def _conv2d(shape: ConvShape, groups: int) -> nn.Conv2d:
    return nn.Conv2d(shape.in_channels, shape.out_channels, *shape.geometry, groups=groups, bias=shape.bias)


def _groups_of(in_channels: int, group_size: int | None) -> int:
    if group_size is None:
        raise InvalidSpec("a grouped convolution needs either group_size or num_groups", "Give one of them.")
    if in_channels % group_size:
        raise InvalidSpec(
            f"{in_channels} input channels do not divide into groups of {group_size} channels",
            f"Choose a group_size that is a divisor of {in_channels}.",
            "group_size",
        )
    return in_channels // group_size
