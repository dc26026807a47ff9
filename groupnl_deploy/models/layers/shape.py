"""The geometry of a convolution, in the one record that every layer is made from."""

import math
from dataclasses import dataclass

from torch import nn

from groupnl_deploy.models.refusal import InvalidSpec

_LEAVE = "Leave it as it is."


@dataclass(frozen=True)
class ConvShape:
    """What every method must keep of the convolution it stands for: a square kernel's geometry.

    (N, in_channels, H, W) → (N, out_channels, H', W'), H' as in `torch.nn.Conv2d`, and so are all fields.
    """

    in_channels: int
    out_channels: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    bias: bool = False

    def seed_channels(self, ratio: int) -> int:
        """c_seed = ceil(c_out / r)."""
        return math.ceil(self.out_channels / ratio)

    @property
    def geometry(self) -> tuple[int, int, int, int]:
        """Kernel, stride, padding and dilation, in the order of `nn.Conv2d`."""
        return self.kernel_size, self.stride, self.padding, self.dilation

    @classmethod
    def of(cls, conv: nn.Conv2d) -> "ConvShape":
        """The shape of an ordinary convolution. Raises `InvalidSpec`, with the reason, for one that has none."""
        if type(conv) is not nn.Conv2d:
            raise InvalidSpec(f"it is a {type(conv).__name__}, not an ordinary convolution", _LEAVE)
        if conv.padding_mode != "zeros" or isinstance(conv.padding, str):
            raise InvalidSpec("its padding is not a plain number of zeros", _LEAVE)
        pairs = (conv.kernel_size, conv.stride, conv.padding, conv.dilation)
        if any(pair[0] != pair[1] for pair in pairs):
            raise InvalidSpec("its kernel, stride, padding or dilation is not square", _LEAVE)
        kernel, stride, padding, dilation = (int(pair[0]) for pair in pairs)
        return cls(conv.in_channels, conv.out_channels, kernel, stride, padding, dilation, conv.bias is not None)
