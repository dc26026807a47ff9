"""Steps A and B, and a growth step as a whole, on images of noise."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from groupnl_deploy.errors import TrainingDiverged
from groupnl_deploy.growth.budget import growing_bundles
from groupnl_deploy.growth.search import FIREFLY, Batch, optimise, score
from groupnl_deploy.growth.step import Grown, GrowthSettings, GrowthStep
from groupnl_deploy.models.probe.network import Probe, Slopes
from groupnl_deploy.models.probe.wiring import wire
from groupnl_deploy.models.registry import create_model, model_spec

_SPEC = model_spec("vgg11_cifar", width=0.0625)


def _images(seed: int, dtype: torch.dtype = torch.float32) -> Batch:
    drawn = torch.Generator().manual_seed(seed)
    return torch.randn(4, 3, 32, 32, generator=drawn).to(dtype), torch.arange(4)


def _pass(number: int) -> Iterator[Batch]:
    yield _images(10 * number)
    yield _images(10 * number + 1)


def _probe(dtype: torch.dtype = torch.float32) -> Probe:
    wiring = wire(create_model(_SPEC).eval().to(dtype).requires_grad_(False))
    return Probe(wiring, growing_bundles(wiring, 2, "inner"), torch.Generator().manual_seed(1))


def _values(probe: Probe) -> list[Tensor]:
    return [one.detach().clone() for one in probe.learned()]


def _equal(one: list[Tensor], other: list[Tensor]) -> list[bool]:
    return [torch.equal(first, second) for first, second in zip(one, other, strict=True)]


def test_step_a_changes_every_candidate_and_step_b_none() -> None:
    probe = _probe()
    drawn = _values(probe)

    optimise(probe, _pass(0), FIREFLY)
    learned = _values(probe)
    found = score(probe, _pass(1))

    assert not any(_equal(drawn, learned))
    assert all(_equal(learned, _values(probe)))
    assert set(found.split) == set(probe.growing) and 0 < found.negative < 1
    assert all(one.grad is None for one in probe.wiring.graph.parameters())


def test_a_score_is_the_slope_of_the_loss_along_a_candidate_at_its_full_strength() -> None:
    probe = _probe(torch.float64)
    inputs, labels = _images(3, torch.float64)
    found = score(probe, [(inputs, labels)])
    bundle, step = sorted(probe.growing)[2], 1e-4

    def loss(new: bool, by: float) -> float:
        probe.slopes = Slopes(probe.growing, torch.device("cpu"))
        with torch.no_grad():
            (probe.slopes.new if new else probe.slopes.split)[bundle][1] = by
            value = functional.cross_entropy(probe(inputs), labels).item()
        probe.slopes = None
        return value

    for new, scores in ((False, found.split), (True, found.new)):
        slope = (loss(new, step) - loss(new, -step)) / (2 * step)
        assert scores[bundle][1].item() == pytest.approx(slope, rel=1e-3, abs=1e-9)


def _grow(settings: GrowthSettings, network: nn.Module | None = None) -> Grown:
    return GrowthStep(_SPEC, network or create_model(_SPEC).eval(), settings).run(_pass)


def test_a_step_adds_exactly_the_budget_and_gives_an_ordinary_network() -> None:
    network = create_model(_SPEC).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}

    grown = _grow(GrowthSettings(0.5, k_new=8), network)

    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert (grown.width, grown.budget, grown.added) == (172, 86, 86)
    assert sum(one.final - one.old for one in grown.layers) == 86
    assert all(one.final == one.old + one.split + one.new <= 2 * one.old + 8 for one in grown.layers)
    ordinary = create_model(grown.spec).eval()
    ordinary.load_state_dict(grown.network.state_dict())
    assert torch.equal(ordinary(_images(0)[0]), grown.network(_images(0)[0]))
    assert not grown.network.training and all(one.requires_grad for one in grown.network.parameters())


def test_equal_steps_give_equal_bits_and_another_seed_other_ones() -> None:
    settings = GrowthSettings(0.2, k_new=2, select="random")

    first, again, other = (_grow(one) for one in (settings, settings, replace(settings, seed=1)))

    assert first.spec == again.spec != other.spec
    state = again.network.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in first.network.state_dict().items())
    assert first.negative is None and {one.threshold for one in first.layers} == {None}


def test_a_grown_network_grows_again() -> None:
    once = _grow(GrowthSettings(0.2, k_new=2, select="uniform"))

    twice = GrowthStep(once.spec, once.network, GrowthSettings(0.2, k_new=2)).run(_pass)

    assert twice.width == once.width + once.added
    assert sum(one.final for one in twice.layers) == twice.width + twice.added


def test_a_loss_that_is_no_number_ends_the_step() -> None:
    network = create_model(_SPEC).eval()
    with torch.no_grad():
        network.get_parameter("classifier.bias").fill_(torch.nan)

    with pytest.raises(TrainingDiverged, match="candidates for growth were optimised"):
        _grow(GrowthSettings(0.5, k_new=2), network)
