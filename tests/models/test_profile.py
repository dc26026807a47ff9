"""The counting rules one by one, by hand, and what a profile promises of any network."""

from dataclasses import fields
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from groupnl_deploy.models.inverted_residual import SqueezeExcite
from groupnl_deploy.models.layers.build import build_conv
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.profile import Counts, profile, profile_network
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.models.spec import ConvSpec, InvalidSpec

C_IN, C_OUT, K, SIDE, OUT_SIDE = 16, 32, 3, 10, 5
PIXELS = OUT_SIDE**2
SHAPE = ConvShape(C_IN, C_OUT, K, stride=2, padding=1)

NETWORKS: list[Any] = [
    ("resnet18_cifar", "standard"),
    ("resnet18_cifar", "groupnl"),
    pytest.param("resnet18_cifar", "groupnl-sparse", marks=pytest.mark.slow),
    pytest.param("resnet50_cifar", "groupnl-sparse", marks=pytest.mark.slow),
    pytest.param("resnet50_cifar", "sinefm", marks=pytest.mark.slow),
    ("vgg11_cifar", "sinefm"),
    ("vgg11_cifar", "ghost"),
    ("vgg11_cifar", "mono"),
    ("mobilenetv3_large_100", "groupnl-sparse"),
]


def of_conv(method: str, shape: ConvShape = SHAPE, gpus: int = 8, **knobs: object) -> Counts:
    layer = build_conv(ConvSpec.preset(method, **knobs), shape)
    found = profile_network(layer, (shape.in_channels, SIDE, SIDE), gpus)
    assert len(found.layers) == 1 and found.layers[0].counts == found.total
    assert found.total.params == sum(parameter.numel() for parameter in layer.parameters())
    return found.total


def operations(counts: Counts) -> tuple[int, int]:
    return counts.macs, counts.flops


def test_a_convolution_counts_no_bias() -> None:
    macs = C_IN * C_OUT * K * K * PIXELS
    plain, biased = of_conv("standard"), of_conv("standard", ConvShape(C_IN, C_OUT, K, 2, 1, bias=True))
    assert operations(plain) == operations(biased) == (macs, macs)
    assert biased.params - plain.params == C_OUT and biased.weight_params == plain.weight_params == plain.params


def test_a_grouped_convolution_costs_a_share() -> None:
    assert of_conv("grouped", num_groups=4).macs == of_conv("standard").macs // 4
    assert of_conv("depthwise").macs == K * K * 1 * C_OUT * PIXELS


@pytest.mark.parametrize(
    ("nlf", "products", "hyper_parameters"),
    [("sinusoidal", 1, 2), ("monomial", 1, 1), ("gaussian", 1, 1), ("laplace", 2, 1), ("laplace-literal", 2, 1)],
)
def test_groupnl_is_the_seed_convolution_and_the_products_of_its_function(
    nlf: str, products: int, hyper_parameters: int
) -> None:
    counts = of_conv("groupnl", ratio=4, nlf=nlf)
    seeds = C_OUT // 4
    macs = C_IN * seeds * K * K * PIXELS
    assert operations(counts) == (macs, macs + products * 3 * seeds * PIXELS)
    assert counts.weight_params == counts.learnable_params == C_IN * seeds * K * K
    assert counts.params - counts.learnable_params == hyper_parameters * 3 * 4


