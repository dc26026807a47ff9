"""The networks with timm's names: keys, shapes and logits of timm itself, and the papers' counts."""

import json
import runpy
from itertools import zip_longest
from pathlib import Path

import pytest
import torch
from torch import nn

from groupnl_deploy.models import efficientnet, mobilenet
from groupnl_deploy.models.inverted_residual import initialise_efficientnet, round_channels
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from tests.models.first_gradient import first_step

DATA = Path(__file__).parents[1] / "data"
TIMM = json.loads((DATA / "timm_reference.json").read_text())["networks"]
AUTHORS = json.loads((DATA / "authors_reference.json").read_text())
DAMPING = 0.8  # of make_timm_reference.py

BUILDERS = {
    "mobilenetv1_100": mobilenet.mobilenetv1_100,
    "mobilenetv1_cifar": mobilenet.mobilenetv1_cifar,
    "mobilenetv2_100": mobilenet.mobilenetv2_100,
    "mobilenetv3_large_100": mobilenet.mobilenetv3_large_100,
    "efficientnet_lite0": efficientnet.efficientnet_lite0,
    "efficientnet_es": efficientnet.efficientnet_es,
    "efficientnetv2_s": efficientnet.efficientnetv2_s,
}


def spec(name: str, width: float = 1.0, num_classes: int = 1000, channels: int = 3) -> ModelSpec:
    shape = (channels, 224, 224)
    return ModelSpec(name, ConvSpec("standard"), width=width, num_classes=num_classes, input_shape=shape)


def outline(name: str, width: float = 1.0) -> nn.Module:
    """The network without memory for its weights, which also shows that it can be built so."""
    with torch.device("meta"):
        return BUILDERS[name](spec(name, width))


def shapes_of(model: nn.Module) -> list[tuple[str, list[int]]]:
    return [(key, list(value.shape)) for key, value in model.state_dict().items()]


@pytest.fixture(scope="module")
def synth() -> dict:
    return runpy.run_path(str(DATA / "synth_weights.py"))


# Longer ones of blocks that another has; test_paper_tables.py counts the parameters of every network.
LONGER = ("resnet34", "resnet50", "resnet101", "mobilenetv2_100", "efficientnetv2_s")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in LONGER else []) for n in TIMM])
def test_same_keys_shapes_and_logits_as_timm(name, synth):
    model, timm = create_model(spec(name)).eval(), TIMM[name]
    assert shapes_of(model) == list(timm["shapes"].items())
    assert sum(parameter.numel() for parameter in model.parameters()) == timm["params"]
    weights = {key: torch.from_numpy(value) for key, value in synth["synth_state_dict"](timm["shapes"]).items()}
    image = torch.from_numpy(synth["synth_input"]())
    _assert_logits(model, weights, image, timm)
    damped = {key: value * DAMPING if value.ndim > 1 else value for key, value in weights.items()}
    _assert_logits(model, damped, image, timm["damped"])


def _assert_logits(model: nn.Module, weights: dict, image: torch.Tensor, expected: dict) -> None:
    model.load_state_dict(weights)
    with torch.inference_mode():
        logits = model(image)[0]
    error = (logits[:32] - torch.tensor(expected["logits"])).abs().max()
    assert error <= 1e-4 * expected["std"]
    assert logits.std().item() == pytest.approx(expected["std"], rel=1e-4)
    assert logits.argmax() == expected["argmax"]


@pytest.mark.parametrize(
    ("name", "full", "half"),
    [  # arXiv 2506.12335, Table 4 prints 3.50, 5.48, 4.65, 5.44 and 21.46 M; the half-width ones are timm's
        ("mobilenetv1_100", 4_231_976, 1_331_592),
        ("mobilenetv2_100", 3_504_872, 1_968_680),
        ("mobilenetv3_large_100", 5_483_032, 2_689_904),
        ("efficientnet_lite0", 4_652_008, 2_293_672),
        ("efficientnet_es", 5_438_392, 1_769_656),
        ("efficientnetv2_s", 21_458_488, 5_815_284),
    ],
)
def test_parameter_counts(name, full, half):
    assert sum(parameter.numel() for parameter in outline(name).parameters()) == full
    assert sum(parameter.numel() for parameter in outline(name, width=0.5).parameters()) == half


@pytest.mark.parametrize(
    ("ours", "authors"),
    [("mobilenetv3_large_100", "mobilenetv3_gnl_large_100"), ("efficientnet_es", "efficientnet_gnl_es")],
)
def test_authors_networks_differ_in_the_depthwise_convolutions_alone(ours, authors):
    theirs = [(key, shape) for key, shape in AUTHORS[authors]["shapes"].items() if "conv_dw" not in key]
    assert [(key, shape) for key, shape in shapes_of(outline(ours)) if "conv_dw" not in key] == theirs
    replaced = [key for key in AUTHORS[authors]["shapes"] if key.endswith("conv_dw.conv1.weight")]
    depthwise = [key for key, _ in shapes_of(outline(ours)) if "conv_dw" in key]
    assert depthwise == [key.replace(".conv1", "") for key in replaced]


