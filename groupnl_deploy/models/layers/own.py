"""What a convolution of our own is, beside a module: it says what it costs and what it becomes on a device."""

import abc

from torch import nn

from groupnl_deploy.models.counting import Counted


class OwnConv2d(Counted):
    """A convolution with parts of its own, none of which is ever replaced; (N, c_in, H, W) → (N, c_out, H', W').

    A subclass of `nn.Conv2d` needs none of this: it is counted as one, and traced for the inference form.
    """

    out_channels: int

    def settle(self) -> None:
        """Change weights in place, or draw them anew, once those of the whole network were drawn."""

    @abc.abstractmethod
    def to_inference(self, norm: nn.BatchNorm2d | None) -> nn.Module:
        """The layer of the inference form that computes what this one and a BatchNorm behind it do, see `inference`."""
