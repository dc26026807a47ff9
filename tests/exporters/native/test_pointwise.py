"""Convolutions over single pixels take the sum and the activation behind them along, in a model file of their own."""

from collections import Counter

import torch
from torch import nn

from device_agent.manifest import Parity
from exporters.model_files import variants, write_models
from exporters.native.nodes import native_operators
from exporters.targets import TARGETS
from groupnl_deploy.models.layers.shape import ConvShape
from tests.rigs.groupnl_layers import PLAIN, layer_net, made_native, noise, shaken
from tests.rigs.native_reference import native_runs


class Inverted(nn.Module):
    """An inverted residual, whose last convolution is added to what came in; then what stands behind the sum."""

    def __init__(self, stride_of_last=1, behind=nn.Hardswish):
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(8, 16, 1), nn.BatchNorm2d(16), nn.Hardswish())
        self.layer = layer_net(ConvShape(16, 16, 3, padding=1), "relu6")
        self.project = nn.Sequential(nn.Conv2d(16, 8, 1, stride_of_last, bias=False), nn.BatchNorm2d(8))
        self.skip, self.behind = nn.MaxPool2d(1, stride_of_last), behind()

    def forward(self, x):
        return self.behind(self.skip(x) + self.project(self.layer(self.expand(x))))


class Squeezed(nn.Module):
    """A layer, and a squeeze-excite block."""

    def __init__(self):
        super().__init__()
        self.layer = layer_net(ConvShape(8, 8, 3, padding=1), "relu6")
        squeeze = (nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 1), nn.Hardsigmoid())
        self.gate = nn.Sequential(*squeeze)

    def forward(self, x):
        maps = self.layer(x)
        return maps * self.gate(maps)


def forms(net, target=PLAIN, size=(8, 6, 5)):
    """The model files of a network, and the first's answers against its own."""
    best = made_native(net, size, target)
    unproved = Parity(1, 0.0, 0.0, 1.0, 1.0, same_top1=True)
    made = variants(best, target, lambda model: unproved)
    inputs = torch.from_numpy(noise(2, *size))
    right = net.double()(inputs.double()).detach().numpy()
    for one in made:
        for index, found in enumerate(native_runs(one.best.model, inputs.numpy())):
            torch.testing.assert_close(found[0], right[index], rtol=1e-5, atol=1e-5)
    return [(native_operators(one.best.model), one.about) for one in made]


def test_expansion_and_projection_become_products_with_residual_and_activation_inside():
    torch.manual_seed(0)
    (products, first), (layers, second) = forms(shaken(Inverted()))
    assert products == {"GroupNL": 1, "Pointwise": 2} and layers == {"GroupNL": 1}
    assert (first.file, first.one_thread_below) == ("model.onnx", "1.17")
    assert (second.file, second.one_thread_below) == ("model_layers.onnx", None)


def test_a_convolution_that_leaves_pixels_out_stays_the_runtimes():
    torch.manual_seed(0)
    (products, _), _ = forms(shaken(Inverted(stride_of_last=2)))
    assert products == {"GroupNL": 1, "Pointwise": 1}


def test_a_sum_over_many_pixels_stays_the_runtimes():
    torch.manual_seed(0)
    (products, _), _ = forms(shaken(Inverted(behind=nn.ReLU)), size=(8, 17, 17))
    assert products == {"GroupNL": 1, "Pointwise": 1}


def test_over_one_pixel_the_file_without_products_of_ours_has_gemms():
    torch.manual_seed(0)
    net = shaken(Squeezed())
    made = variants(made_native(net, (8, 6, 5), PLAIN), PLAIN, lambda model: Parity(1, 0.0, 0.0, 1.0, 1.0, True))
    kinds = [Counter(node.op_type for node in one.best.model.graph.node) for one in made]
    assert [(kind["Gemm"], kind["Pointwise"], kind["Conv"]) for kind in kinds] == [(0, 2, 0), (2, 0, 0)]
    inputs = torch.from_numpy(noise(2, 8, 6, 5))
    right = net.double()(inputs.double()).detach().numpy()
    for one in made:
        for index, found in enumerate(native_runs(one.best.model, inputs.numpy())):
            torch.testing.assert_close(found[0], right[index], rtol=1e-5, atol=1e-5)


def test_a_target_with_a_layout_in_blocks_has_one_file_of_it():
    torch.manual_seed(0)
    ((layers, about),) = forms(shaken(Inverted()), TARGETS["generic"])
    assert layers == {"GroupNL": 1} and about.one_thread_below is None


def test_a_network_without_a_layer_of_ours_has_its_products_all_the_same(tmp_path):
    torch.manual_seed(0)
    net = shaken(nn.Sequential(nn.Conv2d(8, 16, 1), nn.BatchNorm2d(16), nn.Hardswish()))
    best = made_native(net, (8, 6, 5))
    unproved = Parity(1, 0.0, 0.0, 1.0, 1.0, same_top1=True)
    made = {name: write_models(tmp_path, best, name, PLAIN, lambda model: unproved) for name in ("native", "full")}
    assert made["native"].native.operators == {"Pointwise": 1} and len(made["native"].files) == 2
    assert made["full"].native is None and len(made["full"].files) == 1
