"""The sparse seed convolution: several input channels and one filter a group, computed as a depthwise one."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from groupnl_deploy.models.neighbours import sum_of_neighbours

_WITH_DEPTHWISE = ("cpu", "cuda")
"""Devices whose kernels for depthwise convolutions are the faster ones; others were not tried."""


class SparseConv2d(nn.Conv2d):
    """A grouped convolution that is fast where every group has one output channel.

    With m = c_in / c_out input channels a group (GroupNL paper, arXiv 2506.12335, "Sparse GroupNL Conv":
    gcd(c_in, c_seed) groups; the authors' light networks have m = 2), a grouped convolution is a depthwise one
    over all channels followed by the sum of m neighbours::

        conv(x)[n, o] = Σ_j w[o, j] * x[n, o·m + j]           (N, c_in, H, W) → (N, c_out, H', W')

    CPU libraries have a special kernel for depthwise convolutions, but run the grouped one as many tiny
    matrix products; cuDNN's kernels for it take longer as well, most of all with channels last. Weight, parameters and
    state dict are those of `nn.Conv2d` with the same arguments, and so is the result. Where the identity does not
    apply, and in an ONNX export, whose readers want one node, it is `nn.Conv2d` in speed also.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H', W')."""
        if not self._depthwise_is_faster(input):
            return super().forward(input)
        kernels = self.weight.reshape(self.in_channels, 1, *self.kernel_size)
        maps = functional.conv2d(input, kernels, None, self.stride, self.padding, self.dilation, self.in_channels)
        total = sum_of_neighbours(maps, self.out_channels)
        if self.bias is not None:
            total = total + self.bias.view(-1, 1, 1)
        # One channels-last image gets a small batch stride here, as small as a row's where a row is one pixel, from
        # which BatchNorm's backward pass computes wrong gradients (torch 2.13).
        return total.contiguous() if total.stride(0) <= total.stride(2) else total

    def _depthwise_is_faster(self, input: Tensor) -> bool:
        one_filter_a_group = self.groups == self.out_channels < self.in_channels
        plain = self.padding_mode == "zeros" and input.device.type in _WITH_DEPTHWISE and input.dim() == 4
        return one_filter_a_group and plain and not exporting_to_onnx()


def being_traced() -> bool:
    """Whether this call is recorded as a graph: by `torch.jit.trace`, `torch.compile` or an exporter."""
    return torch.jit.is_tracing() or torch.compiler.is_compiling()  # type: ignore[attr-defined, no-untyped-call]


def exporting_to_onnx() -> bool:
    """Whether this call is recorded for an ONNX file."""
    # `is_in_onnx_export` alone would import the whole exporter at the first forward pass of a deployed model.
    return being_traced() and torch.onnx.is_in_onnx_export()
