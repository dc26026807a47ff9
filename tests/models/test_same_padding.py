"""TensorFlow's SAME padding and ε: against the formula in float64, and against timm's logits."""

import copy
import itertools
import json
import runpy
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional

from exporters.onnx_exporter import export_onnx
from exporters.optimize import optimize
from exporters.parity import compare, onnx_logits
from exporters.reference import torch_logits
from groupnl_deploy.models.inference import inference_form, to_inference
from groupnl_deploy.models.padding import SamePad2d, same_padding
from groupnl_deploy.models.profile import profile
from groupnl_deploy.models.registry import create_model, list_models, model_spec
from groupnl_deploy.models.spec import InvalidSpec

DATA = Path(__file__).parents[1] / "data"
REFERENCE = json.loads((DATA / "timm_tf_reference.json").read_text())
SHAPES = json.loads((DATA / "timm_reference.json").read_text())["networks"]
VARIANTS = ("tf_mobilenetv3_large_100", "tf_efficientnet_lite0", "tf_efficientnet_es", "tf_efficientnetv2_s")
# Even and odd, so that every strided convolution meets both somewhere; the second is not square.
SIZES = [(64, 64), (75, 61)]
slow = pytest.mark.slow
STRIDED_KERNELS = (3, 3, 5, 3, 5)  # of MobileNetV3's stem and stages


def small(name, method="standard", size=(64, 64), **changes):
    knobs = {"group_size": 8} if method == "grouped" else None
    return model_spec(name, method, knobs=knobs, width=0.25, num_classes=7, input_shape=(3, *size), **changes)


def settled(spec, dtype=torch.float64):
    """The network with random BatchNorms, some variances so small that ε shows."""
    network = create_model(spec).to(dtype)
    random = torch.Generator().manual_seed(3)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_(std=0.1, generator=random)
            norm.running_var.uniform_(0.5, 2, generator=random)
            norm.running_var[::7] = 0.02
    return network.eval()


def images(size, dtype=torch.float64, count=1):
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(5), dtype=torch.float64).to(dtype)


