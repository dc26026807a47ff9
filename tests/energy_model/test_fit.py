"""Layers with a known law of cost give its parameters back, and a fit says how good it is."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from device_agent.strict import from_json, to_json
from groupnl_deploy.energy_model.additive_law import AdditiveLaw
from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.model import EnergyModel, TooFewLayers, fit, load_model, save_model
from groupnl_deploy.energy_model.sweep import Sweep
from groupnl_deploy.errors import UsageError, VerificationFailed
from tests.energy_model.synthetic import SHAPES, sweep_of

LAW = AdditiveLaw(base=2e-4, per_mac=3e-11, per_narrow_activation=4e-8, per_group=5e-7)


def bowl(best):
    """A parabola in ln g, so that the three lowest points have its vertex exactly."""
    return lambda shape, groups: 1e-3 * (1 + 0.1 * math.log(groups / best(shape)) ** 2)


def paper(beta: float, gamma: float):
    return bowl(
        lambda shape: shape.in_channels**2 * shape.kernel**2 * (shape.height * shape.width) ** (1 - beta) / gamma
    )


def steps(shape: LayerShape, groups: int) -> float:
    """Blocks of 16 channels: fewer in a group cost more than 16 do. Depthwise has code of its own."""
    blocks = shape.dense_macs / groups * max(1.0, 16 / shape.group_size(groups)) ** 1.5
    return 1e-12 * (shape.macs(groups) * 4 if shape.is_depthwise(groups) else blocks)


@pytest.fixture(scope="module")
def additive() -> EnergyModel:
    return fit(sweep_of(LAW.cost, scatter=0.02, seed=2))


def test_the_additive_law_is_found_within_its_intervals(additive: EnergyModel) -> None:
    found = {one.parameter: one for one in additive.intervals if one.rule == "additive"}
    for name, value in vars(LAW).items():
        assert found[name].low <= value <= found[name].high, name
        assert found[name].low <= getattr(additive.additive, name) <= found[name].high
        assert found[name].high / found[name].low < 1.3, "an interval that tells something"


def test_of_many_sweeps_about_nineteen_in_twenty_have_the_law_in_the_interval() -> None:
    from groupnl_deploy.energy_model import bootstrap

    held = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "DRAWS", 60)
        patch.setattr(bootstrap, "_FITTED", ("additive",))
        for seed in range(12):
            found = bootstrap.intervals(sweep_of(LAW.cost, scatter=0.05, seed=seed, shapes=SHAPES[2:7]))
            held += [one.low <= getattr(LAW, one.parameter) <= one.high for one in found]
    assert np.mean(held) > 0.8


def test_without_scatter_every_law_is_exact() -> None:
    exact = fit(sweep_of(LAW.cost, windows=1))
    assert np.allclose(list(vars(exact.additive).values()), list(vars(LAW).values()), rtol=1e-6)
    assert exact.intervals == (), "one window tells nothing of how they scatter"
    assert exact.law == "additive"
    assert max(exact.regrets[1].each) < 1e-9
    assert exact.cost(LayerShape(384, 384, 3, 20, 20), 12) == pytest.approx(
        LAW.cost(LayerShape(384, 384, 3, 20, 20), 12)
    )


@pytest.mark.parametrize("beta", [0.35, 0.5, 0.7])
def test_the_papers_law_is_found(beta: float) -> None:
    gamma = 5e5 * 28 ** (2 * (0.5 - beta))  # of every layer the best is within what was measured
    found = fit(sweep_of(paper(beta, gamma), windows=1)).paper
    assert found.beta == pytest.approx(beta, abs=1e-6) and found.gamma == pytest.approx(gamma, rel=1e-4)
    assert found.exponent == pytest.approx(1, abs=1e-6)
    for shape in SHAPES:
        wanted = shape.in_channels**2 * 9 * (shape.height * shape.width) ** (1 - beta) / gamma
        assert found.groups(shape) == pytest.approx(wanted, rel=1e-3)


def test_the_papers_law_is_found_within_its_intervals() -> None:
    found = fit(sweep_of(paper(0.6, 2.5e5), scatter=0.01))
    of_paper = {one.parameter: one for one in found.intervals if one.rule == "paper"}
    assert of_paper["beta"].low <= 0.6 <= of_paper["beta"].high
    assert of_paper["gamma"].low <= 2.5e5 <= of_paper["gamma"].high


def test_a_constant_size_is_found_and_then_the_simplest_rule_is_taken() -> None:
    found = fit(sweep_of(bowl(lambda shape: shape.in_channels / 16), windows=1))
    assert found.constant.group_size == pytest.approx(16)
    assert found.rule == "constant" and found.constant_is_right


def test_blocks_of_sixteen_channels_are_a_cliff_that_the_table_has() -> None:
    found = fit(sweep_of(steps, windows=1))
    regrets = {one.rule: one.mean for one in found.regrets}
    assert regrets["table"] < 0.01
    assert found.law == "table"
    for shape in SHAPES:
        assert shape.in_channels / found.table.groups(shape) == 16
        assert found.cost(shape, 1) == pytest.approx(steps(shape, 1))
        assert found.cost(shape, shape.in_channels) == pytest.approx(steps(shape, shape.in_channels))


def test_a_model_is_the_same_when_it_was_kept(additive: EnergyModel, tmp_path: Path) -> None:
    save_model(tmp_path / "model.json", additive)
    assert load_model(tmp_path / "model.json") == additive
    assert from_json(EnergyModel, to_json(additive)) == additive


def test_equal_sweeps_give_equal_models() -> None:
    one, other = (fit(sweep_of(LAW.cost, scatter=0.02, windows=2, shapes=SHAPES[2:6])) for _ in range(2))
    assert to_json(one) == to_json(other)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(VerificationFailed, match="missing key"):
        load_model(tmp_path / "model.json")
    with pytest.raises(UsageError, match="is no file"):
        load_model(tmp_path / "none.json")


def few(sweep: Sweep, keep) -> Sweep:
    return replace(sweep, points=tuple(point for point in sweep.points if keep(point)))


@pytest.mark.parametrize(
    ("keep", "says"),
    [
        (lambda point: point.shape in SHAPES[:3], "3 layers, and a fit wants 4"),
        (lambda point: point.groups not in (1, 2, 4, 8, 16) or point.shape != SHAPES[0], "1 number of groups"),
        (lambda point: point.shape.height == 7, "2 layers"),
    ],
)
def test_too_little_is_refused(keep, says: str) -> None:
    with pytest.raises(TooFewLayers, match=says):
        fit(few(sweep_of(LAW.cost, windows=1), keep))


def test_maps_of_one_size_are_refused() -> None:
    shapes = [LayerShape(channels, channels, 3, 14, 14) for channels in (64, 128, 256, 512)]
    with pytest.raises(TooFewLayers, match="maps of one size"):
        fit(sweep_of(LAW.cost, windows=1, shapes=shapes))
