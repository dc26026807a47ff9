"""Every form of a GroupNL layer becomes one operator, and computes what the layer computes."""

import pytest
import torch
from onnx import helper
from torch import nn

from exporters.native.operators import ACTIVATIONS, FUNCTIONS
from groupnl_deploy.models.layers.shape import ConvShape
from tests.rigs.authors_form import AuthorsConv, authors_net
from tests.rigs.groupnl_layers import counted, kinds_left, layer_net, made_native, shaken

SAME = ConvShape(16, 16, 3, padding=1)
SIZE = (16, 7, 6)
# The operator's word for each of Table 13.
WORDS = {
    "sinusoidal": "sine",
    "monomial": "monomial",
    "gaussian": "gaussian",
    "laplace": "laplace",
    "laplace-literal": "exponential",
}


def slow(*values):
    """A case that `make test-all` alone runs."""
    return pytest.param(*values, marks=pytest.mark.slow)


def the_layer(best):
    """The attributes of the one operator of ours."""
    assert sum(counted(best).values()) == 1
    node = next(node for node in best.model.graph.node if node.domain)
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


@pytest.mark.parametrize("normalize, nlf", [*((True, nlf) for nlf in WORDS), *(slow(False, nlf) for nlf in WORDS)])
def test_every_function_in_both_semantics_is_one_operator(nlf, normalize):
    best = made_native(layer_net(SAME, "relu", nlf=nlf, normalize=normalize, ratio=4, nl_groups=2), SIZE)
    assert counted(best) == {"GroupNL": 1} and not kinds_left(best)
    said = the_layer(best)
    assert said["function"] == FUNCTIONS[WORDS[nlf]]
    assert said["activation"] == ACTIVATIONS["relu"] and said["nl_groups"] == 2 and said["channels"] == 16


@pytest.mark.parametrize(
    "semantics, sign", [slow("released", -1), slow("paper", 1), ("paper", -1), slow("released", 1)]
)
def test_both_signs_of_the_shift_are_told_apart(semantics, sign):
    best = made_native(layer_net(SAME, semantics=semantics, phi_sign=sign), SIZE)
    assert counted(best) == {"GroupNL": 1} and not kinds_left(best)


@pytest.mark.parametrize("ratio, groups", [slow(2, 1), slow(2, 2), slow(4, 1), slow(4, 2), slow(8, 1), (8, 2)])
def test_every_ratio_and_number_of_groups_is_one_operator(ratio, groups):
    best = made_native(layer_net(SAME, ratio=ratio, nl_groups=groups), SIZE)
    assert counted(best) == {"GroupNL": 1} and not kinds_left(best)


@pytest.mark.parametrize("channels, ratio", [(10, 4), slow(7, 2), (9, 8), slow(2, 4)])
def test_channels_that_are_cut_off_are_not_computed(channels, ratio):
    best = made_native(layer_net(ConvShape(12, channels, 3, padding=1), ratio=ratio, nl_groups=1), (12, 5, 5))
    assert the_layer(best)["channels"] == channels
    assert not kinds_left(best) - {"Conv"}


@pytest.mark.parametrize(
    "position, normalize, norm",
    [
        ("concat", True, True),
        slow("concat", True, False),
        slow("concat", False, True),
        slow("concat", False, False),
        slow("seeds", True, True),
        slow("seeds", True, False),
        ("seeds", False, True),
        slow("seeds", False, False),
    ],
)
def test_a_batchnorm_goes_into_the_operator_wherever_it_stands(position, normalize, norm):
    net = layer_net(SAME, "hardswish", norm, bn_position=position, normalize=normalize, ratio=4)
    best = made_native(net, SIZE)
    assert counted(best) == {"GroupNL": 1} and not kinds_left(best)


@pytest.mark.parametrize(
    "activation, opset",
    [
        slow("none", 17),
        slow("relu", 17),
        slow("relu6", 17),
        slow("relu6", 13),
        slow("hardswish", 17),
        ("hardswish", 13),
        slow("silu", 17),
        ("silu", 13),
    ],
)
def test_the_activation_behind_goes_into_the_operator(activation, opset):
    best = made_native(layer_net(SAME, activation), SIZE, opset=opset)
    assert counted(best) == {"GroupNL": 1} and not kinds_left(best)
    assert the_layer(best)["activation"] == ACTIVATIONS[activation]


@pytest.mark.parametrize(
    "shape",
    [
        ConvShape(16, 16, 5, stride=2, padding=2),
        slow(ConvShape(16, 16, 3, padding=2, dilation=2)),
        slow(ConvShape(16, 8, 3)),
        slow(ConvShape(48, 16, 3, stride=2, padding=1)),
        ConvShape(8, 16, 1),
    ],
)
def test_any_window_and_number_of_inputs_goes_into_the_operator(shape):
    best = made_native(layer_net(shape), (shape.in_channels, 11, 8))
    assert counted(best) == {"GroupNL": 1} and not kinds_left(best)


@pytest.mark.parametrize("shape, method", [(SAME, "groupnl"), (ConvShape(3, 16, 3, padding=1), "groupnl-sparse")])
@pytest.mark.parametrize("semantics", ["released", slow("paper")])
def test_a_dense_seed_convolution_stays_the_runtimes(shape, method, semantics):
    best = made_native(layer_net(shape, "relu", method=method, semantics=semantics), (shape.in_channels, 7, 6))
    assert counted(best) == {"Generate": 1} and kinds_left(best) == {"Conv"}


def test_a_dynamic_batch_is_the_same_operator():
    best = made_native(layer_net(SAME, "relu", ratio=4, nl_groups=2), SIZE, dynamic_batch=True)
    assert counted(best) == {"GroupNL": 1} and not kinds_left(best)


@pytest.mark.parametrize("ratio, groups", [slow(2, 1), (4, 2), slow(8, 4)])
def test_the_authors_own_form_is_told(ratio, groups):
    best = made_native(shaken(authors_net(ratio, groups, normalize=False)), (3, 16, 16))
    assert counted(best) == {"Generate": 3}


def test_seed_maps_normalised_in_one_half_alone_are_left_to_the_other_passes():
    best = made_native(shaken(authors_net(4, 2, normalize=True)), (3, 16, 16))
    assert not counted(best)
    refused = next(report.refusals for report in best.passes if report.name == "native_layers")
    assert len(refused) == 3 and all("in one half alone" in reason for reason in refused)


class Rounded(nn.Module):
    """A layer whose maps are rounded to eighths by a large number that is added and taken away."""

    def __init__(self):
        super().__init__()
        self.layer = layer_net(SAME)

    def forward(self, x):
        return (self.layer(x) + 2.0**20) - 2.0**20


def test_maps_that_are_rounded_on_purpose_stay_so():
    best = made_native(Rounded().eval(), SIZE)
    assert counted(best) == {"GroupNL": 1} and kinds_left(best) == {"Sub"}


class Leaky(nn.Module):
    """A layer whose seed maps something else reads as well."""

    def __init__(self):
        super().__init__()
        self.layer, self.more = AuthorsConv(8, 16, 2, 1, normalize=False), nn.Conv2d(8, 16, 1)

    def forward(self, x):
        return self.layer(x) + self.more(self.layer.seed(x))


def test_a_layer_whose_seed_maps_are_read_elsewhere_is_refused_with_the_reason():
    torch.manual_seed(0)
    best = made_native(shaken(Leaky()), (8, 6, 6))
    assert not counted(best)
    assert any("something else reads" in reason for report in best.passes for reason in report.refusals)
