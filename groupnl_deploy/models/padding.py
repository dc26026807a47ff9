"""TensorFlow's SAME padding: an output of ceil(input / stride) pixels, the odd zero below and at the right."""

from torch import Tensor, nn
from torch.nn import functional


def same_padding(size: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """(zeros before, zeros after) a row of `size` pixels.

    max((ceil(size / stride) − 1) · stride + kernel_size − size, 0) in all, half of them before, rounded down:
    "SAME" of `tf.nn.convolution` (TensorFlow's documentation of `tf.nn`, "Notes on padding"). A convolution of
    stride 1 and odd kernel gets as many on either side as PyTorch's (k − 1) / 2; one with a stride does so for some
    sizes alone.
    """
    outputs = -(-size // stride)
    zeros = max((outputs - 1) * stride + kernel_size - size, 0)
    return zeros // 2, zeros - zeros // 2


class SamePad2d(nn.Module):
    """Zeros for a convolution behind it that has none of its own; (N, C, H, W) → (N, C, H + a, W + b).

    How many depends on H and W. A recorded graph holds the numbers for the size it was recorded at.

    Args:
        kernel_size: k of the square kernel behind it.
        stride: of the same.
    """

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H + a, W + b)."""
        # As plain numbers, or a tracer would record how they are computed.
        above, below = same_padding(int(x.shape[-2]), self.kernel_size, self.stride)
        left, right = same_padding(int(x.shape[-1]), self.kernel_size, self.stride)
        return functional.pad(x, (left, right, above, below))

    def extra_repr(self) -> str:
        """Of the convolution behind it."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}"