def test_a_batch_norm_over_the_seeds_belongs_to_the_layer() -> None:
    plain, normalised = of_conv("groupnl-sparse"), of_conv("groupnl-sparse", bn_position="seeds")
    assert plain.macs == normalised.macs == K * K * C_OUT // 2 * PIXELS
    assert normalised.flops - plain.flops == C_OUT // 2 * PIXELS
    assert normalised.params - plain.params == 2 * (C_OUT // 2)


def test_generated_maps_that_are_cut_off_are_counted_too() -> None:
    counts = of_conv("groupnl", ConvShape(C_IN, 30, K, 2, 1), ratio=4)  # 8 seeds, 24 generated, 2 of them cut
    assert counts.flops - counts.macs == 24 * PIXELS
    assert counts.activation_bytes == 4 * 30 * PIXELS


def test_nothing_is_generated_at_a_ratio_of_one() -> None:
    for method in ("groupnl", "ghost", "sinefm"):
        assert operations(of_conv(method, ratio=1)) == operations(of_conv("standard"))


def test_mono_raises_its_kernels_and_takes_three_means() -> None:
    counts = of_conv("mono", ratio=4)
    macs = C_IN * C_OUT * K * K * PIXELS
    assert operations(counts) == (macs, macs + C_IN * C_OUT * K * K + C_OUT * (K * K + K + 1))
    assert counts.params == counts.weight_params == C_IN * C_OUT // 4 * K * K


def test_ghost_is_two_convolutions() -> None:
    seeds = C_OUT // 4
    macs = (C_IN * seeds + 3 * seeds) * K * K * PIXELS
    assert operations(of_conv("ghost", ratio=4)) == (macs, macs)


def test_sinefm_multiplies_and_normalises_five_times() -> None:
    seeds, terms, ratio = C_OUT // 4, 5, 4
    counts = of_conv("sinefm", ratio=ratio)
    assert counts.flops == (C_IN * seeds * K * K + terms * (ratio + 1) * seeds) * PIXELS
    assert counts.flops - counts.macs == 2 * terms * seeds * PIXELS
    assert counts.params == C_IN * seeds * K * K + terms * (ratio - 1) * seeds + 2 * terms * seeds


def test_squeeze_and_excitation_is_a_mean_two_convolutions_and_a_gate() -> None:
    found = profile_network(SqueezeExcite(12, 3, nn.ReLU, nn.Sigmoid), (12, 7, 7))
    assert operations(found.total) == (2 * 12 * 3, 2 * 12 * 3 + 12 + 12 * 49)
    assert found.total.params == 2 * 12 * 3 + 12 + 3 and found.total.weight_params == 2 * 12 * 3


def test_batch_norm_and_pooling_count_what_they_write_and_activations_nothing() -> None:
    network = nn.Sequential(
        nn.BatchNorm2d(4), nn.SiLU(), nn.AvgPool2d(2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 5)
    )
    found = profile_network(network, (4, 8, 8))
    assert [(layer.kind, layer.output_shape, layer.counts.flops) for layer in found.layers] == [
        ("BatchNorm2d", (4, 8, 8), 256),
        ("AvgPool2d", (4, 4, 4), 64),
        ("Linear", (5,), 80),
    ]
    assert found.total.activation_bytes == 4 * (256 + 64 + 5)


@pytest.mark.parametrize(("name", "method"), NETWORKS)
def test_a_network_has_all_its_parameters_counted_and_the_macs_that_pytorch_counts(name: str, method: str) -> None:
    shape = (3, 32, 32)
    spec = model_spec(name, method, width=0.25, input_shape=shape)
    network = create_model(spec).eval()
    found = profile(spec)
    assert found == profile_network(network, shape)
    assert found.total.params == sum(parameter.numel() for parameter in network.parameters())
    assert found.total == Counts.sum(layer.counts for layer in found.layers)
    with FlopCounterMode(display=False) as executed, torch.no_grad():
        network(torch.zeros(1, *shape))
    assert 2 * found.total.macs == executed.get_total_flops()


def test_counts_are_ten_integers() -> None:
    total = of_conv("groupnl")
    assert [field.name for field in fields(Counts)] == [
        "params",
        "learnable_params",
        "weight_params",
        "flops",
        "macs",
        "gradient_count",
        "gradient_bytes",
        "traffic_count",
        "traffic_bytes",
        "activation_bytes",
    ]
    assert all(type(value) is int for value in vars(total).values())


@pytest.mark.parametrize(("gpus", "factor"), [(1, 0), (2, 2), (8, 14)])
def test_traffic_goes_to_every_other_gpu_and_back(gpus: int, factor: int) -> None:
    counts = of_conv("groupnl", gpus=gpus)
    assert counts.gradient_count == counts.learnable_params < counts.params
    assert counts.gradient_bytes == 4 * counts.gradient_count
    assert counts.traffic_count == factor * counts.gradient_count
    assert counts.traffic_bytes == 4 * counts.traffic_count


@pytest.mark.parametrize("gpus", [0, -1])
def test_there_is_no_training_on_no_gpu(gpus: int) -> None:
    with pytest.raises(InvalidSpec, match="at least one"):
        of_conv("standard", gpus=gpus)


class Sharing(nn.Module):
    """One convolution called twice, another with its weight, and one that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Conv2d(4, 4, 3, padding=1)
        self.again = self.twice
        self.tied = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.tied.weight = self.twice.weight
        self.spare = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.tied(self.again(self.twice(x)))
        return out


def test_shared_parameters_count_once_and_every_call_counts() -> None:
    network = Sharing()
    found = profile_network(network, (4, 6, 6))
    by_name = {layer.name: layer for layer in found.layers}
    macs = 4 * 4 * 9 * 36
    assert list(by_name) == ["twice", "tied", "spare"]
    assert by_name["twice"].counts.macs == 2 * macs and by_name["twice"].counts.params == 148
    assert by_name["tied"].counts.macs == macs and by_name["tied"].counts.params == 0
    assert by_name["spare"].counts.macs == 0 and by_name["spare"].output_shape == ()
    assert found.total.params == sum(parameter.numel() for parameter in network.parameters()) == 148 + 10
    assert network.again is network.twice and network.tied.weight is network.twice.weight
    assert not network.tied.weight.is_meta


class WithScale(nn.Module):
    """A foreign composite that multiplies by a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        scaled: Tensor = self.conv(x) * self.scale
        return scaled


@pytest.mark.parametrize("module", [WithScale(), nn.Sequential(nn.Conv2d(3, 4, 1), nn.Bilinear(4, 4, 4))])
def test_parameters_that_no_rule_sees_are_refused_not_dropped(module: nn.Module) -> None:
    with pytest.raises(InvalidSpec, match=r"WithScale|Bilinear"):
        profile_network(module, (3, 4, 4))


@pytest.mark.parametrize("geometry", [(2, 2), (3, 2, 1, 1), (4, 3, 2, 0, 1, True, 2)])
def test_a_transposed_convolution_costs_its_kernel_for_every_pixel_that_comes_in(geometry: tuple[int, ...]) -> None:
    layer = nn.ConvTranspose2d(3, 4, *geometry)
    assert profile_network(layer, (3, 5, 7)).total.macs == layer.weight.numel() * 35


def test_an_input_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidSpec, match=r"input of \(5, 8, 8\)"):
        profile_network(nn.Conv2d(3, 4, 1), (5, 8, 8))
    with pytest.raises(InvalidSpec, match="does not take an input"):
        profile(model_spec("vgg11_cifar", input_shape=(3, 16, 16)))


def test_the_counted_network_stays_as_it_was() -> None:
    spec = model_spec("resnet18_cifar", "groupnl", width=0.125)
    network, untouched = create_model(spec), create_model(spec)
    network.layer1.eval()  # type: ignore[union-attr, operator]
    profile_network(network.double(), spec.input_shape)
    assert network.training and not any(module.training for module in network.layer1.modules())  # type: ignore[union-attr]
    assert all("forward" not in vars(module) and not module._forward_hooks for module in network.modules())
    for name, value in untouched.state_dict().items():
        assert torch.equal(network.state_dict()[name].float(), value.float()), name
    assert [parameter.requires_grad for parameter in network.parameters()] == [
        parameter.requires_grad for parameter in untouched.parameters()
    ]


def test_counting_makes_no_weights() -> None:
    total = profile(model_spec("resnet101", width=16.0, num_classes=10**6)).total
    assert total.params > 10**10
