"""The GroupNL convolution against the algorithm written word for word, and its refusals."""

import copy
import io
import math
import warnings

import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from groupnl_deploy.models.layers import generation
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.layers.nlf import NLFS
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.layers.sparse import SparseConv2d
from groupnl_deploy.models.spec import ConvSpec, InvalidSpec

LITERAL_NLF = {
    "sinusoidal": lambda x, sign, omega, phi: torch.sin(omega * (x + sign * phi)),
    "monomial": lambda x, sign, eta: torch.sign(x) * torch.abs(x) ** eta,
    "gaussian": lambda x, sign, epsilon: torch.exp(-((epsilon * x) ** 2)),
    "laplace": lambda x, sign, epsilon: epsilon / 2 * torch.exp(-epsilon * torch.abs(x)),
    "laplace-literal": lambda x, sign, epsilon: epsilon / 2 * torch.exp(-(epsilon * x)),
}


def literal(layer: GroupNLConv2d, x: Tensor, weight: Tensor) -> Tensor:
    """Split, repeat, cat: the released code's steps, one by one (Algorithm 1 with its axes put right)."""
    conv, g = layer.conv1, layer.nl_groups
    seed = functional.conv2d(x, weight, None, conv.stride, conv.padding, conv.dilation, conv.groups)
    if layer.normalize:
        seed = functional.normalize(seed, dim=1)
    if layer.bn is not None:
        seed = functional.batch_norm(seed, None, None, layer.bn.weight, layer.bn.bias, training=True)
    gamma = math.ceil(layer.out_channels / layer.seed_channels) - 1
    if gamma == 0:
        return seed
    block = layer.seed_channels // g
    copied = torch.cat([part.repeat(1, gamma, 1, 1) for part in torch.split(seed, block, dim=1)], dim=1)
    hyper_parameters = [
        getattr(layer, name).repeat_interleave(block).reshape(1, gamma * layer.seed_channels, 1, 1)
        for name in layer.nlf.ranges
    ]
    generated = LITERAL_NLF[layer.nlf.name](copied, layer.phi_sign, *hyper_parameters)
    return torch.cat([seed, generated], dim=1)[:, : layer.out_channels]


@st.composite
def layers(draw: st.DrawFn) -> GroupNLConv2d:
    groups, ratio = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    seeds = groups * draw(st.integers(1, 3))
    shape = ConvShape(
        in_channels=draw(st.one_of(st.integers(1, 8), st.integers(2, 4).map(lambda many: many * seeds))),
        out_channels=ratio * seeds - draw(st.integers(0, ratio - 1)),  # the last maps are cut off
        kernel_size=draw(st.sampled_from([1, 3, 5])),
        stride=draw(st.integers(1, 2)),
        padding=draw(st.integers(0, 2)),
        dilation=draw(st.integers(1, 2)),
    )
    conv = ConvSpec(
        draw(st.sampled_from(["groupnl", "groupnl-sparse"])),
        ratio=ratio,
        nl_groups=groups,
        normalize=draw(st.booleans()),
        nlf=draw(st.sampled_from(list(NLFS))),
        phi_sign=draw(st.sampled_from([1, -1])),
        phi_range=draw(st.sampled_from([(1.0, 2.0), (1.0, 5.0)])),
        bn_position=draw(st.sampled_from(["concat", "seeds"])),
    )
    return GroupNLConv2d(conv, shape)


def groupnl(in_channels: int, out_channels: int, kernel_size: int, padding: int = 0, **knobs) -> GroupNLConv2d:
    return GroupNLConv2d(
        ConvSpec("groupnl", **knobs), ConvShape(in_channels, out_channels, kernel_size, padding=padding)
    )


