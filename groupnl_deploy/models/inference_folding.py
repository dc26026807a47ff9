"""From a convolution and the BatchNorm behind it to the layer of the inference form.

A BatchNorm in evaluation mode is y = scale·x + shift with scale = γ / √(σ² + ε) and shift = β − scale·μ for every
channel. All constants are computed in double precision and rounded once. Nothing here decides by a weight's value.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from groupnl_deploy.models.inference_layers import Affine, PointwiseConv2d, SummedDepthwiseConv2d
from groupnl_deploy.models.widths import geometry_arguments

Norm = nn.BatchNorm2d


class Steps(NamedTuple):
    """Of every channel, in double precision, each (C,)."""

    scale: Tensor
    shift: Tensor

    def affine(self, dtype: torch.dtype) -> Affine:
        """As a layer."""
        return Affine(self.scale.to(dtype), self.shift.to(dtype))


def is_affine(norm: nn.Module, channels: int) -> bool:
    """Whether the module is one scale and shift for each of so many channels; a BatchNorm may use the batch's own."""
    return type(norm) is Norm and norm.num_features == channels and norm.running_mean is not None


def convert_conv(conv: nn.Conv2d, norm: Norm | None) -> nn.Module:
    """An ordinary convolution, of any geometry."""
    return folded(conv, conv.weight, steps_of(norm) if norm else None)


def steps_of(norm: Norm, maps: int = 0) -> Steps:
    """Scale and shift; 1 and 0 for maps beyond the norm's channels, which are cut off."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    shift = -scale * norm.running_mean.double()
    if norm.bias is not None:
        shift = shift + norm.bias.double()
    beyond = max(0, maps - len(scale))
    return Steps(torch.cat((scale, scale.new_ones(beyond))), torch.cat((shift, shift.new_zeros(beyond))))


def halves_of(norm: Norm | None, seeds: int, maps: int) -> tuple[Steps, Steps] | None:
    """The steps of the seed maps, and those of the generated ones."""
    if norm is None:
        return None
    scale, shift = steps_of(norm, maps)
    return Steps(scale[:seeds], shift[:seeds]), Steps(scale[seeds:], shift[seeds:])


def folded(conv: nn.Conv2d, weight: Tensor, steps: Steps | None) -> nn.Module:
    """A convolution of the geometry of `conv` with this weight, and the steps behind it inside."""
    bias = None if conv.bias is None else conv.bias.double()
    kernels = weight.double()
    if steps:
        scale, shift = steps
        kernels = kernels * scale[:, None, None, None]
        bias = shift if bias is None else scale * bias + shift
    return _best_form(conv, kernels.to(weight.dtype), None if bias is None else bias.to(weight.dtype))


def _best_form(conv: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> nn.Module:
    zeros = conv.padding_mode == "zeros"
    square = (conv.kernel_size, conv.stride, conv.padding, conv.groups) == ((1, 1), (1, 1), (0, 0), 1)
    if square and zeros:
        return PointwiseConv2d(weight[:, :, 0, 0].t().contiguous(), bias)
    if conv.groups == conv.out_channels < conv.in_channels and zeros:
        neighbours = conv.in_channels // conv.groups
        if bias is not None:
            others = bias.new_zeros(len(bias), neighbours - 1)
            bias = torch.cat((bias[:, None], others), dim=1).flatten()
        depthwise = _conv(conv, conv.in_channels, weight.reshape(conv.in_channels, 1, *conv.kernel_size), bias)
        return SummedDepthwiseConv2d(depthwise, conv.out_channels)
    return _conv(conv, conv.groups, weight, bias)


def _conv(like: nn.Conv2d, groups: int, weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """An ordinary convolution of the same geometry."""
    arguments = geometry_arguments(like) | {"groups": groups, "bias": bias is not None}
    conv = nn.Conv2d(like.in_channels, len(weight), device="meta", **arguments)
    conv.weight = nn.Parameter(weight.contiguous())
    conv.bias = None if bias is None else nn.Parameter(bias)
    return conv
