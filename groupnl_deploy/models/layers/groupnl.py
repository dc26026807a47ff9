"""The GroupNL convolution: few learned seed maps, the rest generated from them by fixed nonlinearities."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from groupnl_deploy.models.counting import Operations, Shape, conv_macs, pixels
from groupnl_deploy.models.inference_folding import folded, steps_of
from groupnl_deploy.models.layers.drawn import drawn
from groupnl_deploy.models.layers.generation import generate_into, joined, learnably_joined, output_buffer
from groupnl_deploy.models.layers.groupnl_maps import Generated, GroupNLMaps, Sines
from groupnl_deploy.models.layers.nlf import NLFS
from groupnl_deploy.models.layers.normalise import unit_over_channels
from groupnl_deploy.models.layers.own import OwnConv2d
from groupnl_deploy.models.layers.seeds import generated_copies
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.layers.sparse import SparseConv2d, being_traced, exporting_to_onnx
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.spec import ConvSpec


class GroupNLConv2d(OwnConv2d):
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
        conv: r, g, Ψ and where it is drawn from, whether the seeds are sparse, normalised, and under a BatchNorm of
            their own; c_seed = ceil(c_out / r) must be a multiple of g. Hyper-parameters of functions other than the
            sinusoidal come from the ranges in `NLFS`.
        shape: of the convolution; its bias is none of this layer's.
    """

    def __init__(self, conv: ConvSpec, shape: ConvShape) -> None:
        super().__init__()
        seeds = shape.seed_channels(conv.ratio)
        self.copies = generated_copies(shape.out_channels, seeds)
        _require_blocks(shape.out_channels, seeds, conv.nl_groups)
        self.out_channels, self.seed_channels, self.nl_groups = shape.out_channels, seeds, conv.nl_groups
        self.normalize, self.phi_sign, self.nlf = conv.normalize, conv.phi_sign, NLFS[conv.nlf]
        groups = math.gcd(shape.in_channels, seeds) if conv.sparse else 1
        self.conv1 = SparseConv2d(shape.in_channels, seeds, *shape.geometry, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(seeds) if conv.bn_position == "seeds" else None
        chosen = {"periods": conv.omega_range, "shifts": conv.phi_range}
        for name, default in self.nlf.ranges.items():
            values = drawn(chosen.get(name, default), self.copies * conv.nl_groups)
            self.register_parameter(name, nn.Parameter(values, requires_grad=False))

    def settle(self) -> None:
        """Divide the drawn seed weights by √c_seed where nothing normalises the seed maps.

        They are then as wide at first as those that the released code divides by their norm over channels, and sine is
        almost a line. As wide as usual draws make them, sines of sines are chaos: the gradient grows from layer to
        layer, and deep networks of depthwise convolutions (MobileNetV2, V3) stay at chance. The paper says nothing of
        how its weights are drawn.
        """
        if not self.normalize and self.bn is None and self.copies:
            with torch.no_grad():
                self.conv1.weight.div_(math.sqrt(self.seed_channels))

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

    def generated(self, seed_maps: Tensor) -> Tensor:
        """cat(s, y_gen) of any multiple of g seed maps, (N, c, H, W) → (N, r·c, H, W), with gradients for these."""
        if self.copies == 0:
            return seed_maps
        return learnably_joined(seed_maps, self._hyper_parameters(), self.nlf, self.phi_sign)

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

    def operations(self, output: Shape) -> Operations:
        """The seed convolution; BatchNorm where it stands over the seeds; the products of the function Ψ.

        All γ·c_seed generated maps are counted, those too that are cut off where c_seed does not divide c_out.
        """
        normalised = self.seed_channels * pixels(output) if self.bn is not None else 0
        generated = self.copies * self.seed_channels * pixels(output)
        return Operations(conv_macs(self.conv1, output), normalised + self.nlf.multiplies * generated)

    def to_inference(self, norm: nn.BatchNorm2d | None) -> nn.Module:
        """A BatchNorm over the seeds goes into their convolution unless they are normalised; see `GroupNLMaps`."""
        over = steps_of(self.bn) if self.bn is not None else None
        behind = steps_of(norm, maps=(1 + self.copies) * self.seed_channels) if norm else None
        dtype = self.conv1.weight.dtype
        return GroupNLMaps(
            self.out_channels,
            self.normalize,
            conv=folded(self.conv1, self.conv1.weight, None if self.normalize else over),
            generate=self._generator() if self.copies else None,
            over_seeds=over.affine(dtype) if over and self.normalize else None,
            behind=behind.affine(dtype) if behind else None,
        )

    def _generator(self) -> nn.Module:
        block = self.seed_channels // self.nl_groups
        values = [self.get_parameter(name).detach().repeat_interleave(block) for name in self.nlf.ranges]
        if self.nlf.name != "sinusoidal":
            return Generated(self.nlf, values, self.nl_groups, self.copies)
        periods, shifts = values
        products = (self.phi_sign * periods.double() * shifts.double()).to(shifts.dtype)
        return Sines(periods, products, self.nl_groups, self.copies)

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
