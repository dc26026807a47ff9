"""GhostNet's convolution: few learned maps, the rest made from them by a depthwise convolution."""

import torch
from torch import Tensor, nn

from groupnl_deploy.models.layers.seeds import generated_copies


class GhostConv2d(nn.Module):
    """Ghost convolution (GhostNet, arXiv 1911.11907; as Eq. 4 and 5 of the GroupNL paper, arXiv 2506.12335).

    With γ = ceil(c_out / c_seed) − 1, for x of shape (N, c_in, H, W)::

        y_seed = conv k×k (x)                                  (N, c_seed, H', W')
        y_gen  = depthwise conv d×d (y_seed)                   (N, γ·c_seed, H', W'), γ filters a seed map
        y      = cat(y_seed, y_gen), cut to c_out channels     (N, c_out, H', W')

    GhostNet has BN and ReLU behind both convolutions; the GroupNL paper's module (Table 16) has neither.

    Attributes:
        primary_conv: c_in → c_seed, k×k.
        cheap_conv: c_seed → γ·c_seed, d×d with c_seed groups; None where γ is zero.

    Args:
        in_channels: c_in.
        out_channels: c_out.
        kernel_size: k of the square kernel.
        stride: as in `nn.Conv2d`, of the first convolution.
        seed_channels: c_seed, from 1 to c_out; it need not divide c_out.
        padding: as in `nn.Conv2d`, of the first convolution.
        dilation: as in `nn.Conv2d`, of the first convolution.
        cheap_kernel: d, odd; 3 in Table 2.
        bias: a bias on both convolutions.
    """

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
        cheap_kernel: int = 3,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.out_channels, copies = out_channels, generated_copies(out_channels, seed_channels)
        self.primary_conv = nn.Conv2d(in_channels, seed_channels, kernel_size, stride, padding, dilation, bias=bias)
        self.cheap_conv: nn.Conv2d | None = None
        if copies:
            self.cheap_conv = nn.Conv2d(
                seed_channels,
                copies * seed_channels,
                cheap_kernel,
                padding=cheap_kernel // 2,
                groups=seed_channels,
                bias=bias,
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H', W')."""
        seed_maps: Tensor = self.primary_conv(x)
        if self.cheap_conv is None:
            return seed_maps
        return torch.cat((seed_maps, self.cheap_conv(seed_maps)), dim=1)[:, : self.out_channels]
