"""Networks whose convolutions have widths of their own: every family, and every refusal."""

from dataclasses import replace

import pytest
import torch

from device_agent.strict import StrictError, from_json, to_json
from groupnl_deploy.models.departure import departure
from groupnl_deploy.models.inference import inference_form, to_inference
from groupnl_deploy.models.profile import profile
from groupnl_deploy.models.registry import create_model, list_models, model_spec, plain_widths
from groupnl_deploy.models.spec import ConvSpec, InvalidSpec, ModelSpec

NAMES = [entry.name for entry in list_models()]
ONE_A_KIND = ("resnet18_cifar", "vgg11_cifar", "mobilenetv3_large_100")
# One block of each family grown and one pruned; what is not named follows or stays.
OWN = {
    "resnet": {"layer1.0.conv1": 48, "layer3.1.conv1": 24},
    "resnext": {"layer1.0.conv1": 192, "layer1.0.conv2": 64, "layer3.1.conv1": 96},
    "vgg": {"features.0": 24},
    "mobilenetv1": {"conv_stem": 24, "blocks.1.0.conv_pw": 40},
    "mobilenetv2": {"blocks.1.0.conv_pw": 56, "blocks.3.1.conv_pw": 72},
    "mobilenetv3": {"blocks.1.0.conv_pw": 40, "blocks.2.1.se.conv_reduce": 5, "blocks.2.1.conv_pw": 48},
    "efficientnet_lite": {"blocks.1.0.conv_pw": 56, "conv_head": 200},
    "efficientnet_es": {"blocks.1.1.conv_exp": 40, "blocks.3.1.conv_pw": 48},
    "efficientnetv2": {"blocks.1.0.conv_exp": 40, "blocks.3.1.conv_pw": 72},
}


def small(name: str, method: str = "standard", width: float = 0.25, **changes: object) -> ModelSpec:
    pixels = 32 if name.endswith("_cifar") else 64
    if name == "resnext50_32x4d":  # at a quarter, the 32 groups of its first blocks are depthwise convolutions
        width = 2 * width
    size = {"input_shape": (3, pixels, pixels), "num_classes": 7, "width": width}
    return model_spec(name, method, **(size | changes))


def own(name: str) -> dict[str, int]:
    return next(widths for family, widths in OWN.items() if name.removeprefix("tf_").startswith(family))


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in ONE_A_KIND else pytest.mark.slow) for n in NAMES])
def test_a_network_of_every_family_learns_is_counted_and_has_an_inference_form(name: str) -> None:
    plain = small(name, "groupnl-sparse")
    spec = replace(plain, widths=own(name))
    network = create_model(spec)
    found = {layer: channels for layer, channels in plain_widths(spec).items() if layer in own(name)}
    assert found == own(name)
    network(torch.randn(2, *spec.input_shape)).square().sum().backward()
    assert profile(spec).total.params == sum(p.numel() for p in network.parameters()) != profile(plain).total.params
    network.eval()
    form, image = inference_form(spec), torch.randn(1, *spec.input_shape)
    form.load_state_dict(to_inference(network).state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(form(image), network(image), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in ONE_A_KIND else pytest.mark.slow) for n in NAMES])
def test_with_the_widths_of_a_larger_network_it_has_its_shapes(name: str) -> None:
    if name == "mobilenetv2_100":
        pytest.skip("at a quarter of its width the first block has a shortcut, and at half of it none")
    large = small(name, width=0.5)
    grown = small(name, widths=plain_widths(large))
    first, second = (create_model(spec).state_dict() for spec in (grown, large))
    assert {key: tensor.shape for key, tensor in first.items()} == {key: t.shape for key, t in second.items()}
    assert grown.label != small(name).label and grown != small(name)


REFUSED = [
    ("resnet18_cifar", {"conv1": 24}, r"layer1\.0 adds maps of 16 and of 24 channels.*a sum the same width"),
    ("resnet18_cifar", {"layer2.0.conv2": 24}, r"layer2\.0 adds maps of 24 and of 32"),
    ("resnet18_cifar", {"layer1.0.conv2": 1}, r"layer1\.0 adds maps of 1 and of 16"),
    ("resnet18_cifar", {"layer1.0.conf1": 24}, r"“layer1\.0\.conf1”, which is no .*did you mean layer1\.0\.conv1"),
    ("resnet18_cifar", {"layer1.0.conv1": 0}, r"widths layer1\.0\.conv1 is 0"),
    ("mobilenetv2_100", {"blocks.1.0.conv_dw": 20}, r"blocks\.1\.0\.conv_dw is a depthwise .*leave it out"),
    ("mobilenetv3_large_100", {"blocks.2.0.se.conv_expand": 5}, r"blocks\.2\.0\.se does not take what it is given"),
    ("efficientnet_es", {"blocks.1.1.conv_pwl": 24}, r"blocks\.1\.1 adds maps of 24 and of 8"),
]


@pytest.mark.parametrize(("name", "widths", "text"), REFUSED)
def test_widths_that_do_not_fit_name_the_layer(name: str, widths: dict[str, int], text: str) -> None:
    with pytest.raises(InvalidSpec, match=text):
        create_model(small(name, widths=widths))


def test_groups_of_a_resnext_must_divide() -> None:
    with pytest.raises(InvalidSpec, match=r"layer1\.0\.conv2 has 32 groups, into which 100 or 64 channels"):
        create_model(small("resnext50_32x4d", widths={"layer1.0.conv1": 100}))


def test_what_meets_in_a_sum_may_be_widened_together() -> None:
    together = {"conv1": 24, "layer1.0.conv2": 24, "layer1.1.conv2": 24}
    network = create_model(small("resnet18_cifar", "groupnl", widths=together))
    assert network.layer1[0].bn2.num_features == 24 and network.layer2[0].conv1.conv1.in_channels == 24


def test_a_seed_decides_every_bit() -> None:
    spec = small("resnet18_cifar", "groupnl", widths=OWN["resnet"])
    first, second = (create_model(spec).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_specification_says_them_in_one_way() -> None:
    pairs = (("layer3.1.conv1", 24), ("layer1.0.conv1", 48))
    spec = ModelSpec("resnet18_cifar", ConvSpec("groupnl"), width=0.25, widths=pairs)
    assert spec == replace(spec, widths=dict(pairs)) == from_json(ModelSpec, to_json(spec))
    assert hash(spec) == hash(replace(spec, widths=dict(pairs)))
    assert spec.label == "resnet18_cifar x0.25 groupnl (released), 2 own widths #00e17b01"
    assert replace(spec, widths={"layer1.0.conv1": 48}).label.endswith(", 1 own width #cb2c2caf")
    assert "widths" not in replace(spec, widths=()).label
    for wrong, text in (('"24"', "expected int"), ("-1", "widths layer1.0.conv1 is -1")):
        with pytest.raises(StrictError, match=text):
            from_json(ModelSpec, to_json(spec).replace("48", wrong))
    with pytest.raises(InvalidSpec, match="twice"):
        replace(spec, widths=(("conv1", 8), ("conv1", 9)))


def test_a_specification_of_before_is_read() -> None:
    old = to_json(ModelSpec("resnet18_cifar", ConvSpec("groupnl"))).replace(',\n  "widths": []', "")
    assert "widths" not in old and from_json(ModelSpec, old).widths == ()


def test_it_is_another_network_than_its_name() -> None:
    found = departure("resnet18_cifar", small("resnet18_cifar", widths=OWN["resnet"]))
    assert found is not None and "widths" in found.fields and "2 own widths #" in found.sentences[0]
