"""The inference form equals the network it was made of, fits its specification, and leaves strangers alone."""

import copy
import itertools

import pytest
import torch
from torch import nn

from groupnl_deploy.models.inference import inference_form, to_inference
from groupnl_deploy.models.inference_layers import PointwiseConv2d, is_channels_last
from groupnl_deploy.models.layers.build import build_conv
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.layers.groupnl_maps import GroupNLMaps
from groupnl_deploy.models.layers.nlf import NLFS
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.methods import CONVOLUTIONS, METHODS
from groupnl_deploy.models.registry import create_model, list_models, model_spec
from groupnl_deploy.models.spec import ConvSpec

TOLERANCES = {torch.float32: 1e-4, torch.float64: 1e-9}
NAMES = [entry.name for entry in list_models()]
QUICK = ("resnet18_cifar", "vgg11_cifar", "mobilenetv3_large_100")


def layer_of(method, shape, **knobs):
    return build_conv(ConvSpec(method, **knobs), shape)


def small(name, method="groupnl-sparse", semantics="released", **knobs):
    pixels = 32 if name.endswith("_cifar") else 64
    size = {"input_shape": (3, pixels, pixels), "num_classes": 7, "width": 0.25}
    return model_spec(name, method, semantics, knobs={**METHODS[method].sample, **knobs}, **size)


# The powers of a MonoConv grow from layer to layer until rounding is all that is left; large variances hold them.
CALMING = {"mono": 16}


def harden(network, calming=1):
    """BatchNorm statistics and weights at random, with scales of zero, of almost zero and below zero among them."""
    generator = torch.Generator().manual_seed(3)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_(generator=generator)
            norm.running_var.uniform_(0.5 * calming, 2 * calming, generator=generator)
            with torch.no_grad():
                norm.weight.uniform_(-1.5, 1.5, generator=generator)
                norm.bias.normal_(generator=generator)
                norm.weight[0::8], norm.weight[1::8], norm.weight[2::8] = 0.0, 1e-8, -1e-8
    return network.eval()


def images(shape, dtype=torch.float32, count=2):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64).to(dtype)


def assert_equal(network, shape):
    """Outputs of network and form agree in both precisions, for one image and for two."""
    exact = copy.deepcopy(network).double()
    for dtype, tolerance in TOLERANCES.items():
        eager = copy.deepcopy(network).to(dtype)
        form = to_inference(eager)
        for count in (1, 2):
            x = images(shape, dtype, count)
            before = x.clone()
            with torch.inference_mode():
                expected, found = eager(x), form(x)
                assert torch.equal(form(x), found) and torch.equal(x, before)
            assert found.shape == expected.shape and found.dtype == dtype
            # MobileNetV2 of MonoConvs with these norms loses two digits of single precision in the eager form also.
            rounding = (expected - exact(images(shape, dtype, count).double())).abs().max()
            assert (found - expected).abs().max() <= max(tolerance * expected.std(), 8 * rounding)


def assert_network_equal(spec):
    network = harden(create_model(spec), CALMING.get(spec.conv.method, 1))
    assert_equal(network, spec.input_shape)
    # A device knows the specification and the tensors; a network with other weights must give the same places.
    state = {name: value.clone() for name, value in to_inference(network).state_dict().items()}
    rebuilt = inference_form(spec)
    rebuilt.load_state_dict(state)
    with torch.inference_mode():
        x = images(spec.input_shape)
        assert torch.equal(rebuilt(x), to_inference(network)(x))


def networks():
    """Each by the code and by the paper; the paper's layers within one network are enough for `make test`."""
    for name, semantics in itertools.product(NAMES, ("released", "paper")):
        quick = name in QUICK and (semantics == "released" or name == "vgg11_cifar")
        yield pytest.param(name, semantics, marks=[] if quick else pytest.mark.slow)


@pytest.mark.parametrize(("name", "semantics"), list(networks()))
def test_every_network_equals_its_inference_form(name, semantics):
    method = "groupnl" if name in ("resnet18_cifar", "resnet34_cifar", "vgg11_cifar") else "groupnl-sparse"
    assert_network_equal(small(name, method, semantics))


