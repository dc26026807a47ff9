"""Tables on request: the paper's beside ours, every row beside a baseline, one number by two traits."""

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from device_agent.manifest import ArtifactFile, TensorInfo
from device_agent.strict import to_dict
from groupnl_deploy.bench.run import BenchRun, save_run
from groupnl_deploy.cli.main import app
from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.report.baseline import baselines
from groupnl_deploy.report.beside_paper import paper_sections
from groupnl_deploy.report.build import Report, build_report
from groupnl_deploy.report.extras import Extras
from groupnl_deploy.report.pivot import Pivot
from groupnl_deploy.report.pivot_plot import pivot_figure
from groupnl_deploy.report.printed import printed_tables
from groupnl_deploy.report.render import render
from groupnl_deploy.report.repeats import groups_of
from groupnl_deploy.report.row import build_row
from groupnl_deploy.report.sections import Section
from tests.report.sample_runs import save_samples
from tests.report.test_report import MANIFEST, make_run, make_trace


def network_run(
    network: str, conv: ConvSpec, backend: str, p50_ms: float, mib: float = 10.0, side: int = 224
) -> BenchRun:
    spec = ModelSpec(network, conv, input_shape=(3, side, side), num_classes=1000)
    file = ArtifactFile("model.onnx", "e" * 64, round(mib * 2**20), "model")
    takes, gives = (TensorInfo("input", (1, 3, side, side)),), (TensorInfo("logits", (1, 1000)),)
    manifest = dataclasses.replace(MANIFEST, label=spec.label, model=to_dict(spec), files=(file,))
    run = make_run(manifest=dataclasses.replace(manifest, inputs=takes, outputs=gives))
    latencies_ns = (round(p50_ms * 1e6),) * 1000
    result = dataclasses.replace(run.result, backend=backend, latencies_ns=latencies_ns)
    return dataclasses.replace(run, result=result, images=dataclasses.replace(run.images, labels=None))


STANDARD, SPARSE = ConvSpec("standard"), ConvSpec.preset("groupnl-sparse")


@pytest.fixture(scope="module")
def resnets() -> Report:
    made = {
        "r50": network_run("resnet50", STANDARD, "onnxruntime", 400.0, 97.4),
        "r50g": network_run("resnet50", SPARSE, "onnxruntime", 300.0, 66.3),
        "r50-torch": network_run("resnet50", STANDARD, "pytorch", 900.0),
    }
    return Report(tuple(build_row(run, make_trace(), name) for name, run in made.items()))


def lines(section: Section) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(row[0], row[1]): row[2:] for row in section.rows}


def test_the_printed_values_are_the_papers() -> None:
    found = {table.number: table for table in printed_tables()}
    assert {number: len(table.rows) for number, table in found.items()} == {10: 8, 11: 8, 12: 8, 16: 14}
    assert found[12].rows[1].printed == {
        "time_s": "15.8",
        "fps": "6.35",
        "memory_mb": "178.0",
        "power_w": "6.290",
        "energy_wh": "0.0330",
        "accuracy_percent": "84",
    }
    for number in (11, 12):  # 100 images: what is printed of time and of FPS is one number
        for row in found[number].rows:
            assert 100 / row.values["time_s"] == pytest.approx(row.values["fps"], rel=0.012)
    for row in found[16].rows:
        assert 1000 / row.values["latency_ms"] == pytest.approx(row.values["fps"], rel=0.006)


def test_our_rows_stand_beside_the_papers_with_both_ratios(resnets: Report) -> None:
    sections = {section.name: section for section in paper_sections(groups_of(resnets))}
    table = lines(sections["table12"])
    assert table[("RS-50", "paper")][0] == "44.5" and table[("", "r50g / r50")][0] == "×1"
    assert table[("  /standard", "paper")][0] == "×0.773"  # of the last row
    sizes = lines(sections["table10"])
    assert sizes[("", "r50g")] == ("–", "66.3") and sizes[("", "r50g / r50")] == ("–", "×0.681")
    ratios = {one["row"]: one for one in sections["table10"].data["ratios"]}
    assert ratios["ResNet-50-GroupNL"]["printed"]["onnx_mib"] == pytest.approx(66.3 / 97.4)
    assert ratios["ResNet-50-GroupNL"]["ours"][0]["ratios"]["onnx_mib"] == pytest.approx(66.3 / 97.4, rel=1e-6)
    assert ratios["ResNet-50-GroupNL"]["ours"][0]["emulated"] is True
    assert "import and loading before them" in " ".join(sections["table12"].notes)
    assert any(cell.endswith("*") for cell in table[("", "r50g")])  # the meter is emulated
    assert sections["table16"].notes[0].startswith("None of these runs")
    assert list(sections)[-1] == "table16"


