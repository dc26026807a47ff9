"""One convolution of a network, and what a rule puts in its place."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from groupnl_deploy.models.spec import ConvSpec


@dataclass(frozen=True)
class ConvSite:
    """One convolution of a network: where it stands and what it is.

    Args:
        name: its dotted name in the network.
        conv: the module.
        parent: the module that holds it.
        first: it is the first convolution of the network.
        norm: dotted name of the BatchNorm behind it: the module registered next in the same parent, if that is
            a `BatchNorm2d` of as many channels.
    """

    name: str
    conv: nn.Conv2d
    parent: nn.Module
    first: bool
    norm: str | None

    @property
    def leaf(self) -> str:
        """The last part of the name, such as "conv2"."""
        return self.name.rpartition(".")[2]

    @property
    def depthwise(self) -> bool:
        """One filter for each channel."""
        return has_own_filters(self.conv)

    @property
    def shortcut(self) -> bool:
        """In the shortcut of a residual block."""
        return in_shortcut(self.name)


def has_own_filters(conv: nn.Conv2d) -> bool:
    """Whether it is depthwise, with one filter for each channel."""
    return 1 < conv.groups == conv.in_channels == conv.out_channels


def in_shortcut(name: str) -> bool:
    """Whether a module of this dotted name is in the shortcut of a residual block, as torchvision and timm call it."""
    return "downsample" in name


@dataclass(frozen=True)
class Replacement:
    """What a rule puts in a convolution's place.

    Args:
        conv: the new convolution.
        keep_norm: False takes away the BatchNorm behind it. One "over the seeds" (`ConvSpec.bn_position`)
            takes its place, whatever is said here.
        bias: the parts of a Ghost convolution and the cheap part of a SineFM one get a bias.
        required: False leaves the convolution as it is where its channels are none that the new one can have.
    """

    conv: ConvSpec
    keep_norm: bool = True
    bias: bool = False
    required: bool = True

    @property
    def drops_norm(self) -> bool:
        """Whether the BatchNorm behind the convolution goes."""
        return not self.keep_norm or self.conv.bn_position == "seeds"


ReplacementRule = Callable[[ConvSite], Replacement | str]
"""A convolution → its replacement, or the reason why it stays."""
