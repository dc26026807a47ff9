"""`apply_conv_method` on networks of ours and of strangers: what it swaps, what it leaves, and what it says."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from groupnl_deploy.models.layers.build import build_conv
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.placement import bottlenecks, depthwise_convs
from groupnl_deploy.models.replace import Replacement, apply_conv_method
from groupnl_deploy.models.spec import ConvSpec, InvalidSpec

GROUPNL = ConvSpec("groupnl")


def always(conv=GROUPNL, **how):
    return lambda site: Replacement(conv, **how)


class Stranger(nn.Module):
    """A network nobody here wrote: shapes that cannot be replaced, a conv used twice, a norm that is not next."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.bn = nn.BatchNorm2d(16)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
        self.act = nn.ReLU()
        self.strip = nn.Conv2d(16, 16, (1, 3), padding=(0, 1))
        self.reflect = nn.Conv2d(16, 16, 3, padding=1, padding_mode="reflect")
        self.shared = nn.Conv2d(16, 16, 1)
        self.again = self.shared
        self.transposed = nn.ConvTranspose2d(16, 16, 1)

    def forward(self, x):
        x = self.act(self.depthwise(self.bn(self.stem(x))))
        return self.transposed(self.again(self.shared(self.reflect(self.strip(x)))))


def test_reports_what_was_replaced_what_stays_and_why():
    network = Stranger()
    outcomes = apply_conv_method(network, always())
    assert [conv.name for conv in outcomes.replaced] == ["stem", "depthwise"]
    assert {conv.name: conv.note for conv in outcomes.left} == {
        "strip": "its kernel, stride, padding or dilation is not square",
        "reflect": "its padding is not a plain number of zeros",
        "shared": "it is used in several places",
    }
    assert outcomes.replaced[0].note == "its bias is gone"
    assert "stem: 3→16 3x3 → groupnl (released) (its bias is gone)" in str(outcomes)
    assert "2 convolutions replaced, 3 left" in str(outcomes)
    assert isinstance(network.stem, GroupNLConv2d)
    assert network(torch.randn(2, 3, 8, 8)).shape == (2, 16, 8, 8)


def test_a_rule_sees_where_a_convolution_stands():
    seen = []
    apply_conv_method(Stranger(), lambda site: seen.append(site) or "looking only")
    assert [(site.name, site.first, site.norm, site.depthwise) for site in seen[:2]] == [
        ("stem", True, "bn", False),
        ("depthwise", False, None, True),
    ]


def test_the_papers_rule_for_mobile_networks_serves_a_strangers():
    network = Stranger()
    outcomes = apply_conv_method(network, depthwise_convs(ConvSpec("groupnl-sparse")))
    assert [conv.name for conv in outcomes.replaced] == ["depthwise"]
    assert outcomes.left[0].note == "not a depthwise convolution"
    assert network.depthwise.conv1.groups == 8


def test_the_batchnorm_behind_moves_over_the_seeds():
    network = nn.Sequential(nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16), nn.Conv2d(16, 16, 3), nn.ReLU())
    outcomes = apply_conv_method(network, always(ConvSpec("groupnl", bn_position="seeds")))
    assert isinstance(network[1], nn.Identity)
    assert network[0].bn.num_features == 8
    assert outcomes.replaced[0].note == "BatchNorm 1 now over the seed maps, its bias is gone"
    assert outcomes.left[0].note == "no BatchNorm directly behind it to take away"


def test_a_subclass_of_batchnorm_with_an_activation_inside_is_not_taken_away():
    class NormAct(nn.BatchNorm2d):
        def forward(self, x):
            return super().forward(x).relu()

    network = nn.Sequential(nn.Conv2d(8, 16, 3), NormAct(16))
    outcomes = apply_conv_method(network, always(keep_norm=False))
    assert not outcomes.replaced
    assert isinstance(network[1], NormAct)


def test_keeps_device_dtype_mode_and_bias():
    network = nn.Sequential(nn.Conv2d(8, 16, 3, stride=2, padding=2, dilation=2)).double().eval()
    before = network(torch.zeros(1, 8, 9, 9, dtype=torch.float64)).shape
    apply_conv_method(network, always(ConvSpec("ghost")))
    assert network(torch.zeros(1, 8, 9, 9, dtype=torch.float64)).shape == before
    assert not network[0].training
    assert network[0].primary_conv.bias is not None


def test_one_that_cannot_be_built_names_itself_and_changes_nothing():
    network = nn.Sequential(nn.Conv2d(8, 16, 3), nn.Conv2d(16, 6, 3))
    with pytest.raises(InvalidSpec, match=r"^1: .* 3 seed channels"):
        apply_conv_method(network, always())
    assert type(network[0]) is nn.Conv2d


def test_our_own_layers_are_not_replaced_again():
    network = nn.Sequential(nn.Conv2d(8, 16, 3))
    apply_conv_method(network, always())
    assert apply_conv_method(network, always()).convs == ()


@pytest.mark.parametrize(
    "root",
    [
        nn.Conv2d(8, 8, 3),
        *(build_conv(ConvSpec(word), ConvShape(8, 16, 3)) for word in ("groupnl", "ghost", "sinefm", "mono")),
    ],
    ids=lambda root: type(root).__name__,
)
def test_a_bare_convolution_of_any_kind_has_no_place_to_put_another(root):
    before = [type(module) for module in root.modules()]
    with pytest.raises(InvalidSpec, match="itself a convolution"):
        apply_conv_method(root, always())
    assert [type(module) for module in root.modules()] == before


def test_a_subclassed_convolution_stays():
    class Same(nn.Conv2d):
        pass

    outcomes = apply_conv_method(nn.Sequential(Same(8, 8, 3)), always())
    assert outcomes.left[0].note == "it is a Same, not an ordinary convolution"


@pytest.mark.parametrize(
    ("method", "knob", "text"),
    [
        ("standard", {"ratio": 4}, "ratio is a knob of mono, ghost, sinefm, groupnl, groupnl-sparse"),
        ("ghost", {"nl_groups": 2}, "nl_groups is a knob of groupnl, groupnl-sparse, not of ghost"),
        ("grouped", {}, "either group_size"),
        ("grouped", {"group_size": 4, "num_groups": 4}, "either group_size"),
        ("groupnl", {"nlf": "gaussian", "phi_sign": 1}, "phi_sign: of the sinusoidal"),
    ],
)
def test_knobs_that_would_do_nothing_are_refused(method, knob, text):
    with pytest.raises(InvalidSpec, match=text):
        ConvSpec.preset(method, **knob)


def test_bottlenecks_take_a_method_without_seeds():
    network = nn.Sequential(OrderedDict(downsample=nn.Conv2d(8, 32, 1), conv2=nn.Conv2d(32, 32, 3)))
    assert len(apply_conv_method(network, bottlenecks(ConvSpec("depthwise"))).replaced) == 2
