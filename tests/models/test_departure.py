"""What was built beside what the name alone stands for: numbers of the papers, counted here again by hand."""

import pytest

from groupnl_deploy.models.departure import departure
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.models.sketch import sketch

SMALL = {"num_classes": 10, "input_shape": (3, 32, 32)}


@pytest.mark.parametrize(
    "name, method, changes, fields, words",
    [
        (
            "mobilenetv3_large_100",
            "groupnl",
            {},
            ("conv",),
            ["as groupnl (released): 38.36 M parameters", "alone is standard: 5.48 M", "groupnl-sparse, the paper's"],
        ),
        (
            "mobilenetv3_gnl_large_100",
            "groupnl",
            {},
            ("conv",),
            ["38.36 M", "alone is groupnl-sparse (released): 5.48 M"],
        ),
        (
            "gnl_resnet50",
            None,
            SMALL,
            ("num_classes", "input_shape"),
            ["10 classes, images of 3x32x32: 15.33 M", "alone is 1000 classes, images of 3x224x224: 17.36 M"],
        ),
        (
            "resnet18_cifar",
            "groupnl",
            {},
            ("conv",),
            ["groupnl (released): 5.60 M", "standard: 11.17 M parameters, 556.04 M"],
        ),
        (
            "tf_efficientnet_es",
            None,
            {"padding": "symmetric"},
            ("padding",),
            ["symmetric padding", "alone is same padding"],
        ),
        ("resnet18", "groupnl", SMALL, ("conv", "num_classes", "input_shape"), ["resnet18_cifar is this network for"]),
        ("resnet18", None, {"bn_eps": 1e-3}, ("bn_eps",), ["BN eps 0.001", "alone is BN eps 1e-05"]),
        ("resnet18_cifar", "ghost", {"width": 0.25}, ("conv",), ["as x0.25, ghost", "alone is x1, standard: 11.17 M"]),
    ],
)
def test_another_network_is_told_with_both_sizes(name, method, changes, fields, words):
    spec = model_spec(name, method, **changes)
    found = departure(name, spec)
    text = " ".join(found.sentences)
    assert found.fields == fields and all(word in text for word in words), text
    sizes = [sum(p.numel() for p in sketch(one).parameters()) for one in (spec, model_spec(name))]
    assert (found.params, found.own_params) == tuple(sizes)


@pytest.mark.parametrize("name", ["gnl_resnet50", "resnet18_cifar", "tf_mobilenetv3_large_100"])
def test_the_name_itself_is_told_nothing_of(name):
    assert departure(name, model_spec(name)) is None
    assert departure(name, model_spec(name, width=0.5, seed=3)) is None


def test_no_advice_where_it_would_be_none():
    assert len(departure("resnet50", model_spec("resnet50", "groupnl")).sentences) == 1  # fewer parameters than its own
    assert len(departure("resnet18", model_spec("resnet18", "groupnl")).sentences) == 1  # the paper's is dense
