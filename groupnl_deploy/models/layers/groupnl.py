"""The GroupNL convolution: few learned seed maps, the rest generated from them by fixed nonlinearities."""

import math

import torch
from torch import Tensor, nn

from groupnl_deploy.models.layers.nlf import sinusoid
from groupnl_deploy.models.spec import InvalidSpec, Range

SMALLEST_NORM = 1e-12  # torch.nn.functional.normalize's default, which the released code relies on


class GroupNLConv2d(nn.Module):
    """GroupNL convolution (arXiv 2506.12335, Eq. 4 and 9 to 11, Algorithm 1), without bias.

    With r = ceil(c_out / c_seed) and γ = r − 1, for x of shape (N, c_in, H, W)::

        s      = conv(x)                            (N, c_seed, H', W')
        s      = s / max(‖s‖₂ over channels, 1e-12) only if `normalize`
        s_i    = the i-th of g equal blocks of s    (N, c_seed / g, H', W')
        y_gen  = cat_i cat_j sin(ω_ij · (s_i ± φ_ij))   i = 1…g, j = 1…γ
        y      = cat(s, y_gen)                      (N, c_out, H', W')

    One (ω, φ) belongs to each group and copy; all channels and pixels of that block share it. Where c_seed
    does not divide c_out, γ·c_seed maps are defined as the paper's ceil implies, the hyper-parameters of all
    of them exist, and the last maps are cut off so that the output has c_out channels.

    The normalisation is undocumented; it is in the authors' released code, and so is the minus sign.

    Attributes:
        conv1: the seed convolution, c_in → c_seed, with gcd(c_in, c_seed) groups if `sparse`, else one.
        periods: ω, (γ·g,), frozen.
        shifts: φ, (γ·g,), frozen. Both are parameters, not buffers, and named as in the released code, so
            that they are counted and saved as the paper's tables count them.

    Args:
        in_channels: c_in.
        out_channels: c_out.
        seed_channels: c_seed; must be a multiple of `nl_groups`.
        kernel_size: k of the square kernel.
        stride: as in `nn.Conv2d`.
        padding: as in `nn.Conv2d`.
        dilation: as in `nn.Conv2d`.
        nl_groups: g.
        sparse: thin the seed convolution by groups.
        normalize: L2-normalise the seed maps.
        phi_sign: 1 or −1.
        omega_range: ω is drawn uniformly from here when the layer is made.
        phi_range: φ likewise.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        seed_channels: int,
        kernel_size: int,
        stride: int = 1,
        *,
        padding: int = 0,
        dilation: int = 1,
        nl_groups: int = 4,
        sparse: bool = False,
        normalize: bool = True,
        phi_sign: int = -1,
        omega_range: Range = (1.0, 2.0),
        phi_range: Range = (1.0, 2.0),
    ) -> None:
        super().__init__()
        _require_divisible(out_channels, seed_channels, nl_groups)
        self.out_channels, self.seed_channels = out_channels, seed_channels
        self.nl_groups, self.copies = nl_groups, math.ceil(out_channels / seed_channels) - 1
        self.normalize, self.phi_sign = normalize, phi_sign
        self.conv1 = nn.Conv2d(
            in_channels,
            seed_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups=math.gcd(in_channels, seed_channels) if sparse else 1,
            bias=False,
        )
        self.periods = _frozen_uniform(self.copies * nl_groups, omega_range)
        self.shifts = _frozen_uniform(self.copies * nl_groups, phi_range)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H', W')."""
        seed_maps: Tensor = self.conv1(x)
        if self.normalize:
            seed_maps = _unit_over_channels(seed_maps)
        if self.copies == 0:
            return seed_maps
        output = torch.cat((seed_maps, self._generate(seed_maps)), dim=1)
        cut = self.out_channels < (self.copies + 1) * self.seed_channels
        return output[:, : self.out_channels] if cut else output

    def _generate(self, seed_maps: Tensor) -> Tensor:
        """(N, c_seed, H, W) → (N, γ·c_seed, H, W), ordered by group, then copy, then channel in the block."""
        block = self.seed_channels // self.nl_groups
        if self.copies == 1:  # one copy of each block, in its own order, is the seed maps themselves
            periods = self.periods.repeat_interleave(block).view(1, -1, 1, 1)
            shifts = self.shifts.repeat_interleave(block).view(1, -1, 1, 1)
            return sinusoid(seed_maps, periods, shifts, self.phi_sign)
        # Broadcasting over the copy axis reads every seed map once and writes no copy of it.
        batch, _, height, width = seed_maps.shape
        blocks = seed_maps.reshape(batch, self.nl_groups, 1, block, height, width)
        per_copy = (1, self.nl_groups, self.copies, 1, 1, 1)
        generated = sinusoid(blocks, self.periods.view(per_copy), self.shifts.view(per_copy), self.phi_sign)
        return generated.reshape(batch, self.copies * self.seed_channels, height, width)

    def extra_repr(self) -> str:
        """What the seed convolution's own line does not say."""
        sign = "+" if self.phi_sign > 0 else "-"
        return (
            f"out_channels={self.out_channels}, seed_channels={self.seed_channels}, "
            f"nl_groups={self.nl_groups}, copies={self.copies}, normalize={self.normalize}, phi_sign={sign}1"
        )


def _unit_over_channels(maps: Tensor) -> Tensor:
    """maps / max(‖maps‖₂, 1e-12), the norm over channels at every pixel; same shape (N, C, H, W).

    Equal to `functional.normalize(maps, dim=1)`, whose norm is slow on a CPU when channels are not the last
    axis: at (32, 8, 32, 32) this form takes a thirtieth of its time forward and a seventh with the gradient.
    Clamping the square, not the norm, keeps the gradient finite where all channels are zero.
    """
    energy = (maps * maps).sum(dim=1, keepdim=True)
    return maps * energy.clamp_min(SMALLEST_NORM**2).rsqrt()


def _frozen_uniform(count: int, bounds: Range) -> nn.Parameter:
    low, high = bounds
    return nn.Parameter(low + (high - low) * torch.rand(count), requires_grad=False)


def _require_divisible(out_channels: int, seed_channels: int, nl_groups: int) -> None:
    if not 1 <= seed_channels <= out_channels:
        raise InvalidSpec(f"{seed_channels} seed channels for {out_channels} output channels")
    if seed_channels % nl_groups:
        raise InvalidSpec(
            f"GroupNL cannot split {seed_channels} seed channels (of {out_channels} output channels) into "
            f"{nl_groups} equal groups; choose a width and ratio whose seed channels are a multiple of "
            f"{nl_groups}, or fewer nonlinear groups"
        )
