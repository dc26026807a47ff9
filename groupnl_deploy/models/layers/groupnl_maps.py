"""GroupNL's layers of the inference form: batch normalisation folded in, constants expanded, all in place."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from groupnl_deploy.models.inference_layers import (
    Affine,
    InferenceLayer,
    affine,
    empty_maps,
    is_channels_last,
    per_channel,
)
from groupnl_deploy.models.layers.generation import in_blocks, in_copies
from groupnl_deploy.models.layers.nlf import NLF
from groupnl_deploy.models.layers.normalise import SMALLEST_ENERGY, unit_over_channels


class Sines(nn.Module):
    """GroupNL's generated maps sin(ω·s + c) with c = ±ω·φ, by group, copy and channel of the block.

    Attributes:
        periods: ω, (1, γ·c_seed, 1, 1).
        shifts: c, likewise.

    Args:
        periods: ω for every generated channel, (γ·c_seed,).
        shifts: c, likewise.
        groups: g.
        copies: γ, at least one.
    """

    periods: Tensor
    shifts: Tensor

    def __init__(self, periods: Tensor, shifts: Tensor, groups: int, copies: int) -> None:
        super().__init__()
        self.groups, self.copies = groups, copies
        self.register_buffer("periods", per_channel(periods))
        self.register_buffer("shifts", per_channel(shifts))

    def forward(self, seeds: Tensor) -> Tensor:
        """(N, c_seed, H, W) → (N, γ·c_seed, H, W)."""
        if self.copies == 1:
            return affine(seeds, self.periods, self.shifts).sin_()
        new, blocks = _room_for_copies(seeds, self.groups, self.copies)
        shape = (1, *blocks.shape[1:4], 1, 1)
        affine(in_blocks(seeds, self.groups), self.periods.view(shape), self.shifts.view(shape), blocks)
        return new.sin_()


class Generated(nn.Module):
    """GroupNL's generated maps Ψ(s) of any function, by group, copy and channel of the block.

    Attributes:
        hyper-parameters: under the names that the function gives them, each (1, γ·c_seed, 1, 1).

    Args:
        nlf: Ψ.
        values: its hyper-parameters for every generated channel, each (γ·c_seed,).
        groups: g.
        copies: γ, at least one.
    """

    def __init__(self, nlf: NLF, values: Sequence[Tensor], groups: int, copies: int) -> None:
        super().__init__()
        self.nlf, self.groups, self.copies = nlf, groups, copies
        for name, value in zip(nlf.ranges, values, strict=True):
            self.register_buffer(name, per_channel(value))

    def forward(self, seeds: Tensor) -> Tensor:
        """(N, c_seed, H, W) → (N, γ·c_seed, H, W)."""
        new, blocks = _room_for_copies(seeds, self.groups, self.copies)
        shape = (1, *blocks.shape[1:4], 1, 1)
        values = (self.get_buffer(name).view(shape) for name in self.nlf.ranges)
        self.nlf(in_blocks(seeds, self.groups), *values, out=blocks)
        return new


class GroupNLMaps(InferenceLayer):
    """A GroupNL convolution and the BatchNorm behind it, (N, c_in, H, W) → (N, c_out, H', W').

        s = conv(x) [/ max(‖s‖₂, 1e-12)] [· scale + shift]
        y = scale · cat(s, Ψ(s)) [: c_out] + shift

    The scale and shift of the seed half are not in the seed convolution, because Ψ needs s itself: to take them back
    with (y − shift) / scale loses all digits where scale is small, and it is zero in freshly initialised networks.
    One step in place over the joined maps takes half the time of two that write into its halves.

    Attributes:
        conv: the seed convolution; a BatchNorm over the seeds is inside unless the normalisation stands between.
        over_seeds: that BatchNorm where it does, else None.
        generate: Ψ; None where nothing is generated.
        behind: the BatchNorm behind the layer, for all (1 + γ)·c_seed maps, or None.

    Args:
        out_channels: c_out; the last maps are cut off where there are more.
        normalize: whether the seeds are divided by their norm over the channels.
        conv: see above.
        generate: see above.
        over_seeds: see above.
        behind: see above.
    """

    def __init__(
        self,
        out_channels: int,
        normalize: bool,
        conv: nn.Module,
        generate: nn.Module | None,
        over_seeds: Affine | None,
        behind: Affine | None,
    ) -> None:
        super().__init__()
        self.out_channels, self.normalize = out_channels, normalize
        self.conv, self.generate, self.over_seeds, self.behind = conv, generate, over_seeds, behind

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H', W')."""
        maps: Tensor = self.conv(x)
        if self.normalize:
            maps = normalise_in_place(maps)
        if self.over_seeds is not None:
            maps = self.over_seeds(maps)
        if self.generate is not None:
            maps = torch.cat((maps, self.generate(maps)), dim=1)
        if self.behind is not None:
            maps = self.behind(maps)
        return maps if maps.shape[1] == self.out_channels else maps[:, : self.out_channels]


def normalise_in_place(maps: Tensor) -> Tensor:
    """`unit_over_channels` in place, in either memory format; (N, C, H, W), overwritten."""
    if not is_channels_last(maps):
        return unit_over_channels(maps, out=maps)
    rows = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])
    # A product with ones takes two thirds of the time of a sum over short rows.
    energy = torch.mm(rows * rows, rows.new_ones((rows.shape[1], 1)))
    rows.mul_(energy.clamp_min_(SMALLEST_ENERGY).rsqrt_())
    return maps


def _room_for_copies(seeds: Tensor, groups: int, copies: int) -> tuple[Tensor, Tensor]:
    """An uninitialised (N, γ·c_seed, H, W), and its view (N, g, γ, c_seed / g, H, W)."""
    new = empty_maps(seeds, copies * seeds.shape[1])
    return new, in_copies(new, groups, copies)
