"""From a layer and the BatchNorm behind it to the layer of the inference form: one function for each class.

`CONVERTERS` is the whole list; to add a layer, write a function and a line there. A BatchNorm in evaluation mode is
y = scale·x + shift with scale = γ / √(σ² + ε) and shift = β − scale·μ for every channel. All constants are computed in
double precision and rounded once. Nothing here decides by a weight's value.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from groupnl_deploy.models.inference_layers import Affine, PointwiseConv2d, SummedDepthwiseConv2d
from groupnl_deploy.models.inference_maps import Generated, GhostMaps, GroupNLMaps, SineFMMaps, Sines
from groupnl_deploy.models.layers.ghost import GhostConv2d
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.layers.mono import MonoConv2d
from groupnl_deploy.models.layers.sinefm import SineFMConv2d
from groupnl_deploy.models.layers.sparse import SparseConv2d
from groupnl_deploy.models.padding import SamePad2d

Norm = nn.BatchNorm2d
Steps = tuple[Tensor, Tensor]  # scale and shift of every channel, in double precision
Converter = Callable[[Any, Norm | None], nn.Module]


def is_affine(norm: nn.Module, channels: int) -> bool:
    """Whether the module is one scale and shift for each of so many channels; a BatchNorm may use the batch's own."""
    return type(norm) is Norm and norm.num_features == channels and norm.running_mean is not None


def convert_conv(conv: nn.Conv2d, norm: Norm | None) -> nn.Module:
    """An ordinary convolution, of any geometry."""
    return _folded(conv, conv.weight, _steps(norm) if norm else None)


def convert_mono(layer: MonoConv2d, norm: Norm | None) -> nn.Module:
    """MonoConv: an ordinary convolution with the kernels that it would compute at every call."""
    conv = nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        layer.dilation,
        bias=layer.bias is not None,
    )
    conv.bias = layer.bias
    return _folded(conv, layer.kernels(), _steps(norm) if norm else None)


def convert_groupnl(layer: GroupNLConv2d, norm: Norm | None) -> nn.Module:
    """GroupNL: see `GroupNLMaps`. A BatchNorm over the seeds goes into their convolution unless they are normalised."""
    over = _steps(layer.bn) if layer.bn is not None else None
    seeds, dtype = layer.seed_channels, layer.conv1.weight.dtype
    behind = _steps(norm, maps=(1 + layer.copies) * seeds) if norm else None
    return GroupNLMaps(
        layer.out_channels,
        layer.normalize,
        conv=_folded(layer.conv1, layer.conv1.weight, None if layer.normalize else over),
        generate=_generator(layer) if layer.copies else None,
        over_seeds=_affine(over, dtype) if over and layer.normalize else None,
        behind=_affine(behind, dtype) if behind else None,
    )


def convert_ghost(layer: GhostConv2d, norm: Norm | None) -> nn.Module:
    """Ghost: the new maps' half of the BatchNorm goes into the depthwise convolution; see `GhostMaps`."""
    primary, cheap = layer.primary_conv, layer.cheap_conv
    if cheap is None:
        return convert_conv(primary, norm)
    seeds, dtype = primary.out_channels, primary.weight.dtype
    behind = _halves(norm, seeds, seeds + cheap.out_channels)
    return GhostMaps(
        layer.out_channels,
        convert_conv(primary, None),
        _folded(cheap, cheap.weight, behind and behind[1]),
        behind and _affine(behind[0], dtype),
    )


def convert_sinefm(layer: SineFMConv2d, norm: Norm | None) -> nn.Module:
    """SineFM: inner and outer BatchNorms go into the mixing weights; see `SineFMMaps`."""
    primary, cheap = layer.primary_conv, layer.cheap_conv
    if cheap is None:
        return convert_conv(primary, norm)
    seeds, dtype = primary.out_channels, primary.weight.dtype
    behind = _halves(norm, seeds, seeds + cheap.out_channels)
    weight, bias = _mixing(layer, cheap, behind and behind[1])
    constants = {
        "periods": layer.periods.clone(),
        "shifts": (layer.periods.double() * layer.shifts.double()).to(dtype),
        "weight": weight.to(dtype)[..., None, None],
        "bias": bias.to(dtype)[..., None, None],
    }
    return SineFMMaps(layer.out_channels, convert_conv(primary, None), behind and _affine(behind[0], dtype), constants)


