"""From a `ConvSpec` to a module: the one place that knows which method is which class."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from groupnl_deploy.models.layers.ghost import GhostConv2d
from groupnl_deploy.models.layers.grouped import depthwise_conv2d, grouped_conv2d
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.layers.mono import MonoConv2d
from groupnl_deploy.models.layers.sinefm import SineFMConv2d
from groupnl_deploy.models.spec import ConvSpec, InvalidSpec, Method

_LEAVE = "Leave it as it is."


@dataclass(frozen=True)
class ConvShape:
    """What every method must keep of the convolution it stands for: a square kernel's geometry.

    (N, in_channels, H, W) → (N, out_channels, H', W'), H' as in `torch.nn.Conv2d`.
    """

    in_channels: int
    out_channels: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    bias: bool = False

    def seed_channels(self, ratio: int) -> int:
        """c_seed = ceil(c_out / r)."""
        return math.ceil(self.out_channels / ratio)

    @classmethod
    def of(cls, conv: nn.Conv2d) -> "ConvShape":
        """The shape of an ordinary convolution. Raises `InvalidSpec`, with the reason, for one that has none."""
        if type(conv) is not nn.Conv2d:
            raise InvalidSpec(f"it is a {type(conv).__name__}, not an ordinary convolution", _LEAVE)
        if conv.padding_mode != "zeros" or isinstance(conv.padding, str):
            raise InvalidSpec("its padding is not a plain number of zeros", _LEAVE)
        pairs = (conv.kernel_size, conv.stride, conv.padding, conv.dilation)
        if any(pair[0] != pair[1] for pair in pairs):
            raise InvalidSpec("its kernel, stride, padding or dilation is not square", _LEAVE)
        kernel, stride, padding, dilation = (int(pair[0]) for pair in pairs)
        return cls(conv.in_channels, conv.out_channels, kernel, stride, padding, dilation, conv.bias is not None)


Builder = Callable[[ConvSpec, ConvShape], nn.Module]


def build_conv(conv: ConvSpec, shape: ConvShape) -> nn.Module:
    """A convolution of this method and shape. Raises `InvalidSpec` where the numbers do not fit.

    GroupNL and MonoConv have no bias of their own, whatever the shape says.
    """
    return METHODS[conv.method](conv, shape)


def _standard(conv: ConvSpec, shape: ConvShape) -> nn.Module:
    return nn.Conv2d(
        shape.in_channels,
        shape.out_channels,
        shape.kernel_size,
        shape.stride,
        shape.padding,
        shape.dilation,
        bias=shape.bias,
    )


def _depthwise(conv: ConvSpec, shape: ConvShape) -> nn.Module:
    return depthwise_conv2d(*_sizes(shape), **_geometry(shape), bias=shape.bias)


def _grouped(conv: ConvSpec, shape: ConvShape) -> nn.Module:
    return grouped_conv2d(
        *_sizes(shape),
        **_geometry(shape),
        group_size=conv.group_size,
        num_groups=conv.num_groups,
        bias=shape.bias,
    )


def _mono(conv: ConvSpec, shape: ConvShape) -> nn.Module:
    return MonoConv2d(*_sizes(shape), **_geometry(shape), seed_channels=shape.seed_channels(conv.ratio))


def _ghost(conv: ConvSpec, shape: ConvShape) -> nn.Module:
    seeds = shape.seed_channels(conv.ratio)
    return GhostConv2d(*_sizes(shape), **_geometry(shape), seed_channels=seeds, bias=shape.bias)


def _sinefm(conv: ConvSpec, shape: ConvShape) -> nn.Module:
    seeds = shape.seed_channels(conv.ratio)
    return SineFMConv2d(*_sizes(shape), **_geometry(shape), seed_channels=seeds, cheap_bias=shape.bias)


def _groupnl(conv: ConvSpec, shape: ConvShape) -> nn.Module:
    return GroupNLConv2d(
        shape.in_channels,
        shape.out_channels,
        shape.seed_channels(conv.ratio),
        shape.kernel_size,
        shape.stride,
        **_geometry(shape),
        nl_groups=conv.nl_groups,
        sparse=conv.sparse,
        nlf=conv.nlf,
        normalize=conv.normalize,
        phi_sign=conv.phi_sign,
        omega_range=conv.omega_range,
        phi_range=conv.phi_range,
        bn_position=conv.bn_position,
    )


def _sizes(shape: ConvShape) -> tuple[int, int, int, int]:
    return shape.in_channels, shape.out_channels, shape.kernel_size, shape.stride


def _geometry(shape: ConvShape) -> dict[str, Any]:
    return {"padding": shape.padding, "dilation": shape.dilation}


METHODS: dict[Method, Builder] = {
    "standard": _standard,
    "depthwise": _depthwise,
    "mono": _mono,
    "ghost": _ghost,
    "sinefm": _sinefm,
    "groupnl": _groupnl,
    "groupnl-sparse": _groupnl,
    "grouped": _grouped,
}
