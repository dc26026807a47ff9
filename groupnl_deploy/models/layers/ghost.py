"""GhostNet's convolution: few learned maps, the rest made from them by a depthwise convolution."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from groupnl_deploy.models.conv_site import ConvSite, Replacement
from groupnl_deploy.models.counting import Operations, Shape, conv_macs
from groupnl_deploy.models.inference_folding import convert_conv, folded, halves_of
from groupnl_deploy.models.inference_layers import Affine, InferenceLayer
from groupnl_deploy.models.layers.own import OwnConv2d
from groupnl_deploy.models.layers.seeds import generated_copies
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.placement import Family
from groupnl_deploy.models.spec import ConvSpec


class GhostConv2d(OwnConv2d):
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
        conv: gives r; c_seed = ceil(c_out / r).
        shape: kernel, stride, padding and dilation are the first convolution's; a bias is on both.
        cheap_kernel: d, odd; 3 in Table 2.
    """

    def __init__(self, conv: ConvSpec, shape: ConvShape, *, cheap_kernel: int = 3) -> None:
        super().__init__()
        seeds, bias = shape.seed_channels(conv.ratio), shape.bias
        self.out_channels, copies = shape.out_channels, generated_copies(shape.out_channels, seeds)
        self.primary_conv = nn.Conv2d(shape.in_channels, seeds, *shape.geometry, bias=bias)
        self.cheap_conv: nn.Conv2d | None = None
        if copies:
            padding = cheap_kernel // 2
            self.cheap_conv = nn.Conv2d(seeds, copies * seeds, cheap_kernel, padding=padding, groups=seeds, bias=bias)

    def settle(self) -> None:
        """Draw the weights so that maps stay as wide from layer to layer, as He et al. (arXiv 1502.01852) derive it.

        The GroupNL paper has no BatchNorm behind Ghost convolutions in basic blocks. Drawn as PyTorch does by itself,
        each layer's maps are then narrower than those of the one before, and ResNet-18 stays at chance.
        """
        nn.init.kaiming_normal_(self.primary_conv.weight, nonlinearity="relu")
        if self.cheap_conv is not None:
            nn.init.kaiming_normal_(self.cheap_conv.weight, nonlinearity="linear")

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H', W')."""
        seed_maps: Tensor = self.primary_conv(x)
        if self.cheap_conv is None:
            return seed_maps
        return torch.cat((seed_maps, self.cheap_conv(seed_maps)), dim=1)[:, : self.out_channels]

    def operations(self, output: Shape) -> Operations:
        """Two convolutions."""
        cheap = conv_macs(self.cheap_conv, output) if self.cheap_conv is not None else 0
        return Operations(conv_macs(self.primary_conv, output) + cheap)

    def to_inference(self, norm: nn.BatchNorm2d | None) -> nn.Module:
        """The new maps' half of the BatchNorm goes into the depthwise convolution; see `GhostMaps`."""
        primary, cheap = self.primary_conv, self.cheap_conv
        if cheap is None:
            return convert_conv(primary, norm)
        behind = halves_of(norm, primary.out_channels, primary.out_channels + cheap.out_channels)
        return GhostMaps(
            self.out_channels,
            convert_conv(primary, None),
            folded(cheap, cheap.weight, behind and behind[1]),
            behind and behind[0].affine(primary.weight.dtype),
        )


class GhostMaps(InferenceLayer):
    """A Ghost convolution and the BatchNorm behind it: y = cat(a·s + b, cheap(s)) [: c_out], s = primary(x).

    (N, c_in, H, W) → (N, c_out, H', W').

    Attributes:
        primary: the seed convolution.
        cheap: the depthwise one, with its half of the BatchNorm inside.
        behind_seeds: the other half, or None.

    Args:
        out_channels: c_out.
        primary: see above.
        cheap: see above.
        behind_seeds: see above.
    """

    def __init__(self, out_channels: int, primary: nn.Module, cheap: nn.Module, behind_seeds: Affine | None) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.primary, self.cheap, self.behind_seeds = primary, cheap, behind_seeds

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H', W')."""
        seeds = self.primary(x)
        new = self.cheap(seeds)
        if self.behind_seeds is not None:
            seeds = self.behind_seeds(seeds)
        return torch.cat((seeds, new), dim=1)[:, : self.out_channels]


def places(conv: ConvSpec, site: ConvSite, family: Family, usual: Replacement | str) -> Replacement | str:
    """The GroupNL paper's: with bias in CIFAR networks, without BatchNorm in basic blocks and shortcuts."""
    if isinstance(usual, str) or family in ("bottleneck of stride 1", "mobile"):
        return usual
    keep_norm = family != "basic" and not site.shortcut
    return replace(usual, conv=conv, keep_norm=keep_norm, bias=True)
