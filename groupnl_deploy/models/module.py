"""A single convolution as a network of its own, so that it is exported, pushed and measured like any other."""

from collections import OrderedDict

from torch import nn

from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.spec import ModelSpec, scaled

_CHANNELS = 512
_BIASED = ("standard", "depthwise", "grouped")


def conv3x3(spec: ModelSpec) -> nn.Module:
    """(N, C, H, W) → (N, 512·H/2·W/2): a 3x3 convolution of stride 2 to 512 channels, and its maps as one row.

    The row is the same memory, so nothing but the convolution is computed. These are the modules of the GroupNL
    paper's Table 16 (arXiv 2506.12335): its counts say that the standard and the depthwise one have a bias, and the
    others none. Raises `InvalidSpec` for another number of outputs.
    """
    channels, height, width = spec.input_shape
    wide = scaled(_CHANNELS, spec.width)
    conv = nn.Conv2d(channels, wide, 3, stride=2, padding=1, bias=spec.conv.method in _BIASED)
    outputs = wide * ((height + 1) // 2) * ((width + 1) // 2)
    if spec.num_classes != outputs:
        raise InvalidSpec(
            f"num_classes is {spec.num_classes}, and this module has {outputs} outputs",
            f"Give num_classes as {outputs}, or leave input_shape and width as they are.",
            "num_classes",
        )
    return nn.Sequential(OrderedDict(conv=conv, row=nn.Flatten(1)))