def assert_equal_to_spread(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    assert ours.shape == theirs.shape
    spread = max(1.0, theirs.abs().max().item()) if theirs.numel() else 1.0
    torch.testing.assert_close(ours / spread, theirs / spread, rtol=0, atol=tolerance)


def amplification(layer: GroupNLConv2d, x: Tensor) -> float:
    """How much rounding grows on the way: short seed vectors when normalised, narrow seed maps under BN."""
    factor, seed = 1.0, layer.conv1(x)
    if layer.normalize:
        lengths = seed.norm(dim=1)
        factor /= min(1.0, lengths[lengths > 0].min().item())  # zero where padding alone is seen: exact
        seed = functional.normalize(seed, dim=1)
    if layer.bn is not None:
        factor /= min(1.0, seed.var(dim=(0, 2, 3)).min().item() ** 0.5 + layer.bn.eps**0.5)
    return factor


def assert_equals_literal(layer: GroupNLConv2d, inputs: Tensor, values: float, gradients: float) -> None:
    with torch.no_grad():
        growth = amplification(layer, inputs)
    ours_in, theirs_in = inputs.clone().requires_grad_(), inputs.clone().requires_grad_()
    weight = layer.conv1.weight.detach().clone().requires_grad_()
    ours, theirs = layer(ours_in), literal(layer, theirs_in, weight)
    upstream = torch.randn_like(theirs)
    ours.backward(upstream)
    theirs.backward(upstream)
    with torch.no_grad():
        inferred = layer(inputs)

    assert_equal_to_spread(ours.detach(), theirs.detach(), growth * values)
    assert_equal_to_spread(inferred, theirs.detach(), growth * values)
    assert_equal_to_spread(ours_in.grad, theirs_in.grad, growth * gradients)
    assert_equal_to_spread(layer.conv1.weight.grad, weight.grad, growth * gradients)


@given(layer=layers(), batch=st.integers(1, 3), seed=st.integers(0, 2**16), channels_last=st.booleans())
def test_equals_the_literal_algorithm_in_values_and_gradients(layer, batch, seed, channels_last):
    torch.manual_seed(seed)
    inputs = torch.randn(batch, layer.conv1.in_channels, 11, 10, dtype=torch.double)
    if channels_last:
        inputs = inputs.to(memory_format=torch.channels_last)
    assert_equals_literal(layer.double(), inputs, values=1e-12, gradients=1e-11)


@given(layer=layers(), seed=st.integers(0, 2**16))
def test_equals_the_literal_algorithm_in_single_precision(layer, seed):
    torch.manual_seed(seed)
    assert_equals_literal(layer, torch.randn(2, layer.conv1.in_channels, 11, 10), values=1e-5, gradients=1e-4)


@given(layer=layers())
def test_a_traced_layer_computes_the_same(layer):
    layer = layer.eval()
    example, other = torch.randn(2, 2, layer.conv1.in_channels, 11, 10)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch prefers its newer tracer
        traced = torch.jit.trace(layer, example, check_trace=False)
        torch.testing.assert_close(traced(other), layer(other))


def test_generated_channels_are_ordered_by_group_then_copy_then_channel():
    layer = groupnl(1, 12, 1, ratio=3, nl_groups=2, normalize=False)
    with torch.no_grad():
        layer.conv1.weight.copy_(torch.arange(1.0, 5.0).view(4, 1, 1, 1))
        layer.periods.copy_(torch.arange(1.0, 5.0))
        layer.shifts.zero_()
        output = layer(torch.ones(1, 1, 1, 1)).flatten()
    # Two copies of channels (1, 2) under ω = 1 and 2, then two of (3, 4) under ω = 3 and 4.
    arguments = torch.tensor([1.0, 2.0, 2.0, 4.0, 9.0, 12.0, 12.0, 16.0])
    torch.testing.assert_close(output, torch.cat((torch.arange(1.0, 5.0), arguments.sin())))


def test_normalised_seed_maps_have_unit_length_at_every_pixel():
    layer = groupnl(3, 16, 3, padding=1)
    length = layer(torch.randn(2, 3, 6, 6))[:, :8].square().sum(dim=1)
    torch.testing.assert_close(length, torch.ones_like(length))


@pytest.mark.parametrize("nlf", NLFS)
def test_all_zero_pixels_give_finite_values_and_gradients(nlf):
    layer = groupnl(3, 32, 3, padding=1, ratio=4, nlf=nlf)
    output = layer(torch.zeros(1, 3, 4, 4))
    output.sum().backward()
    assert torch.isfinite(output).all()
    assert torch.isfinite(layer.conv1.weight.grad).all()


def test_hyper_parameters_are_frozen_parameters_drawn_from_their_ranges():
    layer = groupnl(3, 256, 1, ratio=4, nl_groups=64, phi_range=(3, 5))
    assert list(dict(layer.named_parameters())) == ["periods", "shifts", "conv1.weight"]
    assert not layer.periods.requires_grad
    assert not layer.shifts.requires_grad
    assert layer.periods.shape == layer.shifts.shape == (192,)
    for values, low, high in ((layer.periods, 1, 2), (layer.shifts, 3, 5)):
        margin = (high - low) / 5
        assert low <= values.min() < low + margin
        assert high - margin < values.max() <= high


@pytest.mark.parametrize(("nlf", "name"), [("monomial", "exponents"), ("gaussian", "scales"), ("laplace", "scales")])
def test_other_functions_have_one_frozen_hyper_parameter(nlf, name):
    layer = groupnl(3, 16, 3, ratio=4, nlf=nlf, nl_groups=2)
    assert list(layer.state_dict()) == [name, "conv1.weight"]
    assert getattr(layer, name).shape == (6,)
    assert not getattr(layer, name).requires_grad


@pytest.mark.parametrize("nlf", NLFS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_follows_single_precision_and_keeps_zeros_finite(nlf, dtype):
    layer = groupnl(3, 16, 3, padding=1, ratio=4, nlf=nlf)
    x = torch.randn(2, 3, 6, 6)
    x[:, :, 3:] = 0
    expected = layer(x).detach()
    narrow = copy.deepcopy(layer).to(dtype)(x.to(dtype))
    narrow.sum().backward()
    assert narrow.dtype is dtype
    torch.testing.assert_close(narrow.float(), expected, rtol=0.1, atol=0.1)


@pytest.mark.parametrize(("kind", "kept"), [(torch.bfloat16, torch.float32), (torch.float16, torch.float16)])
def test_mixed_precision_keeps_maps_of_fp16_and_widens_those_of_bf16(kind, kept):
    torch.manual_seed(0)  # where all seed maps are small, dividing by their norm makes roundings large
    layer, traced = (groupnl(3, 16, 3, padding=1, ratio=4) for _ in range(2))
    x = torch.randn(2, 3, 6, 6)
    with torch.autocast("cpu", kind):
        output = layer(x)
        with torch.no_grad():
            inferred = layer(x)
        compiled = torch.compile(traced, backend="eager")(x)
    assert output.dtype is inferred.dtype is compiled.dtype is kept
    torch.testing.assert_close(output, inferred, rtol=0, atol=0.01)
    torch.testing.assert_close(output.float(), layer(x), rtol=0, atol=0.05)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_mixed_precision_follows_the_gradients_of_single_precision(kind):
    torch.manual_seed(0)  # where all seed maps are small, dividing by their norm makes roundings large
    layer = groupnl(3, 32, 3, padding=1, ratio=4)
    x, weight = torch.randn(4, 3, 8, 8), torch.randn(4, 32, 8, 8)
    (layer(x) * weight).sum().backward()
    exact = layer.conv1.weight.grad.clone()
    layer.zero_grad()
    with torch.autocast("cpu", kind):
        output = layer(x)
    (output * weight).sum().backward()
    assert (layer.conv1.weight.grad - exact).norm() < 0.01 * exact.norm()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_pixels_without_a_norm_leave_gradients_of_mixed_precision_finite(kind, compiled):
    """The gradient of a scaled loss would be infinite there, and a training in fp16 make no step any more."""
    torch.manual_seed(0)
    layer = groupnl(3, 16, 3, padding=1, ratio=4)
    forward = torch.compile(layer, backend="aot_eager") if compiled else layer
    x = torch.randn(1, 3, 6, 6)
    x[..., 3:] = 0
    x.requires_grad_()
    with torch.autocast("cpu", kind):
        output = forward(x)
    (output.float().sum() * 2**10).backward()
    assert torch.isfinite(output).all() and torch.isfinite(x.grad).all()
    assert torch.isfinite(layer.conv1.weight.grad).all() and layer.conv1.weight.grad.abs().max() > 0


@pytest.mark.parametrize("kind", [torch.float32, torch.float16])
def test_with_channels_last_a_layer_computes_the_same(kind, monkeypatch):
    """As on a card, where the output keeps that layout."""
    torch.manual_seed(0)
    layer = groupnl(8, 32, 3, padding=1, ratio=2, nl_groups=2)
    x, weight = torch.randn(2, 8, 5, 7), torch.randn(2, 32, 5, 7)

    def computed(images):
        layer.zero_grad()
        with torch.autocast("cpu", kind, enabled=kind is not torch.float32):
            output = layer(images)
        (output * weight).sum().backward()
        return output, layer.conv1.weight.grad

    expected, gradient = computed(x)
    monkeypatch.setattr(generation, "_layout_behind", lambda maps: torch.channels_last)
    output, same = computed(x.contiguous(memory_format=torch.channels_last))
    assert output.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-6 if kind is torch.float32 else 2e-3)
    assert (same - gradient).norm() < (1e-5 if kind is torch.float32 else 1e-2) * gradient.norm()


def test_hyper_parameters_made_learnable_get_gradients():
    layer = groupnl(3, 16, 3, ratio=4)
    layer.periods.requires_grad_()
    layer(torch.randn(1, 3, 5, 5)).square().sum().backward()
    assert layer.periods.grad.abs().min() > 0


def test_bn_on_the_seeds_is_the_layers_own_and_comes_before_generation():
    layer = groupnl(3, 16, 3, bn_position="seeds")
    with torch.no_grad():
        seeds = layer.train()(5 * torch.randn(4, 3, 9, 9))[:, :8]
    assert layer.bn.num_features == 8
    torch.testing.assert_close(seeds.mean(dim=(0, 2, 3)), torch.zeros(8), rtol=0, atol=1e-5)
    assert groupnl(3, 16, 3).bn is None


@pytest.mark.parametrize(("knobs", "seeds"), [({}, 8), ({"ratio": 4}, 4), ({"nlf": "gaussian"}, 8)])
def test_seeds_that_nothing_normalises_begin_as_wide_as_normalised_ones(knobs, seeds):
    layer = groupnl(3, 16, 3, normalize=False, **knobs)
    drawn = layer.conv1.weight.detach().clone()
    layer.settle()
    torch.testing.assert_close(layer.conv1.weight.detach(), drawn / math.sqrt(seeds))


@pytest.mark.parametrize("knobs", [{"normalize": True}, {"normalize": False, "bn_position": "seeds"}, {"ratio": 1}])
def test_seeds_that_something_normalises_or_nothing_is_made_of_stay_as_drawn(knobs):
    layer = groupnl(3, 16, 3, **{"normalize": False} | knobs)
    drawn = layer.conv1.weight.detach().clone()
    layer.settle()
    assert torch.equal(layer.conv1.weight.detach(), drawn)


@pytest.mark.parametrize(("ratio", "hyper_parameters"), [(2, 8), (4, 24), (8, 56)])
@pytest.mark.parametrize("method", ["groupnl", "groupnl-sparse"])
def test_parameters_are_those_of_table_16(ratio, hyper_parameters, method):
    with torch.device("meta"):
        layer = GroupNLConv2d(ConvSpec(method, ratio=ratio), ConvShape(512, 512, 3, 2, padding=1))
        output = layer(torch.empty(1, 512, 32, 32))
    weights = 4608 if method == "groupnl-sparse" else 512 * 512 // ratio * 9
    assert sum(p.numel() for p in layer.parameters()) == weights + hyper_parameters
    assert output.shape == (1, 512, 16, 16)


def test_sparse_seed_convolution_has_gcd_groups():
    layer = GroupNLConv2d(ConvSpec("groupnl-sparse"), ConvShape(24, 32, 3))
    assert layer.conv1.groups == math.gcd(24, 16)
    assert layer.conv1.weight.shape == (16, 3, 3, 3)


def test_ratio_one_generates_nothing():
    layer = groupnl(4, 8, 3, padding=1, ratio=1)
    assert layer.periods.numel() == 0
    assert layer(torch.randn(1, 4, 5, 5)).shape == (1, 8, 5, 5)


@given(
    groups=st.integers(1, 6),
    many=st.integers(1, 8),
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
    bias=st.booleans(),
    channels_last=st.booleans(),
)
def test_sparse_convolution_is_the_grouped_one(groups, many, kernel, stride, dilation, bias, channels_last):
    conv = SparseConv2d(groups * many, groups, kernel, stride, 2, dilation, groups=groups, bias=bias).double()
    x = torch.randn(2, groups * many, 11, 10, dtype=torch.double)
    if channels_last:
        x = x.to(memory_format=torch.channels_last)
    x = x.requires_grad_()
    expected = functional.conv2d(x, conv.weight, conv.bias, stride, 2, dilation, groups)
    upstream = torch.randn_like(expected)
    ours = torch.autograd.grad(conv(x), (x, conv.weight), upstream)
    theirs = torch.autograd.grad(expected, (x, conv.weight), upstream)
    torch.testing.assert_close(conv(x), expected)
    torch.testing.assert_close(ours, theirs)


def test_one_channels_last_image_leaves_with_strides_that_batch_norm_reads():
    conv = SparseConv2d(4, 2, 1, groups=2, bias=False)
    maps = conv(torch.randn(1, 4, 5, 5).to(memory_format=torch.channels_last))
    assert maps.stride() == (50, 25, 5, 1)


@pytest.mark.parametrize("size", [(5, 5), (3, 1), (1, 3), (1, 1)])
def test_batch_norm_learns_behind_the_sparse_convolution_of_one_channels_last_image(size):
    torch.manual_seed(0)
    conv, norm = SparseConv2d(4, 2, 1, groups=2, bias=False).double(), torch.nn.BatchNorm2d(2).double().eval()
    x = torch.randn(1, 4, *size, dtype=torch.double).to(memory_format=torch.channels_last).requires_grad_()
    upstream = torch.randn(1, 2, *size, dtype=torch.double)
    ours = torch.autograd.grad(norm(conv(x)), x, upstream)
    grouped = functional.conv2d(x.contiguous(), conv.weight, groups=2).contiguous()
    torch.testing.assert_close(ours, torch.autograd.grad(norm(grouped), x, upstream))


def test_an_onnx_export_has_the_sparse_convolution_as_one_node():
    layer = GroupNLConv2d(ConvSpec("groupnl-sparse"), ConvShape(8, 8, 3, padding=1)).eval()
    file = io.BytesIO()
    torch.onnx.export(layer, (torch.randn(1, 8, 6, 6),), file, opset_version=13, dynamo=False)
    nodes = onnx.load_from_string(file.getvalue()).graph.node
    (conv,) = (node for node in nodes if node.op_type == "Conv")
    assert {a.name: a.i for a in conv.attribute}["group"] == 4


def test_seed_channels_that_do_not_split_are_refused_with_the_numbers():
    with pytest.raises(InvalidSpec, match=r"6 seed channels .* into 4 equal groups"):
        groupnl(3, 12, 3)
