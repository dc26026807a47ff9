"""MonoCNN, GhostNet, SineFM, E2GC and depthwise convolutions against their formulas and printed counts."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from groupnl_deploy.models.layers.build import build_conv
from groupnl_deploy.models.layers.seeds import generated_copies
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.layers.sinefm import SineFMConv2d
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.models.spec import ConvSpec, InvalidSpec

shapes = st.fixed_dictionaries(
    {
        "seeds": st.integers(1, 4),
        "ratio": st.integers(1, 4),
        "kernel": st.sampled_from([1, 3, 5]),
        "stride": st.integers(1, 2),
        "padding": st.integers(0, 2),
        "dilation": st.integers(1, 2),
    }
)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def made(method: str, shape: dict[str, int]) -> nn.Module:
    seeds, ratio = shape["seeds"], shape["ratio"]
    outputs = ratio * seeds - ratio // 2  # from a ratio of two on, the last maps are cut off
    geometry = (shape["kernel"], shape["stride"], shape["padding"], shape["dilation"])
    return build_conv(ConvSpec(method, ratio=ratio), ConvShape(3, outputs, *geometry)).double()


def images() -> torch.Tensor:
    return torch.randn(2, 3, 11, 10, dtype=torch.double)


@given(shape=shapes)
def test_mono_generates_standardised_powers_of_the_seed_kernels(shape):
    layer, x = made("mono", shape), images()
    kernels = []
    for output in range(layer.out_channels):
        seed = layer.weight[output % shape["seeds"]]
        power = seed.sign() * seed.abs() ** layer.exponents[output]
        kernels.append((power - power.mean()) / (power.std() + 1e-5))
    # A single weight has no standard deviation, for the authors' code as for ours.
    expected = functional.conv2d(x, torch.stack(kernels), None, shape["stride"], shape["padding"], shape["dilation"])
    torch.testing.assert_close(layer(x), expected, equal_nan=True)


@given(shape=shapes)
def test_ghost_appends_a_depthwise_convolution_of_the_seeds(shape):
    layer, x = made("ghost", shape), images()
    seeds = layer.primary_conv(x)
    maps = [seeds]
    if layer.cheap_conv is not None:
        filters = layer.cheap_conv.weight
        per_seed = len(filters) // shape["seeds"]
        source = seeds.repeat_interleave(per_seed, dim=1)
        maps.append(functional.conv2d(source, filters, None, 1, 1, groups=len(filters)))
    torch.testing.assert_close(layer(x), torch.cat(maps, 1)[:, : layer.out_channels])


@given(shape=shapes)
def test_sinefm_mixes_normalised_sines_of_each_seed_map_alone(shape):
    layer, x = made("sinefm", shape).train(), images()
    seeds = layer.primary_conv(x)
    maps = [seeds]
    if layer.cheap_conv is not None:
        per_seed = len(layer.cheap_conv.weight) // shape["seeds"]
        terms = [
            functional.batch_norm(torch.sin(w * (seeds + p)), None, None, training=True)
            for w, p in zip(layer.periods, layer.shifts, strict=True)
        ]
        for generated in range(len(layer.cheap_conv.weight)):
            seed, weights = generated // per_seed, layer.cheap_conv.weight[generated].flatten()
            mixed = sum(w * term[:, seed] for w, term in zip(weights, terms, strict=True))
            maps.append(
                (mixed + layer.cheap_conv.bias[generated] if layer.cheap_conv.bias is not None else mixed)[:, None]
            )
    torch.testing.assert_close(layer(x), torch.cat(maps, 1)[:, : layer.out_channels])


@pytest.mark.parametrize(
    ("method", "counts"),
    [("sinefm", (1_183_488, 593_024, 297_792)), ("ghost", (1_181_952, 593_280, 298_944))],
)
def test_parameters_are_those_of_table_16(method, counts):
    shape = ConvShape(512, 512, 3, 2, padding=1)
    with torch.device("meta"):
        layers = [build_conv(ConvSpec(method, ratio=r), shape) for r in (2, 4, 8)]
        outputs = [layer(torch.empty(1, 512, 32, 32)) for layer in layers]
    assert tuple(map(parameters, layers)) == counts
    assert {tuple(output.shape) for output in outputs} == {(1, 512, 16, 16)}


def test_mono_counts_its_seed_kernels_alone_and_saves_its_exponents():
    with torch.device("meta"):
        layer = build_conv(ConvSpec("mono", ratio=8), ConvShape(8, 16, 3, padding=1))
        assert layer(torch.empty(1, 8, 6, 6)).shape == (1, 16, 6, 6)
    assert parameters(layer) == 2 * 8 * 9
    assert layer.state_dict()["exponents"].shape == (16, 8, 1, 1)
    assert "seed_channels=2" in repr(layer)


def test_hyper_parameters_lie_in_the_ranges_of_table_2():
    exponents = build_conv(ConvSpec("mono", ratio=8), ConvShape(16, 64, 1)).exponents
    sines = SineFMConv2d(ConvSpec("sinefm"), ConvShape(3, 8, 3), terms=500)
    for values, low, high in ((exponents, 1, 7), (sines.periods, 1, 2), (sines.shifts, 1, 5)):
        assert low <= values.min() < low + 0.2 * (high - low)
        assert high - 0.2 * (high - low) < values.max() <= high


def test_mono_has_finite_gradients_where_a_seed_weight_is_zero():
    layer = build_conv(ConvSpec("mono", ratio=4), ConvShape(3, 8, 3))
    with torch.no_grad():
        layer.weight[0, 0].zero_()
    layer(torch.randn(1, 3, 6, 6)).square().sum().backward()
    assert torch.isfinite(layer.weight.grad).all()


@pytest.mark.parametrize(("method", "biases"), [("ghost", 8), ("sinefm", 4), ("mono", 8)])
def test_biases_are_counted_on_both_convolutions_of_ghost_and_on_the_cheap_one_of_sinefm(method, biases):
    plain, biased = (build_conv(ConvSpec(method), ConvShape(3, 8, 3, bias=bias)) for bias in (False, True))
    assert parameters(biased) == parameters(plain) + biases


@pytest.mark.parametrize("seeds", [0, 9])
def test_impossible_seed_counts_are_refused(seeds):
    with pytest.raises(InvalidSpec, match=f"{seeds} seed channels for 8 output channels"):
        generated_copies(8, seeds)


@pytest.mark.parametrize(
    ("chosen", "groups"), [({"group_size": 4}, 8), ({"num_groups": 4}, 4), ({"group_size": 32}, 1)]
)
def test_groups_follow_from_their_size_or_their_number(chosen, groups):
    conv = build_conv(ConvSpec("grouped", **chosen), ConvShape(32, 64, 3, 2, padding=1))
    assert conv.groups == groups
    assert conv(torch.randn(1, 32, 8, 8)).shape == (1, 64, 4, 4)


@pytest.mark.parametrize(
    ("channels", "chosen", "message"),
    [
        ((30, 60), {"group_size": 4}, "30 input channels do not divide into groups of 4 channels.*divisor of 30"),
        ((32, 30), {"group_size": 4}, "32 input and 30 output channels do not divide into 8 groups.*divisor of 2"),
        ((32, 48), {"num_groups": 5}, "do not divide into 5 groups.*divisor of 16"),
    ],
)
def test_groups_that_do_not_divide_are_refused_with_the_numbers(channels, chosen, message):
    with pytest.raises(InvalidSpec, match=message):
        build_conv(ConvSpec("grouped", **chosen), ConvShape(*channels, 3))


def test_depthwise_has_as_many_groups_as_both_widths_allow():
    depthwise = ConvSpec("depthwise")
    assert build_conv(depthwise, ConvShape(32, 32, 3)).groups == 32
    assert build_conv(depthwise, ConvShape(24, 16, 3)).groups == 8
    # Table 16 counts a bias.
    assert parameters(build_conv(depthwise, ConvShape(512, 512, 3, 2, padding=1, bias=True))) == 5_120


def test_maps_of_ghost_without_batchnorm_stay_as_wide_from_layer_to_layer():
    """Drawn as PyTorch does, the last of ResNet-18 were a fourth as wide as the first, and nothing was learned."""
    net = create_model(model_spec("resnet18_cifar", "ghost", width=0.25)).train()
    widths = {}
    for name in ("layer1", "layer4"):
        net.get_submodule(name).register_forward_hook(lambda _, __, maps, name=name: widths.update({name: maps.std()}))
    torch.manual_seed(0)
    net(torch.randn(16, 3, 32, 32))
    assert widths["layer4"] > widths["layer1"]
    assert net(torch.randn(16, 3, 32, 32)).std() < 10


def test_ghosts_are_drawn_from_the_seed_of_the_network_alone():
    first, second = (create_model(model_spec("resnet18_cifar", "ghost", width=0.25)).state_dict() for _ in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
