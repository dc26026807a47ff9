"""What each module of a network is to somebody who asks where the time goes: a convolution, what follows it, others."""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.layers.own import OwnConv2d
from groupnl_deploy.models.sketch import sketch
from groupnl_deploy.models.spec import ModelSpec

Part = Literal["layer", "behind", "around"]
# What a compiler computes inside the convolution before it.
_BEHIND = (nn.BatchNorm2d, nn.Identity, nn.Dropout)
_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU, nn.Hardsigmoid, nn.Sigmoid)


@dataclass(frozen=True)
class LayerRole:
    """A module: "layer" for a convolution or a linear layer as a whole, "behind" for a norm or an activation, "around"
    for blocks, pools and the like.

    `kind` is the convolution's word ("groupnl-sparse", "depthwise", …), "linear", else the module's class. `seeds` is
    whether it has seed maps and generates others from them.
    """

    kind: str
    part: Part
    seeds: bool = False


def layer_roles(spec: ModelSpec) -> dict[str, LayerRole]:
    """The role of each module by its dotted name; nothing of what is inside a layer. Raises `InvalidSpec`."""
    found: dict[str, LayerRole] = {}
    for name, module in sketch(spec).named_modules():
        inside = any(name.startswith(f"{layer}.") for layer, role in found.items() if role.part == "layer")
        if name and not inside:
            found[name] = _role(module, spec.conv.method)
    return found


def _role(module: nn.Module, method: str) -> LayerRole:
    if isinstance(module, OwnConv2d):
        return LayerRole(method, "layer", isinstance(module, GroupNLConv2d) and module.copies > 0)
    if isinstance(module, nn.Conv2d):
        return LayerRole(_kind(module, method), "layer")
    if isinstance(module, nn.Linear):
        return LayerRole("linear", "layer")
    behind = isinstance(module, (*_BEHIND, *_ACTIVATIONS))
    return LayerRole(type(module).__name__, "behind" if behind else "around")


def _kind(conv: nn.Conv2d, method: str) -> str:
    """A convolution without parts of its own."""
    if 1 < conv.groups == conv.in_channels:
        return "depthwise"
    if type(conv) is not nn.Conv2d or conv.groups > 1:
        return "grouped" if method == "standard" else method
    return "1x1" if conv.kernel_size == (1, 1) else "standard"
