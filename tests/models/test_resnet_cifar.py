"""ResNet-18 for CIFAR: the papers' counts, where GroupNL sits, and export."""

import io

import onnxruntime
import pytest
import torch
from torch import nn

from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.models.resnet import Bottleneck
from groupnl_deploy.models.spec import ConvSpec, InvalidSpec, ModelSpec
from tests.models.first_gradient import first_step


def resnet(conv: ConvSpec, width: float = 1.0) -> nn.Module:
    return create_model(ModelSpec("resnet18_cifar", conv, width=width))


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("conv", "params"),
    [  # arXiv 2506.12335, Tables 3, 14 and 15 print 11.17, 5.60, 2.8, 1.4 M; frozen hyper-parameters count
        (ConvSpec("standard"), 11_173_962),
        (ConvSpec("groupnl"), 5_595_362),
        (ConvSpec.preset("groupnl", "paper"), 5_595_362),
        (ConvSpec("groupnl", ratio=4), 2_806_290),
        (ConvSpec("groupnl", ratio=8), 1_412_210),
        (ConvSpec("groupnl", nl_groups=8), 5_595_514),
        (ConvSpec("groupnl", nl_groups=16), 5_595_818),
    ],
)
def test_parameter_counts_of_the_paper(conv, params):
    assert count(resnet(conv)) == params


def test_groupnl_replaces_every_conv_but_the_stem():
    model = resnet(ConvSpec("groupnl"), width=0.25)
    replaced = [name for name, module in model.named_modules() if isinstance(module, GroupNLConv2d)]
    assert len(replaced) == 16 + 3
    assert "layer2.0.conv1" in replaced
    assert "layer2.0.downsample.0" in replaced
    plain = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d) and not any(name.startswith(f"{layer}.") for layer in replaced)
    ]
    assert plain == ["conv1"]


def test_strides_and_sizes():
    model = resnet(ConvSpec("groupnl"), width=0.25)
    maps = model.layer1(torch.randn(1, 16, 32, 32))
    sizes = [maps.shape[1:]]
    for stage in (model.layer2, model.layer3, model.layer4):
        maps = stage(maps)
        sizes.append(maps.shape[1:])
    assert sizes == [(16, 32, 32), (32, 16, 16), (64, 8, 8), (128, 4, 4)]


def test_a_width_whose_seeds_do_not_split_is_refused_with_a_way_out():
    with pytest.raises(InvalidSpec, match=r"10 seed channels .* 4 equal groups; choose a width"):
        resnet(ConvSpec("groupnl"), width=0.3)
    resnet(ConvSpec("standard"), width=0.3)


def test_a_width_that_leaves_no_channel_is_refused():
    with pytest.raises(InvalidSpec, match="larger width"):
        resnet(ConvSpec("standard"), width=0.001)


@pytest.mark.slow
def test_a_ratio_whose_last_maps_are_cut_exports_to_onnx_and_agrees():
    """Ratios that divide the channels are exported in tests/exporters/test_compiler_zoo.py."""
    model = resnet(ConvSpec("groupnl", ratio=3, nl_groups=1), width=0.25).eval()
    with torch.no_grad():  # statistics that are not all alike, as after training
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.5, 0.5)
                module.running_var.uniform_(0.5, 2)
    images = torch.randn(2, 3, 32, 32)
    file = io.BytesIO()
    torch.onnx.export(model, (images,), file, dynamo=False, opset_version=17, input_names=["images"])
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"images": images.numpy()})
    with torch.inference_mode():
        expected = model(images)
    spread = (expected.max() - expected.min()).item()
    torch.testing.assert_close(torch.from_numpy(logits) / spread, expected / spread, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("method", "otherwise"), [("standard", 100), ("groupnl-sparse", 50_000)])
def test_deep_networks_begin_as_their_shortcuts_and_so_with_a_gradient_of_bounds(method, otherwise):
    def made() -> nn.Module:
        return create_model(model_spec("resnet101_cifar", method, width=0.125))

    assert first_step(made())[1] < 10
    usual = made()
    for block in usual.modules():
        if isinstance(block, Bottleneck):
            nn.init.ones_(block.bn3.weight)
    assert first_step(usual)[1] > otherwise
