"""Specs: presets, labels, refusals, and the way to JSON and back."""

import pytest

from device_agent.strict import StrictError, from_json, to_json
from groupnl_deploy.models.knobs import KNOBS
from groupnl_deploy.models.methods import METHODS
from groupnl_deploy.models.spec import ConvSpec, InvalidSpec, ModelSpec


def test_presets_differ_as_code_and_paper_do():
    released, paper = ConvSpec.preset("groupnl", "released"), ConvSpec.preset("groupnl", "paper")
    assert (released.normalize, released.phi_sign, released.phi_range) == (True, -1, (1.0, 2.0))
    assert (paper.normalize, paper.phi_sign, paper.phi_range) == (False, 1, (1.0, 5.0))
    assert released.omega_range == paper.omega_range == (1.0, 2.0)
    assert released.semantics == "released"
    assert paper.semantics == "paper"
    assert ConvSpec("groupnl", normalize=False).semantics == "custom"


def test_a_standard_convolution_is_the_same_in_both_presets():
    assert ConvSpec.preset("standard", "paper") == ConvSpec.preset("standard", "released")


@pytest.mark.parametrize(
    ("conv", "width", "label"),
    [
        (ConvSpec("standard"), 0.25, "resnet18_cifar x0.25 standard"),
        (ConvSpec("groupnl"), 0.25, "resnet18_cifar x0.25 groupnl (released)"),
        (ConvSpec.preset("groupnl", "paper"), 1.0, "resnet18_cifar x1 groupnl (paper)"),
        (ConvSpec("groupnl-sparse", ratio=8), 1.0, "resnet18_cifar x1 groupnl-sparse r8 (released)"),
        (ConvSpec("groupnl", phi_range=(0, 1)), 1.0, "resnet18_cifar x1 groupnl (custom)"),
    ],
)
def test_labels(conv, width, label):
    assert ModelSpec("resnet18_cifar", conv, width=width).label == label


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"method": "groupnll"}, "method is 'groupnll'"),
        ({"ratio": 0}, "ratio is 0"),
        ({"ratio": True}, "ratio is True"),
        ({"nl_groups": -1}, "nl_groups is -1"),
        ({"phi_sign": 0}, "phi_sign is 0"),
        ({"nlf": "cosine"}, "nlf is 'cosine'"),
        ({"omega_range": (2.0, 1.0)}, "omega_range"),
        ({"phi_range": (1.0, float("nan"))}, "phi_range"),
    ],
)
def test_a_conv_spec_that_describes_nothing_is_refused(change, text):
    with pytest.raises(InvalidSpec, match=text):
        ConvSpec(**{"method": "groupnl", **change})


@pytest.mark.parametrize("method", METHODS)
def test_a_knob_that_the_method_does_not_read_stays_at_its_default(method):
    whole = METHODS[method].sample
    turned = {"ratio": 4, "nl_groups": 8, "nlf": "laplace", "normalize": False, "phi_sign": 1, "group_size": 4}
    turned |= {"omega_range": (1.0, 3.0), "phi_range": (1.0, 5.0), "bn_position": "seeds", "num_groups": 4}
    assert set(turned) == set(KNOBS)
    for knob in set(turned) - set(METHODS[method].knobs):
        with pytest.raises(InvalidSpec, match=f"{knob} is a knob of .*, not of {method}; leave {knob} out"):
            ConvSpec(method, **whole, **{knob: turned[knob]})
    assert ConvSpec(method, **whole, ratio=2, normalize=True).method == method


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"width": 0.0}, "width"),
        ({"width": float("inf")}, "width"),
        ({"num_classes": 0}, "num_classes"),
        ({"input_shape": (3, 0, 32)}, "height"),
        ({"input_shape": (3, 32)}, "input_shape"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
    ],
)
def test_a_model_spec_that_describes_nothing_is_refused(change, text):
    with pytest.raises(InvalidSpec, match=text):
        ModelSpec("resnet18_cifar", ConvSpec("standard"), **change)


def test_a_refusal_is_two_sentences_and_as_text_one():
    with pytest.raises(InvalidSpec) as caught:
        ConvSpec("groupnl", ratio=0)
    refusal = caught.value
    assert (refusal.problem, refusal.remedy) == ("ratio is 0", "Give a whole number of at least 1.")
    assert refusal.fields == ("ratio",)
    assert str(refusal) == "ratio is 0; give a whole number of at least 1"


def test_an_unknown_semantics_is_refused():
    with pytest.raises(InvalidSpec, match="'released', 'paper'"):
        ConvSpec.preset("groupnl", "papers")


def test_json_round_trip_and_strictness():
    spec = ModelSpec("resnet18_cifar", ConvSpec.preset("groupnl", "paper"), width=0.25, seed=7)
    assert from_json(ModelSpec, to_json(spec)) == spec
    with pytest.raises(StrictError, match="widht"):
        from_json(ModelSpec, to_json(spec).replace('"width"', '"widht"'))
    with pytest.raises(StrictError, match=r"width is -0\.25; give a factor"):
        from_json(ModelSpec, to_json(spec).replace("0.25", "-0.25"))
    with pytest.raises(StrictError, match="schema_version 4 is not the 3"):
        from_json(ModelSpec, to_json(spec).replace('"schema_version": 3', '"schema_version": 4'))
