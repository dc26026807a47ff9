"""The GroupNL convolution against the algorithm written word for word, and its refusals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from groupnl_deploy.models.layers.build import build_conv
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.spec import ConvSpec, InvalidSpec


def literal(layer: GroupNLConv2d, x: Tensor, weight: Tensor) -> Tensor:
    """Split, repeat, cat: the released code's steps, one by one (Algorithm 1 with its axes put right)."""
    conv, g = layer.conv1, layer.nl_groups
    seed = functional.conv2d(x, weight, None, conv.stride, conv.padding, conv.dilation, conv.groups)
    if layer.normalize:
        seed = functional.normalize(seed, dim=1)
    gamma = math.ceil(layer.out_channels / layer.seed_channels) - 1
    if gamma == 0:
        return seed
    block = layer.seed_channels // g
    copied = torch.cat([part.repeat(1, gamma, 1, 1) for part in torch.split(seed, block, dim=1)], dim=1)
    omega = layer.periods.repeat_interleave(block).reshape(1, gamma * layer.seed_channels, 1, 1)
    phi = layer.shifts.repeat_interleave(block).reshape(1, gamma * layer.seed_channels, 1, 1)
    generated = torch.sin(omega * (copied + layer.phi_sign * phi))
    return torch.cat([seed, generated], dim=1)[:, : layer.out_channels]


@st.composite
def layers(draw: st.DrawFn) -> GroupNLConv2d:
    groups = draw(st.integers(1, 4))
    seeds = groups * draw(st.integers(1, 3))
    layer = GroupNLConv2d(
        draw(st.integers(1, 8)),
        draw(st.integers(seeds, 5 * seeds)),
        seeds,
        kernel_size=draw(st.sampled_from([1, 3, 5])),
        stride=draw(st.integers(1, 2)),
        padding=draw(st.integers(0, 2)),
        dilation=draw(st.integers(1, 2)),
        nl_groups=groups,
        sparse=draw(st.booleans()),
        normalize=draw(st.booleans()),
        phi_sign=draw(st.sampled_from([1, -1])),
        phi_range=draw(st.sampled_from([(1.0, 2.0), (1.0, 5.0)])),
    )
    return layer.double()


@settings(deadline=None, max_examples=60)
@given(layer=layers(), batch=st.integers(1, 3), seed=st.integers(0, 2**16), channels_last=st.booleans())
def test_equals_the_literal_algorithm_in_values_and_gradients(layer, batch, seed, channels_last):
    torch.manual_seed(seed)
    inputs = torch.randn(batch, layer.conv1.in_channels, 11, 10, dtype=torch.double)
    if channels_last:
        inputs = inputs.to(memory_format=torch.channels_last)
    ours_in, theirs_in = inputs.clone().requires_grad_(), inputs.clone().requires_grad_()
    weight = layer.conv1.weight.detach().clone().requires_grad_()
    ours, theirs = layer(ours_in), literal(layer, theirs_in, weight)
    upstream = torch.randn_like(theirs)
    ours.backward(upstream)
    theirs.backward(upstream)

    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    for mine, reference in ((ours_in.grad, theirs_in.grad), (layer.conv1.weight.grad, weight.grad)):
        spread = max(1.0, reference.abs().max().item())
        torch.testing.assert_close(mine / spread, reference / spread, rtol=0, atol=1e-12)


def test_generated_channels_are_ordered_by_group_then_copy_then_channel():
    layer = GroupNLConv2d(1, 12, 4, kernel_size=1, nl_groups=2, normalize=False)
    with torch.no_grad():
        layer.conv1.weight.copy_(torch.arange(1.0, 5.0).view(4, 1, 1, 1))
        layer.periods.copy_(torch.arange(1.0, 5.0))
        layer.shifts.zero_()
        output = layer(torch.ones(1, 1, 1, 1)).flatten()
    # Two copies of channels (1, 2) under ω = 1 and 2, then two of (3, 4) under ω = 3 and 4.
    arguments = torch.tensor([1.0, 2.0, 2.0, 4.0, 9.0, 12.0, 12.0, 16.0])
    torch.testing.assert_close(output, torch.cat((torch.arange(1.0, 5.0), arguments.sin())))


def test_normalised_seed_maps_have_unit_length_at_every_pixel():
    layer = GroupNLConv2d(3, 16, 8, kernel_size=3, padding=1)
    length = layer(torch.randn(2, 3, 6, 6))[:, :8].square().sum(dim=1)
    torch.testing.assert_close(length, torch.ones_like(length))


def test_all_zero_pixels_give_finite_values_and_gradients():
    layer = GroupNLConv2d(3, 16, 8, kernel_size=3, padding=1)
    layer(torch.zeros(1, 3, 4, 4)).sum().backward()
    assert torch.isfinite(layer.conv1.weight.grad).all()


def test_hyper_parameters_are_frozen_parameters_drawn_from_their_ranges():
    layer = GroupNLConv2d(3, 64 * 4, 64, 1, nl_groups=64, omega_range=(1, 2), phi_range=(3, 5))
    assert list(dict(layer.named_parameters())) == ["periods", "shifts", "conv1.weight"]
    assert not layer.periods.requires_grad
    assert not layer.shifts.requires_grad
    assert layer.periods.shape == layer.shifts.shape == (192,)
    for values, low, high in ((layer.periods, 1, 2), (layer.shifts, 3, 5)):
        margin = (high - low) / 5
        assert low <= values.min() < low + margin
        assert high - margin < values.max() <= high


def test_sparse_seed_convolution_has_gcd_groups():
    layer = build_conv(ConvSpec("groupnl", sparse=True), 24, 32, 3)
    assert layer.conv1.groups == math.gcd(24, 16)
    assert layer.conv1.weight.shape == (16, 3, 3, 3)


def test_ratio_one_generates_nothing():
    layer = build_conv(ConvSpec("groupnl", ratio=1), 4, 8, 3)
    assert layer.periods.numel() == 0
    assert layer(torch.randn(1, 4, 5, 5)).shape == (1, 8, 5, 5)


def test_seed_channels_that_do_not_split_are_refused_with_the_numbers():
    with pytest.raises(InvalidSpec, match=r"6 seed channels .* into 4 equal groups"):
        GroupNLConv2d(3, 12, 6, 3, nl_groups=4)


@pytest.mark.parametrize("seeds", [0, 13])
def test_impossible_seed_counts_are_refused(seeds):
    with pytest.raises(InvalidSpec, match="seed channels"):
        GroupNLConv2d(3, 12, seeds, 3, nl_groups=1)
