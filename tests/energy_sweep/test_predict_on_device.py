"""`groupnl energy-model predict --device`: a model is refused where the device, asked by the real agent, is another."""

import venv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from groupnl_deploy.cli.main import app
from groupnl_deploy.deploy.doctor import require_fit
from groupnl_deploy.deploy.inventory import add_device
from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.model import fit, save_model
from groupnl_deploy.energy_model.sweep import Key
from groupnl_deploy.energy_sweep.key import key_of_device
from groupnl_deploy.progress import Silence
from tests.energy_model.synthetic import SHAPES, sweep_of

LAYERS = [("a", LayerShape(64, 64, 3, 32, 32)), ("b", SHAPES[2])]


@pytest.fixture(autouse=True)
def two_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groupnl_deploy.cli.energy_model._layers", lambda *_: LAYERS)


@pytest.fixture(scope="module")
def here() -> Key:
    """What a sweep of one thread would be of on this machine."""
    return key_of_device("local", 1, 1, Silence(), 0.0)


def predict(folder: Path, key: Key, *words: object) -> Result:
    """Of a model with this key."""
    path = folder / "model.json"
    save_model(
        path, fit(replace(sweep_of(lambda shape, groups: 1e-3 * groups, windows=1, shapes=SHAPES[1:6]), key=key))
    )
    given = ("--model", "mobilenetv1_100", "--retry-for", "0", *words)
    return CliRunner().invoke(app, ["energy-model", "predict", str(path), *map(str, given)])


def test_a_model_of_this_machine_answers_for_it(here: Key, tmp_path: Path) -> None:
    """Batch, precision and pass are the model's own, and so are fewer threads than there are cores."""
    shown = predict(tmp_path, replace(here, batch=4, precision="float16"), "--device", "local")
    assert shown.exit_code == 0, shown.output
    assert "The best constant group size" in shown.stdout


def test_all_that_differs_is_named_with_what_can_be_done(here: Key, tmp_path: Path) -> None:
    other = replace(here, board="Pi 4", clock_mhz=1234.0, threads=900, runtime="onnxruntime 1.2.3", batch=2)
    refused = predict(tmp_path, other, "--device", "local")
    clock = "not fixed" if here.clock_mhz is None else f"{here.clock_mhz:g} MHz"
    cores = key_of_device("local", 0, 1, Silence(), 0.0).threads
    told = " ".join(refused.stderr.split())
    assert refused.exit_code == 2, refused.output
    assert (
        f"of the board “Pi 4”, and local has “{here.board}”; of the clock “1234 MHz”, and local has “{clock}”" in told
    )
    assert f"of the number of threads “900”, and local has “{cores}”" in told
    assert f"of the runtime “onnxruntime 1.2.3”, and local has “{here.runtime}”. What a convolution costs" in told
    assert f"groupnl energy-model sweep --device local --threads {cores} --batch 2 --out runs/local-sweep" in told
    assert "leave --device out" in told and not refused.stdout


def test_a_clock_that_is_no_longer_fixed_is_another(here: Key, tmp_path: Path) -> None:
    differs = replace(here, clock_mhz=None if here.clock_mhz else 1500.0)
    refused = predict(tmp_path, differs, "--device", "local")
    assert refused.exit_code == 2 and "is of the clock" in refused.stderr and ";" not in refused.stderr.split("Try")[0]


def test_zero_threads_are_every_core_there(tmp_path: Path) -> None:
    whole = key_of_device("local", 0, 1, Silence(), 0.0)
    (tmp_path / "one").mkdir()
    shown = predict(tmp_path, whole, "--device", "local", "--threads", 0)
    assert shown.exit_code == 0, shown.output
    more = replace(whole, threads=whole.threads + 1)
    refused = predict(tmp_path / "one", more, "--device", "local", "--threads", 0)
    assert refused.exit_code == 2 and "leave --device and --threads out" in " ".join(refused.stderr.split())


def test_threads_that_are_named_are_the_models_or_it_is_refused(here: Key, tmp_path: Path) -> None:
    refused = predict(tmp_path, here, "--device", "local", "--threads", 2)
    told = " ".join(refused.stderr.split())
    assert refused.exit_code == 2 and "is of the number of threads “1”, and “2” is asked for" in told
    assert "leave --threads out" in told


def test_an_emulated_board_is_refused_as_a_sweep_of_it_is(
    here: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def emulated(*given: Any, **named: Any) -> object:
        ready = require_fit(*given, **named)
        return replace(ready, board=replace(ready.board, emulated=True))

    monkeypatch.setattr("groupnl_deploy.energy_sweep.key.require_fit", emulated)
    refused = predict(tmp_path, here, "--device", "local")
    assert refused.exit_code == 2 and "local: an emulated board has neither time nor energy" in refused.stderr


@pytest.mark.sshd
def test_a_device_without_the_runtime_is_refused_as_a_sweep_there_is(here: Key, tmp_path: Path, sshd) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    add_device(sshd.device("bare", python=str(tmp_path / "bare" / "bin" / "python")))
    refused = predict(tmp_path, here, "--device", "bare")
    sweep = CliRunner().invoke(app, ["energy-model", "sweep", "--device", "bare", "--out", str(tmp_path / "sweep")])
    assert "bare: the backend onnxruntime lacks numpy, onnxruntime" in refused.stderr, refused.output
    assert (refused.exit_code, refused.stderr) == (sweep.exit_code, sweep.stderr)


def test_a_device_that_nobody_knows_is_refused(here: Key, tmp_path: Path) -> None:
    refused = predict(tmp_path, here, "--device", "lokal")
    assert refused.exit_code == 2 and "lokal" in refused.stderr
