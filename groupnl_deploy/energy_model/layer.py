"""One convolution whose groups can be chosen, and what of it depends on them. Pure.

The E2GC paper (arXiv 2006.15100), Table II: with m input and n output channels, maps of h x w, a kernel of d x d and g
groups there are M = n·m·h·w·d² / g multiply-accumulates, P = n·m·d² / g weights, and A numbers that are read and
written, whatever g is. G = m / g are the channels of a group.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class LayerShape:
    """A square convolution without its groups.

    Args:
        in_channels: m.
        out_channels: n.
        kernel: d, the side of the kernel in pixels.
        height: h of the maps that it writes, in pixels.
        width: w of them.
        stride: how many times the side of the maps that it reads is longer.
    """

    in_channels: int
    out_channels: int
    kernel: int
    height: int
    width: int
    stride: int = 1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"{name} is {value}; a layer has at least one of each")

    @property
    def dense_macs(self) -> int:
        """M of one group, for one image."""
        return self.in_channels * self.out_channels * self.kernel**2 * self.height * self.width

    @property
    def activations(self) -> int:
        """A: the numbers of the maps that are read and written, for one image."""
        return (self.in_channels * self.stride**2 + self.out_channels) * self.height * self.width

    @property
    def group_counts(self) -> tuple[int, ...]:
        """Every g that there can be: the divisors of gcd(m, n), from 1 on."""
        common = math.gcd(self.in_channels, self.out_channels)
        return tuple(number for number in range(1, common + 1) if common % number == 0)

    def macs(self, groups: int) -> float:
        """M, for one image."""
        return self.dense_macs / groups

    def params(self, groups: int) -> float:
        """P."""
        return self.in_channels * self.out_channels * self.kernel**2 / groups

    def group_size(self, groups: int) -> float:
        """G."""
        return self.in_channels / groups

    def is_depthwise(self, groups: int) -> bool:
        """Whether each filter sees one channel alone (G = 1), which runtimes compute in a way of its own."""
        return groups == self.in_channels

    def intensity(self, groups: int) -> float:
        """AI = M / (P + A): multiply-accumulates for each number that is read or written."""
        return self.macs(groups) / (self.params(groups) + self.activations)

    def __str__(self) -> str:
        side = f"{self.height}x{self.width}" + (f", stride {self.stride}" if self.stride > 1 else "")
        return f"{self.in_channels}→{self.out_channels}, {self.kernel}x{self.kernel}, {side}"
