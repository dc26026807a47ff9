"""Channels that are added in units, and where they stand in a wider layer."""

from dataclasses import dataclass

import torch
from torch import Tensor

from groupnl_deploy.models.layers.groupnl import GroupNLConv2d


@dataclass(frozen=True)
class Layout:
    """How the channels of some maps hang together.

    A standard convolution's are independent: ratio and groups are 1. GroupNL's are r·g blocks of equal length: first g
    blocks of seed maps, then γ = r − 1 blocks generated from each. The u-th channels of all blocks are one unit, which
    is added as a whole, so that the layer's split stays what it is.

    Args:
        channels: of the maps.
        ratio: r.
        groups: g.
    """

    channels: int
    ratio: int = 1
    groups: int = 1

    @classmethod
    def of(cls, conv: GroupNLConv2d) -> "Layout":
        """Of what a GroupNL convolution writes, none of whose maps is cut off."""
        return cls(conv.out_channels, conv.copies + 1, conv.nl_groups)

    @property
    def unit(self) -> int:
        """r·g, channels of one unit."""
        return self.ratio * self.groups

    @property
    def units(self) -> int:
        """How many units there are."""
        return self.channels // self.unit

    def blocks(self, rows: int) -> int:
        """Into how many blocks that many rows fall: all channels, or the seed maps alone."""
        return rows // self.units


@dataclass(frozen=True)
class Growth:
    """What some maps gain: units that are split in two, and candidates for new units; indices in ascending order."""

    split: tuple[int, ...] = ()
    new: tuple[int, ...] = ()

    @property
    def units(self) -> int:
        """How many more units there are."""
        return len(self.split) + len(self.new)


def grown_rows(units: int, candidates: int, blocks: int, growth: Growth) -> Tensor:
    """Which rows of a stack (old | other halves | new) make the grown layer's rows, int64.

    Within each block the order is old, other halves of the split ones, new.

    Args:
        units: of the old layer; it has `blocks` times as many rows, and so has the stack's second part.
        candidates: for new units; the stack's third part has `blocks` times as many rows.
        blocks: that the rows fall into.
        growth: what is added.
    """
    old = blocks * units
    rows: list[int] = []
    for block in range(blocks):
        rows += range(block * units, (block + 1) * units)
        rows += (old + block * units + unit for unit in growth.split)
        rows += (2 * old + block * candidates + unit for unit in growth.new)
    return torch.tensor(rows, dtype=torch.int64)