def keep_padding(layer: SamePad2d, norm: Norm | None) -> nn.Module:
    """Zeros around the maps: as they are, one step of which a tracer must see no more than that."""
    assert norm is None  # it has no channels of its own that a BatchNorm could have as many of
    return layer


CONVERTERS: dict[type[nn.Module], Converter] = {
    nn.Conv2d: convert_conv,
    SparseConv2d: convert_conv,
    MonoConv2d: convert_mono,
    GroupNLConv2d: convert_groupnl,
    GhostConv2d: convert_ghost,
    SineFMConv2d: convert_sinefm,
    SamePad2d: keep_padding,
}


def _steps(norm: Norm, maps: int = 0) -> Steps:
    """Scale and shift; 1 and 0 for maps beyond the norm's channels, which are cut off."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    shift = -scale * norm.running_mean.double()
    if norm.bias is not None:
        shift = shift + norm.bias.double()
    beyond = max(0, maps - len(scale))
    return torch.cat((scale, scale.new_ones(beyond))), torch.cat((shift, shift.new_zeros(beyond)))


def _halves(norm: Norm | None, seeds: int, maps: int) -> tuple[Steps, Steps] | None:
    """The steps of the seed maps, and those of the generated ones."""
    if norm is None:
        return None
    scale, shift = _steps(norm, maps)
    return (scale[:seeds], shift[:seeds]), (scale[seeds:], shift[seeds:])


def _affine(steps: Steps, dtype: torch.dtype) -> Affine:
    return Affine(steps[0].to(dtype), steps[1].to(dtype))


def _folded(conv: nn.Conv2d, weight: Tensor, steps: Steps | None) -> nn.Module:
    """The convolution with this weight, and the steps behind it inside."""
    bias = None if conv.bias is None else conv.bias.double()
    folded = weight.double()
    if steps:
        scale, shift = steps
        folded = folded * scale[:, None, None, None]
        bias = shift if bias is None else scale * bias + shift
    return _best_form(conv, folded.to(weight.dtype), None if bias is None else bias.to(weight.dtype))


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
    conv = nn.Conv2d(
        like.in_channels,
        len(weight),
        like.kernel_size,  # type: ignore[arg-type]
        like.stride,  # type: ignore[arg-type]
        like.padding,  # type: ignore[arg-type]
        like.dilation,  # type: ignore[arg-type]
        groups,
        bias is not None,
        like.padding_mode,
        device="meta",
    )
    conv.weight = nn.Parameter(weight.contiguous())
    conv.bias = None if bias is None else nn.Parameter(bias)
    return conv


def _generator(layer: GroupNLConv2d) -> nn.Module:
    block = layer.seed_channels // layer.nl_groups
    values = [layer.get_parameter(name).detach().repeat_interleave(block) for name in layer.nlf.ranges]
    if layer.nlf.name != "sinusoidal":
        return Generated(layer.nlf, values, layer.nl_groups, layer.copies)
    periods, shifts = values
    products = (layer.phi_sign * periods.double() * shifts.double()).to(shifts.dtype)
    return Sines(periods, products, layer.nl_groups, layer.copies)


def _mixing(layer: SineFMConv2d, cheap: nn.Conv2d, behind: Steps | None) -> Steps:
    """SineFM's w, (t, c_seed, γ), and d, (c_seed, γ): BN_i scales column i of a group and adds to its bias."""
    seeds = layer.primary_conv.out_channels
    weight = cheap.weight.double().view(seeds, -1, layer.terms)
    inner = [_steps(norm) for norm in layer.norms if isinstance(norm, Norm)]
    scales, shifts = (torch.stack(part, dim=1)[:, None] for part in zip(*inner, strict=True))  # (c_seed, 1, t)
    bias = (weight * shifts).sum(2)
    weight = weight * scales
    if cheap.bias is not None:
        bias = bias + cheap.bias.double().view(seeds, -1)
    if behind:
        scale, shift = (part.view(seeds, -1) for part in behind)
        weight, bias = weight * scale[..., None], bias * scale + shift
    return weight.permute(2, 0, 1).contiguous(), bias
