"""The GroupNL convolution: few learned seed maps, the rest generated from them by fixed nonlinearities."""

import math
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from groupnl_deploy.models.layers.drawn import drawn
from groupnl_deploy.models.layers.generation import generate_into, joined, learnably_joined, output_buffer
from groupnl_deploy.models.layers.nlf import NLFS
from groupnl_deploy.models.layers.normalise import unit_over_channels
from groupnl_deploy.models.layers.seeds import generated_copies
from groupnl_deploy.models.layers.sparse import SparseConv2d, being_traced, exporting_to_onnx
from groupnl_deploy.models.spec import BnPosition, InvalidSpec, Range, require_choice


class GroupNLConv2d(nn.Module):
    """GroupNL convolution (arXiv 2506.12335, Eq. 4 and 9 to 11, Algorithm 1), without bias.

    With r = ceil(c_out / c_seed) and γ = r − 1, for x of shape (N, c_in, H, W)::

        s      = conv(x)                            (N, c_seed, H', W')
        s      = s / max(‖s‖₂ over channels, 1e-12) only if `normalize`
        s      = BN(s)                              only if `bn_position` is "seeds"
        s_i    = the i-th of g equal blocks of s    (N, c_seed / g, H', W')
        y_gen  = cat_i cat_j Ψ_ij(s_i)              i = 1…g, j = 1…γ
        y      = cat(s, y_gen)                      (N, c_out, H', W')

    Ψ is one function family of `NLFS`, by default sin(ω·(s ± φ)), and Ψ_ij has hyper-parameters of its own:
    one set for each group and copy, shared by all channels and pixels of that block. Where c_seed does not
    divide c_out, γ·c_seed maps are defined as the paper's ceil implies, the hyper-parameters of all of them
    exist, and the last maps are cut off so that the output has c_out channels.

    The normalisation is undocumented; it is in the authors' released code, and so is the minus sign. BN on
    the seed maps is inferred from the paper's counts of the sparse ResNet-101 (Tables 3, 14 and 15).

    Attributes:
        conv1: the seed convolution, c_in → c_seed, with gcd(c_in, c_seed) groups if `sparse`, else one.
        bn: BN over the c_seed maps if `bn_position` is "seeds", else None; the network then has none behind
            this layer.
        periods: ω of the sinusoidal function, (γ·g,), frozen.
        shifts: φ of the sinusoidal function, (γ·g,), frozen. Both are parameters, not buffers, and named as
            in the released code, so that they are counted and saved as the paper's tables count them.
            Other functions have `exponents` (monomial) or `scales` (gaussian, laplace) instead.

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
        nlf: a name of `NLFS`.
        phi_sign: 1 or −1; the sinusoidal function's alone.
        omega_range: ω is drawn uniformly from here when the layer is made.
        phi_range: φ likewise. Hyper-parameters of other functions come from the ranges in `NLFS`.
        bn_position: "seeds" puts BN on the seed maps; "concat" leaves it to the network, behind this layer.
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
        nlf: str = "sinusoidal",
        phi_sign: int = -1,
        omega_range: Range = (1.0, 2.0),
        phi_range: Range = (1.0, 2.0),
        bn_position: BnPosition = "concat",
    ) -> None:
        super().__init__()
        self.copies = generated_copies(out_channels, seed_channels)
        _require_blocks(out_channels, seed_channels, nl_groups)
        require_choice("nlf", nlf, tuple(NLFS))
        require_choice("bn_position", bn_position, get_args(BnPosition))
        self.out_channels, self.seed_channels, self.nl_groups = out_channels, seed_channels, nl_groups
        self.normalize, self.phi_sign, self.nlf = normalize, phi_sign, NLFS[nlf]
        groups = math.gcd(in_channels, seed_channels) if sparse else 1
        self.conv1 = SparseConv2d(
            in_channels, seed_channels, kernel_size, stride, padding, dilation, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(seed_channels) if bn_position == "seeds" else None
        chosen = {"periods": omega_range, "shifts": phi_range}
        for name, default in self.nlf.ranges.items():
            values = drawn(chosen.get(name, default), self.copies * nl_groups)
            self.register_parameter(name, nn.Parameter(values, requires_grad=False))

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H', W')."""
        maps: Tensor = self.conv1(x)
        if self.copies == 0:
            return self._seed_maps(maps)
        output = self._seeds_and_generated(maps)
        cut = self.out_channels < (self.copies + 1) * self.seed_channels
        return output[:, : self.out_channels] if cut else output

    def _seed_maps(self, maps: Tensor) -> Tensor:
        if self.normalize:
            maps = functional.normalize(maps, dim=1) if exporting_to_onnx() else unit_over_channels(maps)
        return maps if self.bn is None else self.bn(maps)

    def _seeds_and_generated(self, maps: Tensor) -> Tensor:
        """The seed convolution's maps (N, c_seed, H', W') → (N, (1 + γ)·c_seed, H', W')."""
        each = self._hyper_parameters()
        if exporting_to_onnx():
            return self._as_published(self._seed_maps(maps))
        if being_traced() or any(values.requires_grad for values in each):
            return joined(self._seed_maps(maps), each, self.nlf, self.phi_sign)
        if torch.is_grad_enabled() and (maps.requires_grad or self.bn is not None):
            return learnably_joined(self._seed_maps(maps), each, self.nlf, self.phi_sign)
        output, seeds = output_buffer(maps, each)
        if self.normalize and self.bn is None:
            unit_over_channels(maps, out=seeds)
        else:
            seeds.copy_(self._seed_maps(maps))
        generate_into(output, each, self.nlf, self.phi_sign)
        return output

    def _as_published(self, seed_maps: Tensor) -> Tensor:
        """Algorithm 1 step by step, with its axes put right: split, repeat, repeat_interleave, cat.

        What an ONNX file holds before anything was optimized, as from the authors' code.
        """
        block = self.seed_channels // self.nl_groups
        blocks = torch.split(seed_maps, block, dim=1)
        copies = torch.cat([one.repeat(1, self.copies, 1, 1) for one in blocks], dim=1)
        each = [self.get_parameter(name).repeat_interleave(block).reshape(1, -1, 1, 1) for name in self.nlf.ranges]
        return torch.cat((seed_maps, self.nlf(copies, *each, phi_sign=self.phi_sign)), dim=1)

    def _hyper_parameters(self) -> list[Tensor]:
        """Each (1, g, γ, 1, 1, 1), to be broadcast against blocks of seed maps."""
        shape = (1, self.nl_groups, self.copies, 1, 1, 1)
        return [self.get_parameter(name).view(shape) for name in self.nlf.ranges]

    def extra_repr(self) -> str:
        """What the seed convolution's own line does not say."""
        sign = "+" if self.phi_sign > 0 else "-"
        return (
            f"out_channels={self.out_channels}, seed_channels={self.seed_channels}, nlf={self.nlf.name}, "
            f"nl_groups={self.nl_groups}, copies={self.copies}, normalize={self.normalize}, phi_sign={sign}1"
        )


def _require_blocks(out_channels: int, seed_channels: int, nl_groups: int) -> None:
    if nl_groups < 1 or seed_channels % nl_groups:
        raise InvalidSpec(
            f"GroupNL cannot split {seed_channels} seed channels (of {out_channels} output channels) into "
            f"{nl_groups} equal groups",
            f"Choose a width and ratio whose seed channels are a multiple of {nl_groups}, or fewer nl_groups.",
            "width",
            "ratio",
            "nl_groups",
        )
