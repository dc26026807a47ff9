"""Repeats of one thing: a row of medians with their range, each kept in JSON, and invalid where they disagree."""

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groupnl_deploy.bench.run import BenchRun, save_run
from groupnl_deploy.cli.main import app
from groupnl_deploy.report.build import Report
from groupnl_deploy.report.flat import phase_joules
from groupnl_deploy.report.html.tags import group_tags, run_tags
from groupnl_deploy.report.render import render
from groupnl_deploy.report.repeats import disagreements, group_values, groups_of
from groupnl_deploy.report.row import ReportRow, build_row
from groupnl_deploy.report.tables import notes, table_of
from groupnl_deploy.report.verdict import verdict
from tests.report.sample_runs import sample_run
from tests.report.test_report import make_run, make_trace


def run_of(p50_ms: float, backend: str = "onnxruntime", second: int = 0) -> BenchRun:
    run = make_run(created_at=f"2026-11-21T00:00:{second:02}+00:00")
    latencies_ns = (round(p50_ms * 1e6),) * 1000
    return dataclasses.replace(
        run, result=dataclasses.replace(run.result, latencies_ns=latencies_ns, backend=backend, states=())
    )


def rows_of(*p50s_ms: float, backend: str = "onnxruntime") -> list[ReportRow]:
    return [
        build_row(run_of(p50_ms, backend, second), make_trace(), f"{backend}-run{second + 1}")
        for second, p50_ms in enumerate(p50s_ms)
    ]


def cells(report: Report) -> list[dict[str, str]]:
    table = table_of(report)
    return [{column.heading: column.cell(row) for column in table.columns} for row in table.rows]


def invalid(row: ReportRow) -> ReportRow:
    check = dataclasses.replace(row.checks[0], verdict="invalid", doubts="time", says="a load")
    return dataclasses.replace(row, checks=(check,), valid=False, problems=("a load",))


def test_repeats_share_a_row_of_medians_with_their_range() -> None:
    report = Report((*rows_of(10.0, 11.0, 10.5), *rows_of(20.0, backend="pytorch")))
    (first, second) = cells(report)
    assert (first["Runs"], first["p50/p99 (ms)"], first["p50 of runs (ms)"]) == ("3", "10.50/10.50", "10.00 to 11.00")
    assert (second["Runs"], second["p50 of runs (ms)"]) == ("1", "–")
    said = "\n".join(notes(report))
    assert "medians of the valid ones" in said and "from the lowest to the highest run" in said
    assert "Runs" not in cells(Report(tuple(rows_of(10.0))))[0]


def test_the_joules_of_phases_are_medians_as_well() -> None:
    trace = make_trace()
    rows = [
        build_row(run_of(10.0), dataclasses.replace(trace, current_a=times * trace.current_a), f"net-run{times}")
        for times in (1, 2, 3)
    ]
    (group,) = groups_of(Report(tuple(rows)))
    each = [phase_joules(row)["steady_j"] for row in rows]
    assert group_values(group)["steady_j"] == group.spreads["steady_j"].median == each[1] != each[0]


def test_emulated_joules_and_measured_ones_are_no_repeats() -> None:
    rows = [build_row(run_of(10.0), make_trace(emulated), f"net-run{emulated}") for emulated in (False, True)]
    assert [group.row.emulated for group in groups_of(Report(tuple(rows)))] == [False, True]


def test_times_too_short_for_the_clock_do_not_disagree() -> None:
    (group,) = groups_of(Report(tuple(rows_of(0.0001, 0.0002))))
    assert group.checks == ()


def test_from_six_on_it_is_an_interval() -> None:
    report = Report(tuple(rows_of(*(10.0 + 0.1 * n for n in range(8)))))
    (group,) = groups_of(report)
    assert group.spreads["p50_ms"].kind == "interval" and group.label == "onnxruntime-run1 … onnxruntime-run8"
    assert any("interval of 95 %" in note for note in notes(report))


