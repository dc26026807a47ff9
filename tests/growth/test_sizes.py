"""The sizes that GEARnn prints (arXiv 2410.07691): backbones of 45 channels in each layer, and what they grow to."""

import pytest
import torch

from groupnl_deploy.growth.apply import grown_widths
from groupnl_deploy.growth.budget import Pool, cost, growing_bundles, pools_of
from groupnl_deploy.growth.choose import choose
from groupnl_deploy.growth.step import with_widths
from groupnl_deploy.models.probe.candidates import Growing
from groupnl_deploy.models.probe.wiring import Wiring, wire
from groupnl_deploy.models.registry import model_spec, with_one_width
from groupnl_deploy.models.sketch import sketch
from groupnl_deploy.models.spec import ModelSpec

_WIDTH, _K = 45, 70


def _parameters(spec: ModelSpec) -> int:
    return sum(parameter.numel() for parameter in sketch(spec).parameters())


def _backbone(name: str, classes: int) -> ModelSpec:
    return with_one_width(model_spec(name, num_classes=classes), _WIDTH)


def _grown(spec: ModelSpec, gamma: float) -> tuple[int, ModelSpec]:
    """With equal shares for all layers: how many channels there are more, and the wider spec."""
    wiring = wire(sketch(spec).eval())
    growing = growing_bundles(wiring, _K, "inner")
    pools = pools_of(spec.name, wiring, growing, gamma, "inner")
    choice = _evenly(wiring, growing, pools)
    return sum(pool.budget for pool in pools), with_widths(spec, grown_widths(wiring, choice))


def _evenly(wiring: Wiring, growing: dict[int, Growing], pools: list[Pool]):  # type: ignore[no-untyped-def]
    costs = {number: cost(wiring.bundles[number]) for number in growing}
    return choose(pools, growing, costs, None, "uniform", torch.Generator()).growths


@pytest.mark.parametrize(
    ("name", "full", "backbone"),
    [
        ("vgg19_cifar", 20_035_018, 276_490),
        ("mobilenetv1_cifar", 3_217_226, 35_695),
        ("resnet18_cifar", 11_173_962, 301_150),
    ],
)
def test_a_backbone_of_45_channels_has_the_papers_size(name: str, full: int, backbone: int) -> None:
    assert _parameters(model_spec(name)) == full
    assert _parameters(_backbone(name, 10)) == backbone


@pytest.mark.parametrize(
    ("name", "classes", "gamma", "more", "percent"),
    [
        ("vgg19_cifar", 10, 0.9, 648, 4.96),
        ("vgg19_cifar", 100, 1.5, 1080, 8.60),
        ("vgg19_cifar", 200, 1.5, 1080, 8.63),
        ("mobilenetv1_cifar", 10, 1.8, 324 + 810, 7.23),
        ("mobilenetv1_cifar", 100, 2.0, 1260, 8.38),
        ("mobilenetv1_cifar", 200, 2.0, 1260, 8.52),
        ("resnet18_cifar", 10, 0.6, 459, 6.03),
        ("resnet18_cifar", 100, 0.8, 612, 7.15),
        ("resnet18_cifar", 200, 0.8, 612, 7.16),
    ],
)
def test_a_grown_network_of_even_widths_has_the_papers_size(
    name: str, classes: int, gamma: float, more: int, percent: float
) -> None:
    spec = _backbone(name, classes)

    budget, wider = _grown(spec, gamma)

    assert budget == more
    assert sum(dict(wider.widths).values()) == sum(dict(spec.widths).values()) + more
    assert round(100 * _parameters(wider) / _parameters(model_spec(name, num_classes=classes)), 2) == percent
