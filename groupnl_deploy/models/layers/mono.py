"""MonoCNN's convolution: few learned kernels, the rest computed from them by fixed monomials."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from groupnl_deploy.models.conv_site import ConvSite, Replacement
from groupnl_deploy.models.counting import Operations, Shape, pixels
from groupnl_deploy.models.inference_folding import folded, steps_of
from groupnl_deploy.models.layers.drawn import drawn
from groupnl_deploy.models.layers.nlf import MONOMIAL_DEGREE
from groupnl_deploy.models.layers.own import OwnConv2d
from groupnl_deploy.models.layers.seeds import generated_copies
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.placement import BOTTLENECKS, POINTWISE, Family
from groupnl_deploy.models.refusal import Range
from groupnl_deploy.models.spec import ConvSpec

SMALLEST_DEVIATION = 1e-5


class MonoConv2d(OwnConv2d):
    """Monomial convolution of MonoCNN, as its authors' code (`evoxlos/mono-cnn-pytorch`) computes it.

    The kernels are generated, not the maps, so that the convolution itself costs what an ordinary one does.
    For seed kernels of shape (c_seed, c_in, k, k) and x of shape (N, c_in, H, W)::

        W = the seed kernels, repeated along c_out and cut to (c_out, c_in, k, k)
        W = sign(W)·|W|^η                                      one η for each (output, input) pair
        W = (W − mean(W)) / (std(W) + 1e-5)                    both over (c_in, k, k), std unbiased
        y = W * x                                              (N, c_out, H', W')

    The GroupNL paper (arXiv 2506.12335, Eq. 1 to 3) describes the method without the last but one line and
    with the seed kernels themselves among W; the code raises every kernel to its η.

    Attributes:
        weight: the seed kernels, the only parameter besides a bias.
        exponents: η, (c_out, c_in, 1, 1), a buffer: drawn once, saved, not counted among the parameters.

    Args:
        conv: gives e as `ratio`; c_seed = ceil(c_out / e), which need not divide c_out.
        shape: of the convolution; its bias too.
        eta_range: η is drawn uniformly from here; [1, 7] in Table 2 of the GroupNL paper.
    """

    exponents: Tensor

    def __init__(self, conv: ConvSpec, shape: ConvShape, *, eta_range: Range = MONOMIAL_DEGREE) -> None:
        super().__init__()
        self.shape, self.out_channels = shape, shape.out_channels
        self.seed_channels = shape.seed_channels(conv.ratio)
        self.repeats = generated_copies(self.out_channels, self.seed_channels) + 1
        # An ordinary convolution's initial values; the standardisation makes their scale unimportant.
        self.weight = nn.Conv2d(shape.in_channels, self.seed_channels, shape.kernel_size, bias=False).weight
        self.bias = nn.Parameter(torch.zeros(self.out_channels)) if shape.bias else None
        self.register_buffer("exponents", drawn(eta_range, self.out_channels, shape.in_channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H', W')."""
        _, *geometry = self.shape.geometry
        return functional.conv2d(x, self.kernels(), self.bias, *geometry)

    def kernels(self) -> Tensor:
        """The kernels that the convolution uses, (c_out, c_in, k, k)."""
        tiled = self.weight.repeat(self.repeats, 1, 1, 1)[: self.out_channels]
        powers = tiled.detach().sign() * tiled.abs().pow(self.exponents)
        centred = powers - powers.mean(dim=(1, 2, 3), keepdim=True)
        return centred / (centred.std(dim=(1, 2, 3), keepdim=True) + SMALLEST_DEVIATION)

    def operations(self, output: Shape) -> Operations:
        """An ordinary convolution; sign(W)·|W|^η for every kernel; the mean over c_in, rows and columns, one by one.

        The three means of the weight standardisation write c_out·k², c_out·k and c_out elements.
        """
        size = self.shape.kernel_size
        kernels = self.out_channels * self.shape.in_channels * size * size
        means = self.out_channels * (size * size + size + 1)
        return Operations(kernels * pixels(output), kernels + means)

    def own_weights(self) -> tuple[Tensor, ...]:
        """The seed kernels."""
        return (self.weight,)

    def to_inference(self, norm: nn.BatchNorm2d | None) -> nn.Module:
        """An ordinary convolution with the kernels that this one would compute at every call."""
        conv = nn.Conv2d(self.shape.in_channels, self.out_channels, *self.shape.geometry, bias=False)
        conv.bias = self.bias
        return folded(conv, self.kernels(), steps_of(norm) if norm else None)

    def extra_repr(self) -> str:
        """As `nn.Conv2d` writes itself, and the seed kernels."""
        kernel, stride, padding, _ = self.shape.geometry
        return (
            f"{self.shape.in_channels}, {self.out_channels}, seed_channels={self.seed_channels}, "
            f"kernel_size={kernel}, stride={stride}, padding={padding}"
        )


def places(conv: ConvSpec, site: ConvSite, family: Family, usual: Replacement | str) -> Replacement | str:
    """MonoCNN's: stride 1 alone in basic blocks; in bottlenecks conv2, and conv1 unless the block has stride 2."""
    if site.first and family != "plain":
        return usual
    if family == "basic" and site.conv.stride[0] != 1:
        return "MonoConv keeps to stride 1 in basic blocks"
    if family in BOTTLENECKS:
        chosen = site.leaf == "conv2" or (site.leaf == "conv1" and _stride_of_block(site) == 1)
        return Replacement(_widened(conv, site)) if chosen else POINTWISE
    return usual if isinstance(usual, str) or site.shortcut else replace(usual, conv=_widened(conv, site))


def _stride_of_block(site: ConvSite) -> object:
    middle = site.parent.get_submodule("conv2")
    return middle.stride[0] if isinstance(middle, nn.Conv2d) else None


def _widened(conv: ConvSpec, site: ConvSite) -> ConvSpec:
    """MonoConv's e doubles with the width (Table 2): r up to 64 channels, then 2r, 4r, and 8r above 256."""
    doublings = sum(site.conv.out_channels > width for width in (64, 128, 256))
    return replace(conv, ratio=conv.ratio << doublings)
