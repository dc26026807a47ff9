"""`groupnl energy-model sweep` as people type it: what it shows, what it refuses, how it ends."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from device_agent.settings import Settings, Workload
from groupnl_deploy.cli.main import app
from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_sweep.carry_out import carry_out
from groupnl_deploy.energy_sweep.key import key_of_device
from groupnl_deploy.energy_sweep.layers import group_counts, shapes_of
from groupnl_deploy.energy_sweep.plan import SweepPlan
from groupnl_deploy.progress import Silence
from tests.energy_sweep.made_sweep import Bench, without_artifacts

TEXT = "8x4x4x3,8x8x8x3,16x4x4x3,16x8x8x3"
OPTIONS = ("--threads", "1", "--seconds", "1", "--idle", "0", "--repeats", "1")


def cost(shape: LayerShape, groups: int) -> float:
    """Groups of four channels are the cheapest, and depthwise costs less than any."""
    size = shape.in_channels // groups
    return 1e-4 if size == 1 else 1e-3 * (1 + abs(size - 4))


def sweep(*words: object) -> Result:
    return CliRunner().invoke(app, ["energy-model", "sweep", *map(str, words)])


def plan(repeats: int = 1) -> SweepPlan:
    """What the command with `OPTIONS` measures on this machine."""
    key = key_of_device("local", 1, 1, Silence(), 0.0)
    settings = Settings(1, workload=Workload(min_seconds=1.0, idle_s=0.0))
    return SweepPlan("local", key, shapes_of(TEXT), settings, repeats, None, False)


def whole(out: Path, monkeypatch: pytest.MonkeyPatch, slow: dict[int, int] | None = None) -> SweepPlan:
    """A finished sweep of it, whose runs are made by hand."""
    without_artifacts(monkeypatch)
    made = plan()
    carry_out(made, out, Bench(made, cost, slow=slow or {}), Silence())
    return made


def test_a_finished_sweep_is_shown_and_fitted_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "sweep"
    made = whole(out, monkeypatch)
    shown = sweep("--device", "local", "--shapes", TEXT, *OPTIONS, "--out", out)
    assert shown.exit_code == 0, shown.output
    assert "Time of one layer and frame" in shown.stdout and "Time stands in for it" in shown.output
    assert "16→16, 3x3, 8x8: depthwise aside, g = 4 (G = 4) costs least." in shown.stdout
    assert f"Next: groupnl energy-model fit {out}/sweep.json --out {out}/model.json" in shown.stderr
    fitted = CliRunner().invoke(
        app, ["energy-model", "fit", str(out / "sweep.json"), "--out", str(out / "model.json"), "--json"]
    )
    assert fitted.exit_code == 0, fitted.output
    model = json.loads(fitted.stdout)
    assert model["quantity"] == "time" and model["key"]["runtime"] == made.key.runtime


def test_its_document_has_every_window_with_clock_and_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "sweep"
    made = whole(out, monkeypatch)
    done = sweep("--device", "local", "--shapes", TEXT, *OPTIONS, "--out", out, "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert (document["quantity"], document["unit"], document["meter"], document["copies"]) == ("time", "s", None, 20)
    assert document["sweep"] == str(out / "sweep.json") and document["key"]["threads"] == 1
    assert len(document["cells"]) == sum(len(group_counts(shape)) for shape in made.shapes)
    first = document["cells"][0]
    assert (first["in_channels"], first["height"], first["groups"]) == (8, 4, 1)
    assert first["cost"] == pytest.approx(cost(made.shapes[0], 1)) == first["windows"][0]["cost"]
    assert {"run", "problems", "clock_mhz", "hottest_c", "throttled"} <= set(first["windows"][0])


def test_cells_without_a_valid_run_end_it_with_six(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "sweep"
    whole(out, monkeypatch, slow={2: 20})
    monkeypatch.setattr(
        "groupnl_deploy.energy_sweep.kept_runs.KeptRuns.set_aside_unsound", lambda *_: None
    )  # measures nothing
    words = ("--device", "local", "--shapes", TEXT, *OPTIONS, "--out", out)
    ended = sweep(*words)
    assert ended.exit_code == 6 and "1 of 18 layers and numbers of groups have no valid run" in ended.stderr
    assert "the same command measures again what is invalid" in ended.stderr
    assert "!" in ended.stdout and "0 of 1" in ended.stdout
    assert ended.stdout.count("costs least") == 3, "of the layer that lacks one nothing is said"
    assert sweep(*words, "--allow-invalid").exit_code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--shapes", "64x28"), "“64x28”, which is no layer"),
        (("--shapes", "8x4x4x3,8x8x8x3"), "2 layers, and a fit wants 4"),
        (("--threads", 900), "900 threads were asked for"),
        (("--meter", "km003c", "--seconds", 1), "at least 10 s"),
        (("--port", "emulator"), "need --meter"),
        (("--quick", "--shapes", f"{TEXT},8x4x4x3"), "8x4x4x3 twice"),
    ],
)
def test_what_cannot_be_measured_is_refused_and_nothing_is_written(
    words: tuple[object, ...], says: str, tmp_path: Path
) -> None:
    refused = sweep("--device", "local", *words, "--out", tmp_path / "sweep")
    assert refused.exit_code == 2 and says in refused.stderr, refused.output
    assert "Try:" in refused.stderr and not (tmp_path / "sweep").exists()


def test_another_command_on_the_same_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "sweep"
    made = whole(out, monkeypatch)
    refused = sweep("--device", "local", "--shapes", TEXT, *OPTIONS, "--batch", 2, "--out", out)
    assert refused.exit_code == 2 and "batch 1 there, 2 asked for" in refused.stderr
    key = replace(made.key, runtime="onnxruntime 1.2.3")
    monkeypatch.setattr("groupnl_deploy.energy_sweep.key.key_of_device", lambda *_: key)
    refused = sweep("--device", "local", "--shapes", TEXT, *OPTIONS, "--out", out)
    assert refused.exit_code == 2 and "onnxruntime 1.2.3 asked for" in refused.stderr


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    refused = sweep("--device", "local", "--out", tmp_path)
    assert refused.exit_code == 2 and "exists already" in refused.stderr