def test_networks_that_the_paper_has_not_have_their_ratio(tmp_path: Path) -> None:
    report = build_report(save_samples(tmp_path), drawn=True)
    (others, *_) = paper_sections(groups_of(report))
    assert others.name == "other_ratios"
    assert [(row[0], row[1]) for row in others.rows] == [
        ("resnet18_cifar", "groupnl-ort / standard-ort"),
        ("resnet18_cifar", "<i>groupnl / standard-pytorch"),
    ]
    page = render(report, "html", Extras(paper=True, baseline="standard-ort"))
    assert (
        "The paper&#x27;s Table 12" not in page
        and "Beside the paper" in page
        and "Beside standard-ort" in page
        and "×0.823" not in page.split("<main>")[0]
    )


def test_images_of_another_size_are_no_row_of_the_papers_and_have_a_ratio_of_their_own() -> None:
    made = {
        "small": network_run("resnet50", STANDARD, "onnxruntime", 100.0, side=128),
        "small-g": network_run("resnet50", SPARSE, "onnxruntime", 80.0, side=128),
        "large": network_run("resnet50", STANDARD, "onnxruntime", 400.0),
        "torch-g": network_run("resnet50", SPARSE, "pytorch", 300.0, side=128),
    }
    report = Report(tuple(build_row(run, None, name) for name, run in made.items()))
    sections = {section.name: section for section in paper_sections(groups_of(report))}
    assert [row[1] for row in sections["other_ratios"].rows] == ["small-g / small"]  # none is like torch-g
    assert [row[1] for row in sections["table12"].rows if row[1] != "paper"] == ["large"]


def test_a_baseline_is_found_for_each_row_as_it_was_measured(resnets: Report) -> None:
    data = json.loads(render(resnets, "json", Extras(baseline="resnet50 x1 standard")))["baseline"]
    assert [(row["row"], row["over"]) for row in data["rows"]] == [
        ("r50", "r50"),
        ("r50g", "r50"),  # of two that are called so, the one with its backend
        ("r50-torch", "r50-torch"),
    ]
    with pytest.raises(UsageError, match="The names of 2 rows begin with “r50-”"):
        two = (dataclasses.replace(row, run=f"r50-{n}") for n, row in enumerate(resnets.rows[:2]))
        baselines(groups_of(Report(tuple(two))), "r50-")
    for label in ("standard", "r50-t"):  # a convolution; the beginning of a run's name
        of_second = json.loads(render(resnets, "json", Extras(baseline=label)))["baseline"]["rows"][1]
        assert of_second["over"] == {"standard": "r50", "r50-t": "r50-torch"}[label]
    data = json.loads(render(resnets, "json", Extras(baseline="r50")))["baseline"]
    assert [row["time_ratio"] for row in data["rows"]] == [1.0, 0.75, 2.25]
    assert all(row["emulated"] for row in data["rows"])  # no number of made-up joules goes without that word
    text = render(resnets, "csv", Extras(baseline="r50"))
    (_, second, _) = csv.DictReader(io.StringIO(text))
    assert (second["baseline"], second["time_ratio"], second["memory_ratio"]) == ("r50", "0.75", "1.0")
    assert "| r50g | r50 | 0.750 | 1.000* | 1.000 |" in render(resnets, "markdown", Extras(baseline="r50"))


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    for name, backend, conv in (
        ("a", "onnxruntime", STANDARD),
        ("b", "pytorch", STANDARD),
        ("c", "onnxruntime", SPARSE),
    ):
        save_run(tmp_path / name, network_run("resnet50", conv, backend, 10.0 if name == "a" else 20.0), None)


def report(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["report", "a", "b", "c", *arguments])


