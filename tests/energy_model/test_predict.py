"""A model's answers about a network add up, and the cheapest of them is the cheapest there is."""

import itertools
from pathlib import Path

import pytest
from typer.testing import CliRunner

from device_agent.strict import to_json
from groupnl_deploy.cli.main import app
from groupnl_deploy.energy_model.additive_law import AdditiveLaw
from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.model import EnergyModel, fit
from groupnl_deploy.energy_model.predict import predict
from tests.energy_model.synthetic import SHAPES, sweep_of

LAW = AdditiveLaw(base=2e-5, per_mac=3e-11, per_narrow_activation=4e-8, per_group=0.0)
LAYERS = [("a", LayerShape(64, 64, 3, 32, 32)), ("b", LayerShape(64, 128, 3, 16, 16, 2)), ("c", SHAPES[2])]


@pytest.fixture(scope="module")
def model() -> EnergyModel:
    return fit(sweep_of(LAW.cost, windows=1, shapes=SHAPES[1:6]))


def test_the_variants_are_sums_of_layers_and_the_best_is_the_best(model: EnergyModel) -> None:
    asked = predict(model, LAYERS)
    own, *_ = (one for one in asked.variants if one.kind == "each layer its own")
    assert own.cost == pytest.approx(sum(one.cost for one in asked.layers))
    assert asked.variants[0] == own, "no variant is cheaper than the best of each layer"
    assert [one.cost for one in asked.variants] == sorted(one.cost for one in asked.variants)
    shapes = [shape for _, shape in LAYERS]
    sizes = {one.number: one.cost for one in asked.variants if one.kind == "E2GC"}
    assert set(sizes) == {2, 4, 8, 16, 32, 64}
    for size, cost in sizes.items():
        assert cost == pytest.approx(sum(LAW.cost(shape, shape.in_channels // size) for shape in shapes), rel=1e-6)
    numbers = {one.number: one.cost for one in asked.variants if one.kind == "FgGC"}
    assert set(numbers) == {1, 2, 4, 8, 16, 32}
    assert all(
        min(LAW.cost(shape, groups) for groups in shape.group_counts[:-1]) == pytest.approx(one.cost, rel=1e-6)
        for one, shape in zip(asked.layers, shapes, strict=True)
    )


def test_a_measured_layer_is_its_measurement(model: EnergyModel) -> None:
    layer = predict(model, LAYERS).layers[2]
    assert layer.measured and layer.cost == pytest.approx(LAW.cost(layer.shape, layer.groups))
    assert layer.depthwise_cost == pytest.approx(LAW.cost(layer.shape, 128))


def test_without_depthwise_there_is_no_answer_about_it() -> None:
    sweep = sweep_of(LAW.cost, windows=1, shapes=SHAPES[1:6])
    points = tuple(point for point in sweep.points if not point.shape.is_depthwise(point.groups))
    asked = predict(fit(type(sweep)(sweep.key, sweep.quantity, sweep.meter, False, points)), LAYERS)
    assert asked.best("depthwise") is None and {one.depthwise_cost for one in asked.layers} == {None}


def run(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_from_a_sweep_to_a_prediction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groupnl_deploy.cli.energy_model._layers", lambda *_: LAYERS)
    (tmp_path / "sweep.json").write_text(to_json(sweep_of(LAW.cost, windows=1, shapes=SHAPES[1:6])))
    out = tmp_path / "model.json"
    fitted = run("energy-model", "fit", tmp_path / "sweep.json", "--out", out)
    assert fitted.exit_code == 0, fitted.output
    assert "constant G" in fitted.output and "Regret" in fitted.output
    again = run("energy-model", "fit", tmp_path / "sweep.json", "--out", out)
    assert again.exit_code == 2 and out.is_file()
    shown = run("energy-model", "predict", out, "--model", "mobilenetv1_100", "--threads", 4)
    assert shown.exit_code == 0, shown.output
    assert "G = 16" in shown.output and "Depthwise" in shown.output
    document = run("energy-model", "predict", out, "--model", "mobilenetv1_100", "--json")
    assert '"best_group_size": 16' in document.stdout and '"unit": "J"' in document.stdout
    other = run("energy-model", "predict", out, "--model", "mobilenetv1_100", "--board", "Pi 5")
    assert other.exit_code == 2


def test_what_stands_in_for_energy_and_what_is_emulated_is_said(tmp_path: Path) -> None:
    plain = sweep_of(LAW.cost, windows=1, shapes=SHAPES[1:6])
    of_time = type(plain)(plain.key, "time", None, False, plain.points)
    emulated = type(plain)(plain.key, "energy", "km003c", True, plain.points)
    for sweep, word in ((of_time, "Time stands in for it"), (emulated, "EMULATED")):
        path, out = tmp_path / f"{word[0]}.json", tmp_path / f"{word[0]}-model.json"
        path.write_text(to_json(sweep))
        assert word in run("energy-model", "fit", path, "--out", out).output


def test_group_counts_and_costs_of_a_layer() -> None:
    layer = LayerShape(512, 512, 3, 14, 14)
    assert layer.dense_macs == 512 * 512 * 9 * 196 and layer.params(8) == 512 * 512 * 9 / 8
    assert layer.activations == 1024 * 196
    assert layer.intensity(1) == pytest.approx(180.6, abs=0.1) and layer.intensity(512) == pytest.approx(4.4, abs=0.01)
    assert LayerShape(64, 96, 3, 7, 7).group_counts == (1, 2, 4, 8, 16, 32)
    assert all(earlier < later for earlier, later in itertools.pairwise(LayerShape(60, 60, 3, 7, 7).group_counts))
