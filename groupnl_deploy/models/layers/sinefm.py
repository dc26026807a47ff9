"""SineFM's convolution: few learned maps, the rest mixed from several fixed sines of them."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from groupnl_deploy.models.conv_site import ConvSite, Replacement
from groupnl_deploy.models.counting import Operations, Shape, conv_macs, pixels
from groupnl_deploy.models.inference_folding import Steps, convert_conv, halves_of, steps_of
from groupnl_deploy.models.inference_layers import Affine, InferenceLayer, empty_maps
from groupnl_deploy.models.layers.drawn import drawn
from groupnl_deploy.models.layers.own import OwnConv2d
from groupnl_deploy.models.layers.seeds import generated_copies
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.placement import Family, thinned
from groupnl_deploy.models.refusal import Range
from groupnl_deploy.models.spec import ConvSpec


class SineFMConv2d(OwnConv2d):
    """SineFM convolution (ICWS 2023; as Eq. 4 and 6 to 8 of the GroupNL paper, arXiv 2506.12335, describe it).

    With γ = ceil(c_out / c_seed) − 1, for x of shape (N, c_in, H, W)::

        y_seed  = conv k×k (x)                                 (N, c_seed, H', W')
        y_exp_i = BN_i(sin(ω_i·(y_seed + φ_i)))                (N, c_seed, H', W'), i = 1…t
        y_gen   = conv 1×1 with c_seed groups (y_exp)          (N, γ·c_seed, H', W')
        y       = cat(y_seed, y_gen), cut to c_out channels    (N, c_out, H', W')

    Every group of the 1×1 convolution sees the t expansions of one seed map, so these stand side by side in
    y_exp: the paper's Table 1 counts t·(r − 1) multiplications for each seed element, which admits no other
    grouping. The authors' code is not public; Table 16's parameters and FLOPs come out to the last digit.

    Attributes:
        primary_conv: c_in → c_seed, k×k.
        norms: BN_1 … BN_t over c_seed channels; empty where γ is zero.
        cheap_conv: t·c_seed → γ·c_seed, 1×1; None where γ is zero.
        periods: ω, (t,).
        shifts: φ, (t,). Both are buffers: the paper's counts leave them out.

    Args:
        conv: gives r; c_seed = ceil(c_out / r).
        shape: kernel, stride, padding and dilation are the first convolution's; a bias is the 1×1 convolution's.
        terms: t; 5 in Table 2.
        omega_range: ω is drawn uniformly from here; [1, 2] in Table 2.
        phi_range: φ likewise; [1, 5] in Table 2.
    """

    periods: Tensor
    shifts: Tensor

    def __init__(
        self,
        conv: ConvSpec,
        shape: ConvShape,
        *,
        terms: int = 5,
        omega_range: Range = (1.0, 2.0),
        phi_range: Range = (1.0, 5.0),
    ) -> None:
        super().__init__()
        seeds = shape.seed_channels(conv.ratio)
        self.out_channels, copies = shape.out_channels, generated_copies(shape.out_channels, seeds)
        self.terms = terms if copies else 0
        self.primary_conv = nn.Conv2d(shape.in_channels, seeds, *shape.geometry, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(seeds) for _ in range(self.terms))
        self.cheap_conv: nn.Conv2d | None = None
        if copies:
            self.cheap_conv = nn.Conv2d(terms * seeds, copies * seeds, 1, groups=seeds, bias=shape.bias)
        self.register_buffer("periods", drawn(omega_range, self.terms))
        self.register_buffer("shifts", drawn(phi_range, self.terms))

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H', W')."""
        seed_maps: Tensor = self.primary_conv(x)
        if self.cheap_conv is None:
            return seed_maps
        # Stacked behind the channel axis: the t expansions of one seed map are neighbours.
        expanded = torch.stack(self._expansions(seed_maps), dim=2).flatten(1, 2)
        return torch.cat((seed_maps, self.cheap_conv(expanded)), dim=1)[:, : self.out_channels]

    def _expansions(self, seed_maps: Tensor) -> list[Tensor]:
        """y_exp_1 … y_exp_t, each (N, c_seed, H', W')."""
        each = zip(self.norms, self.periods, self.shifts, strict=True)
        return [norm(torch.sin(period * (seed_maps + shift))) for norm, period, shift in each]

    def extra_repr(self) -> str:
        """What the convolutions' own lines do not say."""
        return f"out_channels={self.out_channels}, terms={self.terms}"

    def operations(self, output: Shape) -> Operations:
        """Two convolutions; between them, t times, the product ω·(s + φ) and BatchNorm over the c_seed maps."""
        cheap = conv_macs(self.cheap_conv, output) if self.cheap_conv is not None else 0
        expanded = self.terms * self.primary_conv.out_channels * pixels(output)
        return Operations(conv_macs(self.primary_conv, output) + cheap, 2 * expanded)

    def to_inference(self, norm: nn.BatchNorm2d | None) -> nn.Module:
        """Inner and outer BatchNorms go into the mixing weights; see `SineFMMaps`."""
        primary, cheap = self.primary_conv, self.cheap_conv
        if cheap is None:
            return convert_conv(primary, norm)
        seeds, dtype = primary.out_channels, primary.weight.dtype
        behind = halves_of(norm, seeds, seeds + cheap.out_channels)
        weight, bias = self._mixing(cheap, behind and behind[1])
        constants = {
            "periods": self.periods.clone(),
            "shifts": (self.periods.double() * self.shifts.double()).to(dtype),
            "weight": weight.to(dtype)[..., None, None],
            "bias": bias.to(dtype)[..., None, None],
        }
        return SineFMMaps(self.out_channels, convert_conv(primary, None), behind and behind[0].affine(dtype), constants)

    def _mixing(self, cheap: nn.Conv2d, behind: Steps | None) -> tuple[Tensor, Tensor]:
        """w, (t, c_seed, γ), and d, (c_seed, γ): BN_i scales column i of a group and adds to its bias."""
        seeds = self.primary_conv.out_channels
        weight = cheap.weight.double().view(seeds, -1, self.terms)
        inner = [steps_of(norm) for norm in self.norms if isinstance(norm, nn.BatchNorm2d)]
        scales, shifts = (torch.stack(part, dim=1)[:, None] for part in zip(*inner, strict=True))  # (c_seed, 1, t)
        bias = (weight * shifts).sum(2)
        weight = weight * scales
        if cheap.bias is not None:
            bias = bias + cheap.bias.double().view(seeds, -1)
        if behind:
            scale, shift = (part.view(seeds, -1) for part in behind)
            weight, bias = weight * scale[..., None], bias * scale + shift
        return weight.permute(2, 0, 1).contiguous(), bias


