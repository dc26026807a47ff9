"""Frozen hyper-parameters: a seed says every bit of them."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groupnl_deploy.models.layers.drawn import drawn
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.layers.mono import MonoConv2d
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.spec import ConvSpec

bounds = st.tuples(st.floats(-100, 100), st.floats(-100, 100)).map(sorted)


@settings(deadline=None)
@given(bounds=bounds, shape=st.lists(st.integers(0, 4), max_size=4), seed=st.integers(0, 2**32))
def test_they_are_the_next_of_pytorchs_numbers_stretched_to_the_range(bounds, shape, seed):
    low, high = bounds
    torch.manual_seed(seed)
    values = drawn((low, high), *shape)
    torch.manual_seed(seed)
    assert torch.equal(values, low + (high - low) * torch.rand(shape))
    assert values.shape == torch.Size(shape)


def test_layers_draw_them_behind_their_weights_and_in_the_order_of_their_names():
    torch.manual_seed(3)
    layer = GroupNLConv2d(ConvSpec("groupnl", nl_groups=2, phi_range=(1.0, 5.0)), ConvShape(3, 8, 3))
    mono = MonoConv2d(ConvSpec("mono"), ConvShape(3, 8, 3))
    torch.manual_seed(3)
    weight = torch.nn.Conv2d(3, 4, 3, bias=False).weight
    periods, shifts = 1 + torch.rand(2), 1 + 4 * torch.rand(2)
    seeds = torch.nn.Conv2d(3, 4, 3, bias=False).weight
    assert torch.equal(layer.conv1.weight, weight)
    assert torch.equal(layer.periods, periods) and torch.equal(layer.shifts, shifts)
    assert torch.equal(mono.weight, seeds) and torch.equal(mono.exponents, 1 + 6 * torch.rand(8, 3, 1, 1))