@pytest.mark.parametrize("method", CONVOLUTIONS)
def test_every_method_equals_its_inference_form(method):
    assert_network_equal(small("vgg11_cifar", method))


@pytest.mark.slow
@pytest.mark.parametrize("method", CONVOLUTIONS)
@pytest.mark.parametrize(
    "name", ["resnet18_cifar", "resnet50_cifar", "resnet50", "mobilenetv2_100", "efficientnetv2_s"]
)
def test_every_method_in_every_kind_of_network(name, method):
    assert_network_equal(small(name, method))


def knobs_of_a_layer():
    """Of ratio and three switches, half stand for all in `make test`: in it, any three meet in every combination."""
    for ratio, position, normalize, sparse in itertools.product(
        (2, 4, 8), ("concat", "seeds"), (True, False), (True, False)
    ):
        quick = ratio != 4 and sum((ratio == 8, position == "seeds", normalize, sparse)) % 2 == 0
        yield pytest.param(ratio, position, normalize, sparse, marks=[] if quick else pytest.mark.slow)


@pytest.mark.parametrize(("ratio", "bn_position", "normalize", "sparse"), list(knobs_of_a_layer()))
@pytest.mark.parametrize("nlf", NLFS)
def test_every_knob_of_a_groupnl_layer(nlf, ratio, bn_position, normalize, sparse):
    torch.manual_seed(0)
    knobs = {"nlf": nlf, "bn_position": bn_position, "normalize": normalize, "ratio": ratio, "nl_groups": 2}
    layer = layer_of("groupnl-sparse" if sparse else "groupnl", ConvShape(16, 32, 3, padding=1), **knobs)
    behind = [nn.BatchNorm2d(32)] if bn_position == "concat" else []
    network = harden(nn.Sequential(layer, *behind, nn.Hardswish(inplace=True)))
    assert_equal(network, (16, 6, 5))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in to_inference(network).modules())


@pytest.mark.parametrize(
    "layer",
    [
        layer_of("groupnl", ConvShape(8, 22, 3), ratio=3),
        layer_of("groupnl", ConvShape(8, 8, 1), ratio=1),
        layer_of("groupnl-sparse", ConvShape(8, 8, 3), ratio=1, bn_position="seeds"),
        layer_of("groupnl-sparse", ConvShape(8, 16, 3, 2, padding=1), ratio=4, phi_sign=1),
        layer_of("ghost", ConvShape(8, 22, 3, bias=True), ratio=3),
        layer_of("ghost", ConvShape(8, 8, 1), ratio=1),
        layer_of("sinefm", ConvShape(8, 22, 3, bias=True), ratio=3),
        layer_of("sinefm", ConvShape(8, 8, 1), ratio=1),
        layer_of("mono", ConvShape(8, 22, 3, bias=True), ratio=3),
        nn.Conv2d(8, 18, 3, padding=1, padding_mode="reflect", groups=2),
        nn.Conv2d(8, 18, 1, bias=True),
        nn.Conv2d(8, 18, (1, 3), padding="same", dilation=2),
    ],
    ids=str,
)
def test_odd_layers_with_and_without_a_norm_behind(layer):
    torch.manual_seed(0)
    channels = layer.out_channels if hasattr(layer, "out_channels") else 18
    assert_equal(harden(nn.Sequential(layer, nn.BatchNorm2d(channels))), (8, 7, 6))
    assert_equal(harden(nn.Sequential(layer)), (8, 7, 6))
    assert_equal(harden(copy.deepcopy(layer)), (8, 7, 6))


class Stranger(nn.Module):
    """Python that no tracer follows, an unknown step between a layer of ours and its norm, and rows it looks into."""

    def __init__(self):
        super().__init__()
        self.conv = layer_of("groupnl", ConvShape(3, 8, 3, padding=1), nl_groups=2)
        self.bn = nn.BatchNorm2d(8)
        self.row = nn.Sequential(nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8))

    def forward(self, x):
        x = self.conv(x)
        if x.mean() > 100:
            x = -x
        x = self.bn(torch.roll(x, 1, dims=1))
        for step in self.row:
            x = step(x) * step.weight.mean()
        return x


