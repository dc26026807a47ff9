"""Accuracy class by class, in every form of a report, from hand-made runs."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from device_agent.manifest import DataRecord, TensorInfo
from groupnl_deploy.bench.run import BenchRun, Images, load_run, save_run
from groupnl_deploy.cli.main import app
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.images.confusion import count_confusion
from groupnl_deploy.report.build import Report
from groupnl_deploy.report.classes import class_sections, class_tables, shortened
from groupnl_deploy.report.confusion_plot import draw_confusion
from groupnl_deploy.report.render import render
from groupnl_deploy.report.row import build_row
from tests.report.test_report import MANIFEST, make_run

NAMES = ("a cat", "Großer Schweizer Sennenhund", "猫")
LABELS, ANSWERS = (0, 0, 1, 2), (0, 1, 1, 0)


def labelled(names: tuple[str, ...] = NAMES, classes: int = 3, **changes: Any) -> BenchRun:
    data = DataRecord("folder", "d" * 64, names, None)
    outputs = (TensorInfo("logits", (1, classes)),)
    run = make_run(manifest=dataclasses.replace(MANIFEST, data=data, outputs=outputs, **changes))
    result = dataclasses.replace(run.result, predictions=ANSWERS)
    return dataclasses.replace(run, result=result, images=Images("folder, 4 of 4 test images", LABELS))


def report_of(*runs: BenchRun) -> Report:
    return Report(tuple(build_row(run, None, f"run{index}") for index, run in enumerate(runs)))


def test_json_has_each_class_the_matrix_and_the_pairs() -> None:
    (row,) = json.loads(render(report_of(labelled()), "json"))["rows"]
    assert row["confusion"]["class_names"] == list(NAMES)
    assert row["confusion"]["matrix"] == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert {"true": "猫", "answered": "a cat", "images": 1} in row["confusion"]["confused"]
    assert [(one["name"], one["images"], one["right"]) for one in row["per_class"]] == list(
        zip(NAMES, (2, 1, 1), (1, 1, 0), strict=True)
    )
    assert row["accuracy"] == 0.5 and 0.15 < row["accuracy_low"] < 0.5 < row["accuracy_high"] < 0.85
    assert "accuracy_low" in render(report_of(labelled()), "csv").splitlines()[0].split(",")


def test_a_huge_matrix_is_told_by_its_pairs() -> None:
    names = tuple(f"class {number}" for number in range(101))
    (row,) = json.loads(render(report_of(labelled(names, 101)), "json"))["rows"]
    assert row["confusion"]["matrix"] is None and len(row["confusion"]["confused"]) == 2


def test_markdown_has_the_classes_of_each_model_once() -> None:
    other = labelled(source=dataclasses.replace(MANIFEST.source, sha256="e" * 64), label="another")
    report = report_of(labelled(), labelled(format="torch"), other)
    assert [(section.model, section.runs) for section in class_sections(report)] == [
        (MANIFEST.label, ("run0", "run1")),
        ("another", ("run2",)),
    ]
    text = render(report, "markdown")
    assert text.count("| Class | Images |") == 2 and text.count("| a cat | 2 | 1 | 50.0 |") == 2
    assert "50.0 % of 4 images, 95 % interval 15.0 to 85.0 %" in text


def test_classes_that_nobody_named_are_numbers_and_a_network_may_have_more_than_its_data() -> None:
    (row,) = report_of(labelled(())).rows
    assert row.confusion is not None and row.confusion.class_names == ("0", "1", "2")
    (row,) = report_of(labelled(classes=4)).rows
    assert row.confusion is not None and row.confusion.class_names == (*NAMES, "class 3")


@pytest.mark.parametrize("changes", [{"trained": False}, {"outputs": (TensorInfo("boxes", (1, 4, 4)),)}])
def test_what_answers_nothing_has_no_classes(changes: dict[str, Any]) -> None:
    run = labelled()
    run = dataclasses.replace(run, manifest=dataclasses.replace(run.manifest, **changes))
    (row,) = report_of(run).rows
    assert row.confusion is None and row.accuracy is None


@pytest.mark.parametrize(
    "edit", [{"predictions": (0, 1, 1, 3)}, {"predictions": (0, 1, 1)}, {"labels": (0, 0, 1, 9**9)}]
)
def test_a_run_with_answers_or_labels_that_cannot_be_is_refused(edit: dict[str, Any], tmp_path: Path) -> None:
    run = labelled()
    if "labels" in edit:
        run = dataclasses.replace(run, images=dataclasses.replace(run.images, **edit))
    else:
        run = dataclasses.replace(run, result=dataclasses.replace(run.result, **edit))
    save_run(tmp_path / "run", run, None)
    with pytest.raises(VerificationFailed, match="contradicts itself"):
        load_run(tmp_path / "run")


def test_many_classes_are_told_by_the_worst_and_by_pairs() -> None:
    names = [f"class {number}" for number in range(30)]
    labels = [number for number in range(30) for _ in range(4)]
    answers = [label if index % 4 else (label + 1) % 30 for index, label in enumerate(labels)]
    answers[:4] = [5, 5, 5, 0]
    worst, pairs = class_tables(count_confusion(labels, answers, names))
    assert worst.rows[0][:4] == ("class 0", "4", "1", "25.0") and len(worst.rows) == 20
    assert pairs.rows[0] == ("class 0", "class 5", "3")


def test_names_are_shortened_into_the_width_or_become_numbers() -> None:
    assert shortened(["a cat", "a dog"], 5) == ("a cat", "a dog")
    assert shortened(["a big cat", "the dog"], 6) == ("a big…", "the d…")
    assert shortened(["a big cat", "a big dog"], 6) == ("0", "1")
    (table,) = class_tables(count_confusion(LABELS, ANSWERS, NAMES), 70)
    assert [heading for heading, _ in table.headings[-3:]] == ["0", "1", "2"]
    assert [row[0] for row in table.rows] == ["0 a cat", "1 Großer Schweizer Senn…", "2 猫"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    save_run(tmp_path / "run", labelled(), None)
    return tmp_path / "run"


@pytest.mark.filterwarnings("error")
def test_letters_that_the_font_lacks_and_those_of_formulas_are_drawn() -> None:
    names = ("$5 and $x^", "猫", "a\\b")
    sections = class_sections(report_of(labelled(names)))
    assert draw_confusion(sections, "svg").startswith(b"<?xml")


def test_the_command_shows_and_draws_them(run: Path) -> None:
    done = CliRunner().invoke(app, ["report", "run", "--classes", "--confusion", "x.png"])
    assert done.exit_code in (0, 6), done.output
    assert "Großer Schweizer" in done.stdout and "worst of 3 classes: 猫, 0 of 1" in done.stdout
    assert Path("x.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--classes", "--format", "csv"], "--classes is for tables"),
        (["--classes", "--json"], "has them always"),
        (["--confusion", "x.jpg"], "picture format “jpg”"),
        (["--confusion", "far/x.png"], "The folder far does not exist"),
        (["--confusion", "run"], "picture format"),
    ],
)
def test_what_cannot_be_shown_so_is_refused_before_the_table(run: Path, words: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["report", "run", *words])
    assert done.exit_code == 2 and said in done.stderr and done.stdout == ""


def test_runs_without_labels_have_no_classes_to_show(tmp_path: Path) -> None:
    save_run(tmp_path / "run", make_run(images=Images("photographs", None)), None)
    done = CliRunner().invoke(app, ["report", str(tmp_path / "run"), "--classes"])
    assert done.exit_code == 2 and "no classes can be counted" in done.stderr
    with pytest.raises(UsageError, match="have 0 with labels"):
        draw_confusion([])
