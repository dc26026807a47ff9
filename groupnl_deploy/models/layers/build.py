"""From a `ConvSpec` to a module."""

from collections.abc import Callable

from torch import nn

from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.methods import METHODS
from groupnl_deploy.models.spec import ConvSpec

LayerBuilder = Callable[[ConvSpec, ConvShape], nn.Module]


def build_conv(conv: ConvSpec, shape: ConvShape) -> nn.Module:
    """A convolution of this method and shape. Raises `InvalidSpec` where the numbers do not fit."""
    method = METHODS[conv.method]
    build: LayerBuilder = method.load(method.layer)
    return build(conv, shape)
