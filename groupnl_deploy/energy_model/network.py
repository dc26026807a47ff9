"""The convolutions of a network whose groups E2GC chooses, with the maps that they write. Needs PyTorch.

Which these are `models.placement` says: the depthwise ones of mobile networks, the 3x3 ones of others.
"""

from dataclasses import dataclass, replace

from torch import nn

from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.models.profile import profile
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.sketch import sketch
from groupnl_deploy.models.spec import ConvSpec, ModelSpec


@dataclass(frozen=True)
class NetworkLayer:
    """One of them, by its dotted name."""

    name: str
    shape: LayerShape


def grouped_layers(spec: ModelSpec) -> tuple[NetworkLayer, ...]:
    """The convolutions for which E2GC's would stand, in the network's order, for one image of `spec.input_shape`.

    Whatever `spec.conv` is: only name, width and sizes count. Nothing is computed. Raises `InvalidSpec` where there
    is none, or where one is not square.
    """
    dense = replace(spec, conv=ConvSpec.preset("grouped", num_groups=1))
    narrow = _convolutions(replace(spec, conv=ConvSpec.preset("grouped", group_size=1)))
    chosen = {name: conv for name, conv in _convolutions(dense).items() if conv.groups != narrow[name].groups}
    if not chosen:
        raise InvalidSpec(
            f"{spec.name} has no convolution whose groups could be chosen", "Choose another network.", "name"
        )
    outputs = {row.name: row.output_shape for row in profile(dense).layers}
    return tuple(NetworkLayer(name, _shape(name, conv, outputs[name])) for name, conv in chosen.items())


def _convolutions(spec: ModelSpec) -> dict[str, nn.Conv2d]:
    return {name: module for name, module in sketch(spec).named_modules() if isinstance(module, nn.Conv2d)}


def _shape(name: str, conv: nn.Conv2d, output: tuple[int, ...]) -> LayerShape:
    if len({*conv.kernel_size}) > 1 or len({*conv.stride}) > 1:
        raise InvalidSpec(f"{name} is no square convolution", "Choose another network.")
    _, height, width = output
    return LayerShape(conv.in_channels, conv.out_channels, conv.kernel_size[0], height, width, conv.stride[0])