class SineFMMaps(InferenceLayer):
    """A SineFM convolution with its inner BatchNorms and the one behind it.

        s = primary(x),  e_i = sin(ω_i·s + c_i) with c_i = ω_i·φ_i,  i = 1…t
        y = cat(a·s + b, Σ_i w_i·e_i + d) [: c_out]

    (N, c_in, H, W) → (N, c_out, H', W'). Map j of the γ that come from one seed map stands next to the others.

    Attributes:
        periods: ω, (t,).
        shifts: c, (t,).
        weight: w, (t, c_seed, γ, 1, 1).
        bias: d, (c_seed, γ, 1, 1).
        primary: the seed convolution.
        behind_seeds: a and b, or None.
    """

    periods: Tensor
    shifts: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(
        self, out_channels: int, primary: nn.Module, behind_seeds: Affine | None, constants: dict[str, Tensor]
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.primary, self.behind_seeds = primary, behind_seeds
        for name in ("periods", "shifts", "weight", "bias"):
            self.register_buffer(name, constants[name])

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H', W')."""
        seeds = self.primary(x)
        channels, copies = self.bias.shape[:2]
        new = empty_maps(seeds, channels * copies)
        blocks = new.view(len(new), channels, copies, *new.shape[2:]).copy_(self.bias)
        for period, shift, weight in zip(self.periods, self.shifts, self.weight, strict=True):
            blocks.addcmul_(torch.mul(seeds, period).add_(shift).sin_().unsqueeze(2), weight)
        if self.behind_seeds is not None:
            seeds = self.behind_seeds(seeds)
        return torch.cat((seeds, new), dim=1)[:, : self.out_channels]


def places(conv: ConvSpec, site: ConvSite, family: Family, usual: Replacement | str) -> Replacement | str:
    """The GroupNL paper's: shortcuts without BatchNorm and with a fourth of the seeds; bias in basic blocks."""
    if isinstance(usual, str):
        return usual
    if family == "basic":
        chosen = thinned(conv) if site.shortcut else conv
        return Replacement(chosen, keep_norm=not site.shortcut, bias=True)
    return replace(usual, keep_norm=False) if family == "bottleneck" else usual
