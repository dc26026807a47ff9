"""What a growth step keeps: the function where nothing is chosen, the probe's where everything is, and the widths."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from groupnl_deploy.growth.apply import grown_state, grown_widths
from groupnl_deploy.growth.budget import growing_bundles
from groupnl_deploy.growth.choices import Residual
from groupnl_deploy.models.probe.layout import Growth
from groupnl_deploy.models.probe.network import Probe
from groupnl_deploy.models.probe.wiring import wire
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.models.spec import ModelSpec

_PLAIN = {"normalize": False}
_OVER_SEEDS = {"normalize": False, "bn_position": "seeds"}


def _used(spec: ModelSpec) -> nn.Module:
    """In double precision, with statistics as behind a training: no two channels are alike."""
    network = create_model(spec).eval().double()
    drawn = torch.Generator().manual_seed(5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low in ((module.running_mean, -0.5), (module.running_var, 0.5), (module.weight, 0.5)):
                assert isinstance(values, Tensor)
                values.data.uniform_(low, low + 1, generator=drawn)
    return network


def _probe(network: nn.Module, residual: Residual, k_new: int = 2, **kinds: Any) -> Probe:
    wiring = wire(network)
    return Probe(wiring, growing_bundles(wiring, k_new, residual), torch.Generator().manual_seed(1), **kinds)


def _grown(spec: ModelSpec, probe: Probe, chosen: Mapping[int, Growth]) -> nn.Module:
    wider = create_model(replace(spec, widths=tuple(grown_widths(probe.wiring, chosen).items()))).eval().double()
    wider.load_state_dict(grown_state(probe, chosen))
    return wider


def _all_of(probe: Probe) -> dict[int, Growth]:
    return {
        number: Growth(tuple(range(one.layout.units)), tuple(range(one.new_units)))
        for number, one in probe.growing.items()
    }


def _images() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2)).double()


@pytest.mark.parametrize(
    ("name", "method", "knobs", "residual", "k_new"),
    [
        ("vgg11_cifar", "standard", {}, "inner", 2),  # its max-pooling takes each half by itself
        ("mobilenetv1_cifar", "standard", {}, "inner", 2),
        ("resnet18_cifar", "standard", {}, "inner", 2),
        ("resnet18_cifar", "standard", {}, "tied", 0),
        ("resnet18_cifar", "groupnl", _PLAIN, "tied", 8),
        ("vgg11_cifar", "groupnl", _OVER_SEEDS, "inner", 8),
    ],
)
def test_with_all_candidates_the_network_computes_what_the_probe_does_and_with_none_what_it_did(
    name: str, method: str, knobs: dict[str, Any], residual: Residual, k_new: int
) -> None:
    spec = model_spec(name, method, width=0.125, knobs=knobs)
    network = _used(spec)
    probe = _probe(network, residual, k_new)

    kept = grown_state(probe, {})
    every = _all_of(probe)
    wider = _grown(spec, probe, every)

    assert all(torch.equal(kept[key], value) for key, value in network.state_dict().items())
    with torch.no_grad():
        torch.testing.assert_close(wider(_images()), probe(_images()), rtol=0, atol=1e-12)
        assert not torch.allclose(network(_images()), probe(_images()), atol=1e-4)


def test_firefly_takes_the_mean_of_both_halves_before_max_pooling_which_no_grown_network_does() -> None:
    spec = model_spec("vgg11_cifar", width=0.125)
    probe = _probe(_used(spec), "inner", pooled_means=True)

    wider = _grown(spec, probe, _all_of(probe))

    with torch.no_grad():
        assert not torch.allclose(wider(_images()), probe(_images()), atol=1e-4)


def test_of_a_few_candidates_each_layer_gets_those_and_what_reads_a_split_channel_is_halved() -> None:
    spec = model_spec("vgg11_cifar", width=0.125)
    network = _used(spec)
    probe = _probe(network, "inner")
    first = min(probe.growing)
    chosen = {first: Growth(split=(3,), new=(1,))}

    wider = _grown(spec, probe, chosen)

    assert grown_widths(probe.wiring, chosen) == {"features.0": 10}
    old, new = network.state_dict(), wider.state_dict()
    own, reader = probe.candidates["features.0"], probe.candidates["features.4"]
    assert own.split is not None and own.new is not None and reader.read is not None
    split = own.split[3]
    torch.testing.assert_close(new["features.0.weight"][3], old["features.0.weight"][3] + split)
    torch.testing.assert_close(new["features.0.weight"][8], old["features.0.weight"][3] - split)
    torch.testing.assert_close(new["features.0.weight"][9], own.new[1])
    assert new["features.1.running_var"][8:].tolist() == [old["features.1.running_var"][3].item(), 1]
    assert torch.equal(new["features.4.weight"][:, 3], old["features.4.weight"][:, 3] / 2)
    assert torch.equal(new["features.4.weight"][:, 8], old["features.4.weight"][:, 3] / 2)
    assert torch.equal(new["features.4.weight"][:, 9], reader.read[:16, 1])
    assert torch.equal(new["features.4.weight"][:, :3], old["features.4.weight"][:, :3])


def test_a_new_unit_of_groupnl_leaves_what_the_old_ones_generate() -> None:
    spec = model_spec("vgg11_cifar", "groupnl", width=0.25, knobs=_PLAIN)
    network = _used(spec)
    probe = _probe(network, "inner", 8)
    first = min(probe.growing)

    wider = _grown(spec, probe, {first: Growth(new=(0,))})

    with torch.no_grad():
        before = network.get_submodule("features.0")(_images())
        after = wider.get_submodule("features.0")(_images())
    assert before.shape[1:2] == (16,) and after.shape[1:2] == (24,)
    old = [block * 3 + place for block in range(8) for place in range(2)]  # eight blocks of two gain one each
    torch.testing.assert_close(after[:, old], before)


def test_firefly_leaves_zeros_in_new_depthwise_filters_and_in_what_the_classifier_reads_of_new_channels() -> None:
    network = _used(model_spec("mobilenetv1_cifar", width=0.125))
    probe = _probe(network, "inner")

    zeros, ours = (grown_state(probe, _all_of(probe), zero) for zero in (True, False))

    assert not zeros["blocks.0.0.conv_dw.weight"][-2:].any() and ours["blocks.0.0.conv_dw.weight"][-2:].all()
    assert not zeros["classifier.weight"][:, -2:].any() and ours["classifier.weight"][:, -2:].all()
