"""Evaluations beside runs: found by ids of networks, the nearest to the device first, and marked as their energy."""

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from device_agent.manifest import PICKED
from groupnl_deploy.bench.run import save_run
from groupnl_deploy.cli.main import app
from groupnl_deploy.evaluation.record import (
    FILE,
    CorruptedScore,
    EvaluationRecord,
    ImagesRecord,
    Score,
    SubjectRecord,
    keep_new,
    load_evaluation,
)
from groupnl_deploy.report.build import build_report
from groupnl_deploy.report.robustness import points_per_j, with_robustness
from groupnl_deploy.report.row import build_row
from groupnl_deploy.report.tables import picked_notes
from tests.report.test_report import MANIFEST, make_run, make_trace

CHECKPOINT, ARTIFACT = "c" * 64, make_run().artifact_sha256
IMAGES = ImagesRecord("digits", None, "generated", 100, 100, 0, ("fog", "snow"), (1, 2))
TWO = "2 corruptions (snow, fog)"


def record(subject: SubjectRecord, right: int = 50, when: str = "2026-01-01T00:00:00+00:00") -> EvaluationRecord:
    places = [(name, level) for name in IMAGES.corruptions for level in IMAGES.severities]
    scores = tuple(CorruptedScore(name, level, Score(100, right, 90)) for name, level in places)
    return EvaluationRecord(subject, IMAGES, Score(100, 95, 99), scores, when, "1")


OF_CHECKPOINT = record(SubjectRecord("checkpoint", "net", CHECKPOINT), right=40)
OF_ARTIFACT = record(SubjectRecord("artifact", "net, onnx", CHECKPOINT, ARTIFACT), right=50)
ON_DEVICE = record(SubjectRecord("device", "net, onnx, device pi", CHECKPOINT, ARTIFACT, "pi"), right=60)
ON_ANOTHER = record(SubjectRecord("device", "net, onnx, device b", CHECKPOINT, ARTIFACT, "b"), right=70)
OF_ANOTHER = record(SubjectRecord("checkpoint", "other", "d" * 64), right=80)
CLEAN = dataclasses.replace(
    record(SubjectRecord("device", "net", CHECKPOINT, ARTIFACT, "pi")), corrupted=(), created_at="2026-02-01T00:00:00"
)
CUT_SHORT = dataclasses.replace(ON_DEVICE, corrupted=ON_DEVICE.corrupted[:2], created_at="2026-03-01T00:00:00")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_run(tmp_path / "runs" / "metered", make_run(), make_trace())
    save_run(tmp_path / "runs" / "plain", make_run(), None)
    return tmp_path / "runs"


def kept(folder: Path, *records: EvaluationRecord) -> list[Path]:
    return [keep_new(one, folder) for one in records]


def report(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["report", "runs", "--allow-invalid", *arguments])


@pytest.mark.parametrize(
    ("records", "kind", "accuracy"),
    [
        ((OF_CHECKPOINT, OF_ANOTHER), "checkpoint", 0.4),
        ((OF_CHECKPOINT, OF_ARTIFACT, ON_ANOTHER), "artifact", 0.5),
        ((ON_DEVICE, OF_ARTIFACT, OF_CHECKPOINT), "device", 0.6),
        ((OF_CHECKPOINT, CUT_SHORT), "checkpoint", 0.4),
        ((CLEAN, OF_CHECKPOINT), "checkpoint", 0.4),  # the clean one says nothing of corruptions
        (
            (OF_CHECKPOINT, dataclasses.replace(OF_CHECKPOINT, created_at="2025-01-01T00:00:00", corrupted=())),
            None,
            0.4,
        ),
    ],
)
def test_the_nearest_to_the_device_with_corrupted_images_is_taken(runs, records, kind, accuracy) -> None:
    kept(runs / "evaluations", *records)
    for row in build_report([runs / "metered", runs / "plain"]).rows:
        assert row.evaluated == (kind or "checkpoint")
        assert (row.corrupted_accuracy, row.clean_accuracy) == (pytest.approx(accuracy), 0.95)
        assert row.corruption_error_is == f"mean error of {TWO} at severities 1, 2"


@pytest.mark.parametrize("picked", [False, True])
def test_that_images_picked_the_epoch_is_said_of_those_images_alone(runs, picked) -> None:
    run = make_run(manifest=dataclasses.replace(MANIFEST, picked=True))
    unlabelled = dataclasses.replace(run, images=dataclasses.replace(run.images, labels=None))
    notes = (PICKED,) if picked else ()
    found = dataclasses.replace(OF_ARTIFACT, images=dataclasses.replace(IMAGES, notes=notes))
    row = with_robustness(build_row(unlabelled, None, "one"), found)
    assert (row.accuracy, row.clean_accuracy, row.picked) == (None, 0.95, picked)
    assert with_robustness(build_row(run, None, "one"), found).picked and picked_notes([row]) == (
        (f"one: {PICKED}.",) if picked else ()
    )


