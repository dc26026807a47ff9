"""SineFM's convolution: few learned maps, the rest mixed from several fixed sines of them."""

import torch
from torch import Tensor, nn

from groupnl_deploy.models.layers.drawn import drawn
from groupnl_deploy.models.layers.seeds import generated_copies
from groupnl_deploy.models.spec import Range


class SineFMConv2d(nn.Module):
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
        in_channels: c_in.
        out_channels: c_out.
        kernel_size: k of the square kernel.
        stride: as in `nn.Conv2d`, of the first convolution.
        seed_channels: c_seed, from 1 to c_out; it need not divide c_out.
        padding: as in `nn.Conv2d`, of the first convolution.
        dilation: as in `nn.Conv2d`, of the first convolution.
        terms: t; 5 in Table 2.
        omega_range: ω is drawn uniformly from here; [1, 2] in Table 2.
        phi_range: φ likewise; [1, 5] in Table 2.
        cheap_bias: a bias on the 1×1 convolution.
    """

    periods: Tensor
    shifts: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        *,
        seed_channels: int,
        padding: int = 0,
        dilation: int = 1,
        terms: int = 5,
        omega_range: Range = (1.0, 2.0),
        phi_range: Range = (1.0, 5.0),
        cheap_bias: bool = False,
    ) -> None:
        super().__init__()
        self.out_channels, copies = out_channels, generated_copies(out_channels, seed_channels)
        self.terms = terms if copies else 0
        self.primary_conv = nn.Conv2d(in_channels, seed_channels, kernel_size, stride, padding, dilation, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(seed_channels) for _ in range(self.terms))
        self.cheap_conv: nn.Conv2d | None = None
        if copies:
            expanded, generated = terms * seed_channels, copies * seed_channels
            self.cheap_conv = nn.Conv2d(expanded, generated, 1, groups=seed_channels, bias=cheap_bias)
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
