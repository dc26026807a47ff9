"""What one module costs on one image: the papers' counting rules.

The convention is that of the GroupNL paper's tables (arXiv 2506.12335, Tables 3, 4, 14, 15 and 16; inferred: it is
the only one under which all of their numbers come out). One FLOP is one multiply-accumulate, and counted are

* convolutions and linear layers: every product of a weight, without the bias;
* BatchNorm, other normalisation, average pooling and means: one for each element that they write;
* every product of two tensors, such as ω·(s − φ) or a gate: one for each element of the result.

Sums, differences, quotients, sines, powers, concatenations, copies, norms and activations count nothing.

A layer of ours says itself what it costs (`Counted`); `RULES` has PyTorch's. Both look at weights and settings and at
the shape that was written, never at what was executed, so a faster form of a layer costs what the layer costs.
"""

import abc
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

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


class Counted(nn.Module, abc.ABC):
    """A module that says what it costs: one row of a profile, with everything inside it."""

    @abc.abstractmethod
    def operations(self, output: Shape) -> Operations:
        """Of one call that wrote this shape for one image, (C, H, W)."""

    def own_weights(self) -> tuple[Tensor, ...]:
        """Learned kernels that are not the `weight` of a convolution or a linear layer inside."""
        return ()


def rule_for(module: nn.Module) -> Callable[[Any, Shape], Operations] | None:
    """The rule of the module's class, else of its nearest base class; None where there is none."""
    if isinstance(module, Counted):
        return type(module).operations
    return next((RULES[kind] for kind in type(module).__mro__ if kind in RULES), None)


def weights_of(layer: nn.Module) -> set[int]:
    """The ids of its kernels and matrices that are learned: what the E2GC paper counts as parameters."""
    kinds = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.Linear
    weights = [part.weight for part in layer.modules() if isinstance(part, kinds)]
    return {id(one) for one in (*weights, *(layer.own_weights() if isinstance(layer, Counted) else ()))}


def conv_macs(conv: nn.Conv2d, output: Shape) -> int:
    """c_out · c_in / groups · k² · H' · W'."""
    return conv.weight.numel() * pixels(output)


def pixels(output: Shape) -> int:
    """H · W of (C, H, W)."""
    return math.prod(output[1:])


def _conv(conv: nn.Conv2d, output: Shape) -> Operations:
    return Operations(macs=conv_macs(conv, output))


def _transposed(conv: nn.ConvTranspose2d, output: Shape) -> Operations:
    """Every pixel of the input meets the whole kernel."""
    geometry = (conv.padding, conv.dilation, conv.kernel_size, conv.output_padding, conv.stride)
    inputs = 1
    for size, *along in zip(output[1:], *geometry, strict=True):
        padding, dilation, kernel, extra, stride = (int(value) for value in along)
        inputs *= (size + 2 * padding - dilation * (kernel - 1) - extra - 1) // stride + 1
    return Operations(macs=conv.weight.numel() * inputs)


def _linear(linear: nn.Linear, output: Shape) -> Operations:
    return Operations(macs=linear.weight.numel() * math.prod(output[:-1]))


def _every_element(module: nn.Module, output: Shape) -> Operations:
    return Operations(products=math.prod(output))


# A class → (module, shape of what it wrote for one image) → operations; its subclasses count as it does.
RULES: dict[type[nn.Module], Callable[[Any, Shape], Operations]] = {
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), _conv),
    nn.ConvTranspose2d: _transposed,
    nn.Linear: _linear,
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), _every_element),
    **dict.fromkeys((nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.PReLU), _every_element),
    nn.AvgPool2d: _every_element,
    nn.AdaptiveAvgPool2d: _every_element,
}