def tensorflow_conv(image, weight, bias, stride, groups):
    """SAME as TensorFlow documents it: output pixel by output pixel, what lies outside the image is zero."""
    (channels, height, width), (out_channels, _, k, _) = image.shape, weight.shape
    rows, columns = -(-height // stride), -(-width // stride)
    top = max((rows - 1) * stride + k - height, 0) // 2
    left = max((columns - 1) * stride + k - width, 0) // 2
    out = np.zeros((out_channels, rows, columns))
    kernels = weight.reshape(groups, out_channels // groups, -1)
    for row in range(rows):
        for column in range(columns):
            window = np.zeros((channels, k, k))
            for i in range(k):
                for j in range(k):
                    y, x = row * stride - top + i, column * stride - left + j
                    if 0 <= y < height and 0 <= x < width:
                        window[:, i, j] = image[:, y, x]
            out[:, row, column] = np.einsum("goi,gi->go", kernels, window.reshape(groups, -1)).reshape(-1)
    return out if bias is None else out + bias[:, None, None]


class TensorFlowConv(nn.Module):
    """An ordinary convolution's weights under TensorFlow's rule."""

    def __init__(self, conv):
        super().__init__()
        self.conv = conv

    def forward(self, x):
        conv = self.conv
        bias = None if conv.bias is None else conv.bias.numpy()
        maps = tensorflow_conv(x[0].numpy(), conv.weight.numpy(), bias, conv.stride[0], conv.groups)
        return torch.from_numpy(maps)[None]


def in_tensorflow(network):
    """The symmetric network as TensorFlow would run it: SAME for every convolution, ε of 1e-3."""
    network = copy.deepcopy(network)
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Conv2d):
            network.set_submodule(name, TensorFlowConv(module))
        elif isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-3
    return network


@pytest.mark.parametrize("size", [(33, 40), pytest.param((32, 32), marks=slow)])
@pytest.mark.parametrize("name", [*VARIANTS[:2], *(pytest.param(name, marks=slow) for name in VARIANTS[2:])])
def test_a_variant_is_its_family_under_tensorflows_rules(name, size):
    variant = settled(small(name, size=size))
    plain = create_model(small(name.removeprefix("tf_"), size=size)).double().eval()
    plain.load_state_dict(variant.state_dict())
    with torch.no_grad():
        expected, found, symmetric = in_tensorflow(plain)(images(size)), variant(images(size)), plain(images(size))
    assert (found - expected).abs().max() <= 1e-9 * expected.std()
    assert (symmetric - expected).abs().max() > 0.05 * expected.std()


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5, 7])
def test_zeros_of_a_row(kernel, stride):
    for size in range(1, 20):
        before, after = same_padding(size, kernel, stride)
        outputs = (size + before + after - kernel) // stride + 1
        assert outputs == -(-size // stride) and 0 <= after - before <= 1
        if stride == 1 and kernel % 2:
            assert before == after == (kernel - 1) // 2


@pytest.mark.parametrize("method", ["groupnl", "groupnl-sparse", "ghost", "sinefm", "mono", "grouped"])
def test_another_convolution_keeps_the_padding(method):
    """What stands for a depthwise convolution sees the same zeros: all of them, for one that is padded by hand."""
    network = settled(small("tf_mobilenetv3_large_100", method, (33, 40)))
    strided = network.blocks[1][0]
    x = torch.randn(1, 32, 17, 20, generator=torch.Generator().manual_seed(1)).double()
    by_hand = strided.conv_dw(functional.pad(x, (0, 1, 1, 1)))
    assert (
        isinstance(strided.pad, SamePad2d)
        and torch.equal(strided.conv_dw(strided.pad(x)), by_hand)
        and by_hand.shape[2:] == (9, 10)
    )


def test_every_batchnorm_has_the_eps_also_inside_a_layer():
    for method in ("standard", "sinefm", "groupnl-sparse"):
        norms = [
            module
            for module in create_model(small("tf_efficientnet_es", method)).modules()
            if isinstance(module, nn.BatchNorm2d)
        ]
        assert norms and {norm.eps for norm in norms} == {1e-3}
    seeds = create_model(model_spec("resnet50_cifar", "groupnl-sparse", width=0.25, bn_eps=1e-4))
    assert {norm.eps for norm in seeds.modules() if isinstance(norm, nn.BatchNorm2d)} == {1e-4}


@pytest.mark.parametrize(
    "method, size",
    [
        pytest.param("standard", (64, 64), marks=slow),
        ("groupnl-sparse", (75, 61)),
        pytest.param("groupnl", (64, 64), marks=slow),
        pytest.param("ghost", (75, 61), marks=slow),
    ],
)
def test_the_inference_form_equals_the_network(method, size):
    spec = small("tf_mobilenetv3_large_100", method, size)
    network = settled(spec)
    form = inference_form(spec).double()
    form.load_state_dict(to_inference(network).state_dict())
    with torch.inference_mode():
        expected, found = network(images(size, count=2)), form(images(size, count=2))
    assert (found - expected).abs().max() <= 1e-9 * expected.std()


@pytest.mark.parametrize(
    "method, size, level, dynamic",
    [
        pytest.param("standard", (33, 40), "full", True, marks=slow),
        pytest.param("standard", (64, 64), "none", False, marks=slow),
        pytest.param("standard", (64, 64), "full", False, marks=slow),
        pytest.param("groupnl-sparse", (33, 40), "full", True, marks=slow),
        pytest.param("groupnl-sparse", (64, 64), "standard", False, marks=slow),
        pytest.param("groupnl", (75, 61), "full", True, marks=slow),
    ],
)
def test_an_export_has_constant_pads(method, size, level, dynamic):
    model = settled(small("tf_mobilenetv3_large_100", method, size), torch.float32)
    inputs = images(size, torch.float32, 5).numpy()
    raw = export_onnx(model, (1, 3, *size), dynamic_batch=dynamic)
    expected = torch_logits(model, inputs)
    best = optimize(raw, lambda proto: compare(expected, onnx_logits(proto, inputs)), level).model
    if dynamic:
        session = onnxruntime.InferenceSession(best.SerializeToString(), providers=["CPUExecutionProvider"])
        found = session.run(None, {"input": inputs})[0]
        assert np.abs(found - expected).max() <= 1e-4 * expected.std()
    assert strided_pads(raw, "Pad") == ["Pad"] * 5  # one before each convolution with a stride, as PyTorch has them
    if level != "none":
        assert strided_pads(best, "Pad") == []
        steps = zip(halvings(size, 5), STRIDED_KERNELS, strict=True)
        wanted = [zeros(pixels, kernel) for pixels, kernel in steps]
        # A sparse seed convolution becomes two of the same geometry.
        assert once(strided_pads(best, "Conv")) == once(wanted)
    if level == "full":
        assert not {"Shape", "ConstantOfShape", "Slice"} & {node.op_type for node in best.graph.node}


def test_the_zeros_of_a_block_go_into_its_convolution():
    """One of those that the networks above have five of."""
    block, maps = settled(small(VARIANTS[0], size=(33, 40)), torch.float32).blocks[1][0], (1, 8, 17, 20)
    assert block.conv_pw.in_channels == maps[1] and isinstance(block.pad, SamePad2d)
    inputs = torch.randn(maps, generator=torch.Generator().manual_seed(5)).numpy()
    raw, expected = export_onnx(block, maps), torch_logits(block, inputs)
    best = optimize(raw, lambda proto: compare(expected, onnx_logits(proto, inputs)), "full").model
    assert strided_pads(raw, "Pad") == ["Pad"] and strided_pads(best, "Pad") == []
    assert strided_pads(best, "Conv") == [zeros(maps[2:], block.conv_dw.kernel_size[0])]


def strided_pads(model, kind):
    """Of nodes of a kind: for convolutions with a stride the zeros above, left, below and right; else their names."""
    nodes = [
        {a.name: onnx.helper.get_attribute_value(a) for a in n.attribute} for n in model.graph.node if n.op_type == kind
    ]
    return [kind for _ in nodes] if kind == "Pad" else [node["pads"] for node in nodes if node.get("strides") == [2, 2]]


def once(rows):
    """Without what only repeats the row before it."""
    return [row for row, _ in itertools.groupby(rows)]


def halvings(size, times):
    """The sizes of the maps before each of so many strides of two."""
    for _ in range(times):
        yield size
        size = tuple(-(-pixels // 2) for pixels in size)


def zeros(size, kernel):
    """Above, left, below, right, for a stride of two."""
    (above, below), (left, right) = (same_padding(pixels, kernel, 2) for pixels in size)
    return [above, left, below, right]


@pytest.mark.parametrize("name", [VARIANTS[0], *(pytest.param(name, marks=slow) for name in VARIANTS[1:])])
def test_a_variant_costs_what_its_family_does_and_is_said_in_one_way(name):
    plain = name.removeprefix("tf_")
    assert profile(model_spec(name)).total == profile(model_spec(plain)).total
    spec = model_spec(name, padding="same", bn_eps=1e-3)
    assert spec == model_spec(name) and spec.label == f"{name} x1 standard"
    other = model_spec(plain, padding="same", bn_eps=1e-3)
    assert other.label == f"{plain} x1 standard, same padding, BN eps 0.001"
    first, second = create_model(small(name)), create_model(small(plain, padding="same", bn_eps=1e-3))
    assert str(first) == str(second)


def test_the_four_are_registered():
    assert set(VARIANTS) == {entry.name for entry in list_models() if entry.padding == "same"}


@pytest.mark.parametrize(
    "name, knobs, words",
    [
        ("resnet18", {"padding": "same"}, "padding is 'same', and resnet18 knows 'symmetric' alone"),
        ("mobilenetv2_100", {"padding": "valid"}, "padding is 'valid'"),
        ("mobilenetv2_100", {"bn_eps": 0.0}, "bn_eps is 0.0"),
        ("mobilenetv2_100", {"bn_eps": -1e-3}, "bn_eps is -0.001"),
        ("mobilenetv2_100", {"bn_eps": float("nan")}, "bn_eps is nan"),
        ("mobilenetv2_100", {"bn_eps": float("inf")}, "bn_eps is inf"),
    ],
)
def test_what_describes_no_network_is_refused(name, knobs, words):
    with pytest.raises(InvalidSpec, match=words):
        create_model(model_spec(name, **knobs))


@pytest.fixture(scope="module")
def synth():
    return runpy.run_path(str(DATA / "synth_weights.py"))


def as_timm_answers(name, size, synth):
    """Largest difference from timm's logits, over their spread."""
    expected = REFERENCE["networks"][name]["x".join(map(str, size))]
    weights = synth["synth_state_dict"](SHAPES[name.removeprefix("tf_")]["shapes"])
    model = create_model(model_spec(name)).eval()
    scale = REFERENCE["damping"]
    model.load_state_dict(
        {key: torch.from_numpy(value) * (scale if value.ndim > 1 else 1) for key, value in weights.items()}
    )
    image = np.random.default_rng(2026).standard_normal((1, 3, *size)).astype(np.float32)
    with torch.inference_mode():
        logits = model(torch.from_numpy(image))[0]
    assert int(logits.argmax()) == expected["argmax"]
    return float((logits[:16] - torch.tensor(expected["logits"])).abs().max()) / expected["std"]


@pytest.mark.parametrize(
    "name, size",
    [
        *((name, SIZES[1]) for name in VARIANTS[:2]),
        *(pytest.param(name, SIZES[0], marks=slow) for name in VARIANTS),
        *(pytest.param(name, (224, 224), marks=slow) for name in VARIANTS),
        *(pytest.param(name, SIZES[1], marks=slow) for name in VARIANTS[2:]),
    ],
    ids=str,
)
def test_logits_of_timm(name, size, synth):
    assert as_timm_answers(name, size, synth) <= 1e-4