def test_mobilenetv1_counts_of_e2gc():
    model = outline("mobilenetv1_100")  # Table III, group size 1: 4.20 M weights, truncated, and 568.74 M MACs
    weights = [part.weight.numel() for part in model.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert sum(weights) == 4_209_088
    assert _macs(model, (1, 3, 224, 224)) == 568_740_352


def test_mobilenetv1_for_cifar_keeps_blocks_and_strides():
    model, imagenet = outline("mobilenetv1_cifar"), outline("mobilenetv1_100")
    assert shapes_of(model) == shapes_of(imagenet)
    assert model.features(torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 1024, 2, 2)
    assert sum(len(stage) for stage in model.blocks) == 13


def _macs(model: nn.Module, shape: tuple[int, int, int, int]) -> int:
    macs = []

    def count(part: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        macs.append(part.weight[0].numel() * output.numel())

    for part in model.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.register_forward_hook(count)
    model(torch.empty(shape, device="meta"))
    return sum(macs)


# At a quarter of their widths all learn in test_model_registry.py.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "mobilenetv3_large_100" else pytest.mark.slow) for name in BUILDERS]
)
def test_every_parameter_learns_at_half_width(name):
    model = BUILDERS[name](spec(name, width=0.5, num_classes=7, channels=1))
    logits = model(torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (2, 7)
    logits.square().sum().backward()
    gradients = {key: parameter.grad for key, parameter in model.named_parameters()}
    assert [key for key, value in gradients.items() if value is None or not value.isfinite().all()] == []
    assert gradients["conv_stem.weight"].abs().max() > 0


@pytest.mark.parametrize("name", BUILDERS)
def test_batchnorm_is_the_next_sibling_of_every_convolution_without_bias(name):
    for parent in outline(name).modules():
        children = list(parent.children())
        for conv, behind in zip_longest(children, children[1:]):
            if isinstance(conv, nn.Conv2d) and conv.bias is None:
                assert type(behind) is nn.BatchNorm2d
                assert behind.num_features == conv.out_channels


@pytest.mark.parametrize(
    ("channels", "width", "rounded"),
    [(32, 1.0, 32), (16, 0.1, 8), (32, 0.35, 16), (24, 0.5, 16), (96, 0.35, 32), (184, 1.0, 184), (1280, 1.4, 1792)],
)
def test_channels_are_multiples_of_8_and_never_a_tenth_smaller(channels, width, rounded):
    assert round_channels(channels, width) == rounded


def test_initialisation_has_the_stated_spread():
    model = mobilenet.mobilenetv3_large_100(spec("mobilenetv3_large_100"))
    torch.manual_seed(0)
    initialise_efficientnet(model)
    depthwise, head = model.blocks[5][1].conv_dw.weight, model.conv_head
    assert depthwise.std().item() == pytest.approx((2 / 25) ** 0.5, rel=0.02)  # 5x5, one filter a group
    assert head.weight.std().item() == pytest.approx((2 / 1280) ** 0.5, rel=0.02)
    assert model.classifier.weight.abs().max().item() == pytest.approx(1000**-0.5, rel=0.01)
    biases = [value for key, value in model.named_parameters() if key.endswith("bias")]
    assert all(not bias.any() for bias in biases)
    assert all((part.weight == 1).all() for part in model.modules() if isinstance(part, nn.BatchNorm2d))


@pytest.mark.parametrize("semantics", ["released", "paper"])
def test_a_deep_network_for_few_classes_begins_near_even_odds_and_with_a_gradient_of_bounds(semantics):
    """Drawn as for ImageNet, and unsettled, it began with logits that spread by 2.3 and a gradient 780 long."""
    net = create_model(
        model_spec(
            "mobilenetv3_large_100", "groupnl-sparse", semantics, width=0.25, num_classes=10, input_shape=(3, 32, 32)
        )
    )
    logits, length = first_step(net)
    assert logits.std() < 0.5 and length < 100


def test_initialisation_leaves_frozen_parameters_alone():
    model = mobilenet.mobilenetv1_cifar(spec("mobilenetv1_cifar", width=0.25))
    frozen = [model.conv_stem.weight, model.bn1.weight, model.classifier.bias]
    for parameter in frozen:
        parameter.requires_grad_(False).fill_(3.0)
    initialise_efficientnet(model)
    assert all((parameter == 3.0).all() for parameter in frozen)
    assert not (model.blocks[0][0].conv_dw.weight == 3.0).any()
