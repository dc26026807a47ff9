"""MonoCNN's convolution: few learned kernels, the rest computed from them by fixed monomials."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from groupnl_deploy.models.layers.drawn import drawn
from groupnl_deploy.models.layers.nlf import MONOMIAL_DEGREE
from groupnl_deploy.models.layers.seeds import generated_copies
from groupnl_deploy.models.spec import Range

SMALLEST_DEVIATION = 1e-5


class MonoConv2d(nn.Module):
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
        in_channels: c_in.
        out_channels: c_out.
        kernel_size: k of the square kernel.
        stride: as in `nn.Conv2d`.
        seed_channels: c_seed, from 1 to c_out; it need not divide c_out.
        padding: as in `nn.Conv2d`.
        dilation: as in `nn.Conv2d`.
        eta_range: η is drawn uniformly from here; [1, 7] in Table 2 of the GroupNL paper.
        bias: as in `nn.Conv2d`.
    """

    exponents: Tensor

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
        eta_range: Range = MONOMIAL_DEGREE,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.repeats = generated_copies(out_channels, seed_channels) + 1
        self.in_channels, self.out_channels, self.seed_channels = in_channels, out_channels, seed_channels
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation
        # An ordinary convolution's initial values; the standardisation makes their scale unimportant.
        ordinary = nn.Conv2d(in_channels, seed_channels, kernel_size, bias=False)
        self.weight = ordinary.weight
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.register_buffer("exponents", drawn(eta_range, out_channels, in_channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H', W')."""
        return functional.conv2d(x, self.kernels(), self.bias, self.stride, self.padding, self.dilation)

    def kernels(self) -> Tensor:
        """The kernels that the convolution uses, (c_out, c_in, k, k)."""
        tiled = self.weight.repeat(self.repeats, 1, 1, 1)[: self.out_channels]
        powers = tiled.detach().sign() * tiled.abs().pow(self.exponents)
        centred = powers - powers.mean(dim=(1, 2, 3), keepdim=True)
        return centred / (centred.std(dim=(1, 2, 3), keepdim=True) + SMALLEST_DEVIATION)

    def extra_repr(self) -> str:
        """As `nn.Conv2d` writes itself, and the seed kernels."""
        return (
            f"{self.in_channels}, {self.out_channels}, seed_channels={self.seed_channels}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        )