def test_a_pivot_has_one_number_by_two_traits(runs: None) -> None:
    text = report("--pivot", "convolution,backend", "--value", "p50_ms", "--format", "csv").stdout
    assert text == "convolution / backend,onnxruntime,pytorch\nstandard,10,20\ngroupnl-sparse,20,–\n"
    done = report("--pivot", "backend", "--value", "p50_ms")
    assert "15 (10 to 20)" in done.stdout and "has rows that differ in Conv" in done.stdout


def test_numbers_ascend_in_a_pivot_and_words_stay_as_they_first_stand(runs: None) -> None:
    asked = ("--value", "fps", "--format", "csv")
    numbers = CliRunner().invoke(app, ["report", "b", "a", "--pivot", "p50_ms", *asked]).stdout
    words = CliRunner().invoke(app, ["report", "b", "a", "--pivot", "backend", *asked]).stdout
    assert [line.split(",")[0] for line in numbers.splitlines()] == ["p50_ms", "10", "20"]
    assert [line.split(",")[0] for line in words.splitlines()] == ["backend", "pytorch", "onnxruntime"]


def test_a_pivot_is_drawn_with_the_median_and_the_spread_of_each_cell(runs: None) -> None:
    done = report("--pivot", "backend", "--value", "p50_ms", "--plot", "spread.svg")
    assert done.exit_code == 0 and "Drawn: spread.svg" in done.stderr
    assert b"<svg" in Path("spread.svg").read_bytes()
    again = report("--pivot", "backend", "--value", "p50_ms", "--plot", "spread.svg")
    assert again.exit_code == 2 and "exists already" in again.stderr
    groups = groups_of(build_report([Path(name) for name in "abc"]))
    (panel, other) = pivot_figure(groups, Pivot("backend", "convolution", "p50_ms,fps")).axes
    assert (panel.get_ylabel(), other.get_ylabel()) == ("p50_ms", "fps")
    assert [label.get_text() for label in other.get_xticklabels()] == ["onnxruntime", "pytorch"]
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["standard", "groupnl-sparse"]


def test_details_are_all_that_the_table_has_no_room_for(runs: None) -> None:
    done = report("--details", "--format", "markdown")
    assert "### Details" in done.stdout and "| p95_ms | 10 | 20 | 20 |" in done.stdout
    assert "| memory_after_import_mb | 70 | 70 | 70 |" in done.stdout and "energy_j" not in done.stdout
    assert "details" not in json.loads(report("--details", "--json").stdout)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--baseline", "resnet50 standard"), "Did you mean “resnet50 x1 standard”?"),
        (("--pivot", "backends", "--value", "p50_ms"), "Did you mean “backend”?"),
        (("--pivot", "backend", "--value", "p50"), "Did you mean “p50_ms”?"),
        (("--pivot", "backend", "--value", "device"), "--value device is no number: it is “pi”"),
        (("--pivot", "backend"), "--pivot backend --value p50_ms"),
        (("--pivot", "backend,", "--value", "fps"), "is not ROWS or ROWS,COLUMNS"),
        (("--value", "fps"), "--value fps is for --pivot"),
        (
            ("--pivot", "width,backend", "--value", "fps"),
            "width is 1 in every row here, so nothing can be compared by it",
        ),
        (("--pivot", "backend,network", "--value", "fps"), "Name what they differ in: convolution"),
        (("--plot", "x.png"), "--plot x.png draws a pivot, and none is asked for"),
        (("--pivot", "backend", "--value", "fps", "--plot", "x.gif"), "no picture format “gif”"),
        (("--paper", "--format", "csv"), "Ask for --format json or markdown"),
    ],
)
def test_what_names_nothing_is_refused_with_the_nearest(runs: None, arguments: tuple[str, ...], said: str) -> None:
    done = report(*arguments)
    assert done.exit_code == 2 and done.stdout == "" and said in " ".join(done.stderr.split()), done.stderr


def test_the_papers_tables_are_left_out_where_none_of_the_runs_is_of_a_row() -> None:
    run = network_run("resnet50", STANDARD, "onnxruntime", 100.0, side=128)
    text = render(Report((build_row(run, None, "small"),)), "markdown", Extras(paper=True))
    assert "The paper's Table" not in text and "None of these runs is of a row" in text and "resnet50 (" in text
