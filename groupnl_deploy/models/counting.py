"""What one module costs on one image: the papers' counting rules, one line for each class of module.

The convention is that of the GroupNL paper's tables (arXiv 2506.12335, Tables 3, 4, 14, 15 and 16; inferred: it is
the only one under which all of their numbers come out). One FLOP is one multiply-accumulate, and counted are

* convolutions and linear layers: every product of a weight, without the bias;
* BatchNorm, average pooling and means: one for each element that they write;
* every product of two tensors, such as ω·(s − φ) or a gate: one for each element of the result.

Sums, differences, quotients, sines, powers, concatenations, copies, norms and activations count nothing.

The rules look at a module's weights and settings and at the shape that it wrote, never at what was executed, so a
faster form of a layer costs what the layer costs. To add a layer: a line in `RULES`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from groupnl_deploy.models.inverted_residual import SqueezeExcite
from groupnl_deploy.models.layers.ghost import GhostConv2d
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.layers.mono import MonoConv2d
from groupnl_deploy.models.layers.sinefm import SineFMConv2d

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Operations:
    """Of one call on one image.

    Args:
        macs: multiply-accumulates of convolutions and linear layers.
        products: whatever else the convention counts.
    """

    macs: int = 0
    products: int = 0

    @property
    def flops(self) -> int:
        """All that the convention counts."""
        return self.macs + self.products


# The classes whose `weight` is a kernel or a matrix that is learned: what the E2GC paper counts as parameters.
WEIGHTED = (nn.Conv2d, nn.Linear, MonoConv2d)


def rule_for(module: nn.Module) -> Callable[[Any, Shape], Operations] | None:
    """The rule of the module's class, else of its nearest base class; None where there is none."""
    return next((RULES[kind] for kind in type(module).__mro__ if kind in RULES), None)


def _conv(conv: nn.Conv2d, output: Shape) -> Operations:
    return Operations(macs=_conv_macs(conv, output))


def _linear(linear: nn.Linear, output: Shape) -> Operations:
    return Operations(macs=linear.weight.numel() * math.prod(output[:-1]))


def _every_element(module: nn.Module, output: Shape) -> Operations:
    return Operations(products=math.prod(output))


def _groupnl(layer: GroupNLConv2d, output: Shape) -> Operations:
    """The seed convolution; BatchNorm where it stands over the seeds; the products of the function Ψ.

    All γ·c_seed generated maps are counted, those too that are cut off where c_seed does not divide c_out.
    """
    pixels = _pixels(output)
    normalised = layer.seed_channels * pixels if layer.bn is not None else 0
    generated = layer.copies * layer.seed_channels * pixels
    return Operations(_conv_macs(layer.conv1, output), normalised + layer.nlf.multiplies * generated)


def _mono(layer: MonoConv2d, output: Shape) -> Operations:
    """An ordinary convolution; sign(W)·|W|^η for every kernel; the mean over c_in, rows and columns, one by one.

    The three means of the weight standardisation write c_out·k², c_out·k and c_out elements.
    """
    size = layer.kernel_size
    kernel = layer.out_channels * layer.in_channels * size * size
    means = layer.out_channels * (size * size + size + 1)
    return Operations(kernel * _pixels(output), kernel + means)


def _ghost(layer: GhostConv2d, output: Shape) -> Operations:
    cheap = _conv_macs(layer.cheap_conv, output) if layer.cheap_conv is not None else 0
    return Operations(_conv_macs(layer.primary_conv, output) + cheap)


def _sinefm(layer: SineFMConv2d, output: Shape) -> Operations:
    """Two convolutions; between them, t times, the product ω·(s + φ) and BatchNorm over the c_seed maps."""
    cheap = _conv_macs(layer.cheap_conv, output) if layer.cheap_conv is not None else 0
    expanded = layer.terms * layer.primary_conv.out_channels * _pixels(output)
    return Operations(_conv_macs(layer.primary_conv, output) + cheap, 2 * expanded)


def _squeeze_excite(layer: SqueezeExcite, output: Shape) -> Operations:
    """The mean of every channel, two convolutions on maps of 1x1, and the product of the maps and the gate."""
    macs = layer.conv_reduce.weight.numel() + layer.conv_expand.weight.numel()
    return Operations(macs, output[0] + math.prod(output))


def _conv_macs(conv: nn.Conv2d, output: Shape) -> int:
    """c_out · c_in / groups · k² · H' · W'."""
    return conv.weight.numel() * _pixels(output)


def _pixels(output: Shape) -> int:
    return math.prod(output[1:])


# A class → (module, shape of what it wrote for one image) → operations. A class named here is one row of a profile
# with everything inside it; its subclasses count as it does unless they have a line of their own.
RULES: dict[type[nn.Module], Callable[[Any, Shape], Operations]] = {
    nn.Conv2d: _conv,
    nn.Linear: _linear,
    nn.BatchNorm1d: _every_element,
    nn.BatchNorm2d: _every_element,
    nn.AvgPool2d: _every_element,
    nn.AdaptiveAvgPool2d: _every_element,
    SqueezeExcite: _squeeze_excite,
    GroupNLConv2d: _groupnl,
    GhostConv2d: _ghost,
    SineFMConv2d: _sinefm,
    MonoConv2d: _mono,
}