def test_json_keeps_every_run_and_csv_says_which_belong_together() -> None:
    report = Report((*rows_of(10.0, 11.0), *rows_of(20.0, backend="pytorch")))
    data = json.loads(render(report, "json"))
    assert [row["latency"]["p50_ms"] for row in data["rows"]] == [10.0, 11.0, 20.0]
    assert [group["runs"] for group in data["groups"]] == [["onnxruntime-run1", "onnxruntime-run2"], ["pytorch-run1"]]
    spread = data["groups"][0]["spreads"]["p50_ms"]
    assert spread == {"n": 2, "median": 10.5, "low": 10.0, "high": 11.0, "kind": "range"}
    lines = list(csv.DictReader(io.StringIO(render(report, "csv"))))
    assert [line["group"] for line in lines] == ["1", "1", "2"]


def test_an_invalid_repeat_moves_no_median_and_stays_named() -> None:
    rows = rows_of(10.0, 10.2, 17.0)
    report = Report((*rows[:2], invalid(rows[2])))
    (cell,) = cells(report)
    assert (cell["Runs"], cell["p50/p99 (ms)"]) == ("2 of 3", "10.10/10.10")
    assert any("onnxruntime-run3: INVALID: a load." in note for note in notes(report))
    (every,) = cells(Report(tuple(map(invalid, rows))))
    assert every["p50/p99 (ms)"] == "10.20/10.20!" and every["Valid"] == "INVALID"


@pytest.mark.parametrize(("highest_ms", "apart"), [(12.4, False), (12.6, True)])
def test_repeats_that_are_a_quarter_apart_are_invalid_together(highest_ms: float, apart: bool) -> None:
    report = Report(tuple(rows_of(10.0, 11.0, highest_ms)))
    (group,) = groups_of(report)
    assert group.valid != apart and len(list(disagreements(report))) == apart
    assert (cells(report)[0]["p50/p99 (ms)"] == "11.00/11.00!") == apart
    assert any("the repeats disagree: p50 is 10 ms in one and 12.6 ms" in note for note in notes(report)) == apart


def test_the_command_ends_with_6_where_repeats_disagree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number, p50_ms in enumerate((10.0, 13.0), 1):
        save_run(tmp_path / f"net-run{number}", run_of(p50_ms), None)
    done = CliRunner().invoke(app, ["report", "net-run1", "net-run2"])
    assert done.exit_code == 6 and "net-run1, net-run2: the repeats disagree" in done.stderr
    assert CliRunner().invoke(app, ["report", "net-run1", "net-run2", "--allow-invalid"]).exit_code == 0
    assert CliRunner().invoke(app, ["report", "net-run1"]).exit_code == 0


def test_the_verdict_of_two_repeated_things_is_that_of_their_pairs() -> None:
    runs = [sample_run("standard", seed=seed) for seed in range(6)] + [
        sample_run("groupnl", p50_ms=8.0, seed=9 + seed) for seed in range(6)
    ]
    report = Report(tuple(build_row(run, None, f"run{number}") for number, run in enumerate(runs)))
    first, second, *_, last = verdict(report, groups_of(report))
    assert first.startswith("B is 1.25") and "95 % interval" in first and "6 pairs, p = 0.031" in first
    assert second == "A is resnet18_cifar standard, B is resnet18_cifar groupnl."
    assert last == "Medians are of 6 runs each; how far the runs lie apart stands in the table."
    (beside, *_) = verdict(report, groups_of(report), "run6")
    which = "With resnet18_cifar standard as B and the baseline, resnet18_cifar groupnl, as A: "
    assert beside.startswith(f"{which}B takes 1.25")
    doubtful = Report((invalid(report.rows[0]), *report.rows[1:]))
    assert "INVALID: 1 run of these must not be believed, and neither must this verdict." in verdict(
        doubtful, groups_of(doubtful)
    )
    assert verdict(doubtful, groups_of(doubtful))[-1].startswith("Medians are of 5 to 6 runs each")


def test_rows_and_runs_have_names_that_are_found_from_one_another() -> None:
    groups = groups_of(Report((*rows_of(10.0, 11.0), *rows_of(20.0, backend="pytorch"))))
    assert [tag.text for tag in group_tags(groups)] == ["A", "B"]
    assert [tag.text for tag in run_tags(groups)] == ["A1", "A2", "B1"]
    single = groups_of(Report((*rows_of(10.0), *rows_of(20.0, backend="pytorch"))))
    assert [tag.text for tag in run_tags(single)] == ["1", "2"]
