"""A knob stands once: specification, options, campaign file and report have what `Knobs` has."""

import subprocess
import sys
from dataclasses import fields

import pytest
import torch
import typer

from device_agent.strict import StrictError, from_dict
from groupnl_deploy.campaign.axes import read_points
from groupnl_deploy.campaign.config import ModelConfig
from groupnl_deploy.cli.main import app
from groupnl_deploy.models.knobs import KNOBS, Knobs, turned
from groupnl_deploy.models.layers.build import build_conv
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.methods import CONVOLUTIONS, METHODS, ConvMethod
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.spec import ConvSpec
from groupnl_deploy.report.identity import KNOB_NAMES

# Another value than the default: as TOML has it, as one writes it behind the option, and as a specification has it.
TURNED = {
    "ratio": (4, "4", 4),
    "nl_groups": (8, "8", 8),
    "nlf": ("laplace", "laplace", "laplace"),
    "normalize": (False, None, False),
    "phi_sign": (1, "+", 1),
    "omega_range": ([1, 3], "1,3", (1.0, 3.0)),
    "phi_range": ([1, 5], "1,5", (1.0, 5.0)),
    "bn_position": ("seeds", "seeds", "seeds"),
    "group_size": (4, "4", 4),
    "num_groups": (4, "4", 4),
}


@pytest.mark.parametrize("name", KNOBS)
def test_a_knob_is_a_field_an_option_a_key_and_a_column(name):
    toml, text, value = TURNED[name]
    assert KNOBS[name].option is bool if text is None else KNOBS[name].parse(KNOBS[name].option(text)) == value
    (config,) = read_points(ModelConfig, {"label": "one", "model": "resnet18_cifar", name: toml}, "models")
    assert turned(config.value) == {name: value}
    axis = read_points(ModelConfig, {"label": "one", "model": "resnet18_cifar", name: [toml]}, "models")
    assert [turned(point.value) for point in axis] == [{name: value}], "a list of values is an axis"
    assert getattr(Knobs(**{name: value}), name) == value != KNOBS[name].default
    assert name in {field.name for field in fields(ConvSpec)} and name in KNOB_NAMES
    assert any(name in method.knobs for method in METHODS.values())


def test_the_command_line_has_an_option_for_every_knob_and_no_default_of_its_own():
    parameters = {one.name: one for one in typer.main.get_command(app).commands["train"].params}
    for knob in KNOBS.values():
        assert parameters[knob.name].help == knob.about
        assert parameters[knob.name].default is None
        assert f"--{knob.name.replace('_', '-')}" in parameters[knob.name].opts


@pytest.mark.parametrize(
    ("knobs", "text"),
    [
        ({"ratio": "4"}, "ratio: expected int, found '4'"),
        ({"nlf": "sine"}, "nlf: 'sine' is not one of 'sinusoidal'"),
        ({"phi_range": [1]}, "phi_range: expected 2 values, found 1"),
        ({"phi_sign": 2}, "phi_sign: 2 is not one of 1, -1"),
        ({"normalise": True}, "unknown key “normalise”; known keys are .*, normalize,"),
    ],
)
def test_a_campaign_reads_knobs_strictly(knobs, text):
    with pytest.raises(StrictError, match=text):
        from_dict(ModelConfig, {"label": "one", "model": "resnet18_cifar", **knobs})


@pytest.mark.parametrize(("name", "text"), [("phi_sign", "2"), ("phi_range", "1"), ("omega_range", "1,x")])
def test_text_that_is_no_value_is_refused(name, text):
    with pytest.raises(InvalidSpec, match=f"^{name} is “{text}”"):
        KNOBS[name].parse(text)


def made(word, knobs):
    """All that a layer is, as text."""
    torch.manual_seed(0)
    layer = build_conv(ConvSpec(word, **knobs), ConvShape(16, 32, 3, stride=2, padding=1))
    return f"{layer} {layer.state_dict()}"


@pytest.mark.parametrize("word", METHODS)
def test_a_method_builds_and_reads_the_knobs_that_it_names(word):
    method = METHODS[word]
    plain = made(word, method.sample)
    assert method.about and method.colour.startswith("#") and (word in CONVOLUTIONS) == method.whole_network
    assert set(method.knobs) <= set(KNOBS) and set(method.one_of) <= set(method.knobs)
    for knob in method.knobs:
        sample = {} if knob in method.one_of else method.sample
        assert made(word, {**sample, knob: TURNED[knob][2]}) != plain, "the layer reads it"


def test_words_knobs_and_specifications_come_without_torch():
    code = (
        "import sys; from groupnl_deploy.models import knobs, methods, spec; spec.ConvSpec.preset('groupnl', 'paper');"
        "assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("knobs", [("groups",), "ratio"], ids=["another name", "no tuple"])
def test_a_convolution_that_reads_what_is_no_knob_is_refused_with_its_name(knobs) -> None:
    with pytest.raises(ValueError, match=r"the convolution mixed reads “(groups|r)”, which is no field of Knobs"):
        ConvMethod("mixed", "groups that mix", "grouped:standard_conv2d", "#000000", knobs)