def test_strangers_stay_correct():
    torch.manual_seed(0)
    network = harden(Stranger())
    assert_equal(network, (3, 8, 8))
    form = to_inference(network)
    assert type(form) is Stranger and type(form.conv) is GroupNLMaps and type(form.bn) is nn.BatchNorm2d
    assert type(form.row[0]) is nn.Conv2d and form.conv.behind is None


def test_a_stranger_inside_a_network_of_ours():
    class Rolled(nn.BatchNorm2d):
        def forward(self, input):
            return super().forward(input).roll(1, dims=1)

    network = create_model(small("resnet18_cifar", "groupnl"))
    network.layer1[0].bn1 = Rolled(network.layer1[0].bn1.num_features)
    network.layer1[1].relu = nn.LeakyReLU(0.1)
    network = harden(network)
    assert_equal(network, (3, 32, 32))
    left = [type(it) for it in to_inference(network).modules() if isinstance(it, nn.BatchNorm2d)]
    assert left == [Rolled]


def test_a_stranger_that_counts_on_rows_of_pixels_gets_them():
    class Flat(nn.Module):
        def forward(self, x):
            return x.view(-1).relu().view(x.shape)

    network = create_model(small("mobilenetv2_100"))
    network.blocks[1][0].act1 = Flat()
    assert_equal(harden(network), (3, 64, 64))


def test_what_is_read_or_called_twice_is_not_folded():
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
    assert_equal(harden(nn.Sequential(conv, norm, conv, nn.BatchNorm2d(4))), (4, 5, 5))
    assert_equal(harden(nn.Sequential(conv, norm, nn.ReLU(), nn.Conv2d(4, 4, 1), norm)), (4, 5, 5))


def test_a_module_with_a_hook_keeps_it():
    network = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
    network[0].register_forward_hook(lambda module, inputs, output: 2 * output)
    assert_equal(harden(network), (4, 5, 5))


def test_a_norm_without_statistics_of_its_own_stays():
    network = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)).eval()
    assert_equal(network, (4, 5, 5))
    assert isinstance(to_inference(network).get_submodule("1"), nn.BatchNorm2d)


@pytest.mark.parametrize("part", ["", "layer1.0.bn1"])
def test_training_mode_is_refused(part):
    network = create_model(small("resnet18_cifar", "groupnl")).eval()
    network.get_submodule(part).train()
    with pytest.raises(ValueError, match=part or "the network itself"):
        to_inference(network)


def test_the_original_is_not_changed():
    network = harden(create_model(small("mobilenetv3_large_100")))
    before = copy.deepcopy(network)
    form = to_inference(network)
    for value in form.state_dict().values():
        value.fill_(9)
    assert str(network) == str(before)
    after = network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.state_dict().items())
    assert [p.requires_grad for p in network.parameters()] == [p.requires_grad for p in before.parameters()]


def test_nothing_is_left_to_fold_and_the_tensors_can_be_saved():
    form = to_inference(harden(create_model(small("mobilenetv3_large_100"))))
    assert not any(isinstance(module, nn.BatchNorm2d | nn.Identity | GroupNLConv2d) for module in form.modules())
    assert all(value.is_contiguous() and not value.requires_grad for value in form.state_dict().values())
    assert {"blocks.1.0.conv_pw.weight", "blocks.1.0.conv_dw.generate.periods"} <= set(form.state_dict())


def test_light_networks_stay_in_channels_last_to_the_end():
    """One image's batch stride has no meaning, and a wrong one once sent every later layer the slow way."""
    form = to_inference(create_model(small("mobilenetv3_large_100")).eval())
    formats = []
    for module in form.modules():
        if isinstance(module, GroupNLMaps | PointwiseConv2d | nn.Conv2d):
            module.register_forward_hook(lambda _module, _inputs, output: formats.append(is_channels_last(output)))
    with torch.inference_mode():
        form(images((3, 64, 64), count=1))
    assert len(formats) > 60 and all(formats)


def test_outputs_do_not_share_memory_between_calls():
    form = to_inference(create_model(small("resnet18_cifar", "groupnl")).eval())
    first, second = form(images((3, 32, 32))), form(2 * images((3, 32, 32)))
    assert not torch.equal(first, second)
    assert torch.equal(first, form(images((3, 32, 32))))