def test_no_evaluation_of_this_network_leaves_every_column_out(runs) -> None:
    kept(runs / "evaluations", OF_ANOTHER)
    assert "Corrupted" not in report().stdout
    (row, _) = build_report([runs / "metered", runs / "plain"]).rows
    assert (row.evaluated, row.corrupted_accuracy, row.corrupted_points_per_j) == (None, None, None)


def test_a_campaigns_evaluations_lie_beside_its_folder_of_runs(runs) -> None:
    kept(runs.parent / "evaluations", OF_ARTIFACT)
    assert build_report([runs / "plain"]).rows[0].evaluated == "artifact"


def test_robustness_per_joule_carries_the_marks_of_its_energy(runs) -> None:
    kept(runs / "evaluations", OF_ARTIFACT)
    (metered, plain) = build_report([runs / "metered", runs / "plain"]).rows
    assert metered.energy_j is not None and metered.emulated
    assert metered.corrupted_points_per_j == pytest.approx(50 / metered.energy_j)
    assert plain.corrupted_points_per_j is None is points_per_j(0.5, 0.0)
    shown = report("--format", "markdown").stdout
    assert f"{metered.corrupted_points_per_j:.4g}*" in shown
    assert "Corr. points/J is the mean corrupted accuracy in per cent, by the gross joules of one inference." in shown
    assert f"means over digits, generated, {TWO} at severities 1, 2, answered by the artifact" in shown


def test_a_pivot_shows_several_numbers_of_the_same_networks(runs) -> None:
    kept(runs / "evaluations", OF_ARTIFACT)
    names = "clean_accuracy,corrupted_accuracy,p50_ms,energy_j,corrupted_points_per_j"
    done = report("--pivot", "run", "--value", names, "--format", "markdown")
    assert f"| run | {' | '.join(names.split(','))} |" in done.stdout.splitlines()
    (values,) = [line for line in done.stdout.splitlines() if line.startswith("| metered | 0.95 | 0.5 | ")]
    assert values.count("*") == 2  # the joules and what is divided by them
    cells = json.loads(report("--pivot", "run", "--value", names, "--json").stdout)["pivot"]["cells"]
    assert [(cell["column"], cell["emulated"]) for cell in cells[:2]] == [
        *(("clean_accuracy", True), ("corrupted_accuracy", True)),
    ]
    crossed = report("--pivot", "meter,run", "--value", "fps,energy_j", "--format", "csv").stdout.splitlines()[0]
    assert crossed == 'meter / run,"metered, fps","metered, energy_j","plain, fps","plain, energy_j"'


@pytest.mark.parametrize("value", ["p50_ms,", "fps,fps"])
def test_numbers_that_are_named_twice_or_not_at_all_are_refused(runs, value) -> None:
    done = report("--pivot", "run", "--value", value)
    assert done.exit_code == 2 and "is not NAME or NAME,NAME" in " ".join(done.stderr.split())


def test_csv_and_json_have_all_of_it(runs) -> None:
    kept(runs / "evaluations", ON_DEVICE)
    (line, _) = csv.DictReader(io.StringIO(report("--format", "csv").stdout))
    assert (line["evaluated"], line["corrupted_accuracy"]) == ("device", "0.6")
    assert line["evaluated_images"] == f"digits, generated, {TWO} at severities 1, 2"
    assert json.loads(report("--json").stdout)["rows"][0]["corruption_error"] == pytest.approx(0.4)


def test_different_images_are_told_apart_and_never_share_a_sentence(runs) -> None:
    result = dataclasses.replace(make_run().result, manifest_sha256="f" * 64)
    other = make_run(artifact_sha256="f" * 64, result=result)
    save_run(runs / "other", other, None)
    fewer = dataclasses.replace(IMAGES, severities=(1,))
    of_other = record(SubjectRecord("artifact", "net, onnx", CHECKPOINT, "f" * 64))
    ones = tuple(one for one in of_other.corrupted if one.severity == 1)
    kept(runs / "evaluations", OF_ARTIFACT, dataclasses.replace(of_other, images=fewer, corrupted=ones))
    shown = report("--format", "markdown").stdout
    assert "are of different images, as their column says" in shown
    assert f"{TWO} at severity 1, answered by the artifact |" in shown


def test_a_damaged_evaluation_is_named_and_its_numbers_are_not_shown(runs) -> None:
    (place,) = kept(runs / "evaluations", OF_ARTIFACT)
    assert load_evaluation(place) == OF_ARTIFACT
    path = place / FILE
    path.write_text(path.read_text().replace('"right": 50', '"right": 99'))
    done = report()
    assert done.exit_code == 4 and "Corrupted" not in done.stdout
    assert f"evaluations/{place.name} is damaged and not shown" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"corrupted": OF_ARTIFACT.corrupted * 2}, "one that stands twice"),
        ({"corrupted": (CorruptedScore("rain", 1, Score(1, 1)),)}, "unknown corruptions"),
        ({"clean": Score(10, 11)}, "counts that cannot be"),
    ],
)
def test_scores_that_cannot_be_are_no_record(changes, says) -> None:
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(OF_ARTIFACT, **changes)
