"""The page of a report: whole, alone, and with no text of a stranger as markup. The browser's part is in browser/."""

import base64
import dataclasses
import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from groupnl_deploy.bench.check import at_most
from groupnl_deploy.bench.run import load_run, save_run
from groupnl_deploy.report.build import Report, build_report
from groupnl_deploy.report.curves import histogram, latency_curve, power_curve
from groupnl_deploy.report.grouped_reasons import brief_notes
from groupnl_deploy.report.html.markup import element, escaped, joined
from groupnl_deploy.report.html.svg import Scale, powers_of_ten, ticks, wide
from groupnl_deploy.report.html.tags import group_tags
from groupnl_deploy.report.html.tradeoff import label_places, planes
from groupnl_deploy.report.render import render
from groupnl_deploy.report.repeats import groups_of
from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.report.verdict import verdict
from power.energy import EnergyIndex
from tests.report.sample_runs import HOSTILE, sample_run, sample_trace, save_evaluation, save_samples
from tests.report.test_report import make_run, make_trace

VENDOR = files("groupnl_deploy.report.html") / "vendor"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return build_report(save_samples(tmp_path_factory.mktemp("runs")), drawn=True)


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return render(report, "html")


def test_what_is_embedded_of_others_is_what_was_published() -> None:
    said = dict(
        reversed(line.split())
        for line in re.findall(r"^[0-9a-f]{64}  \S+$", (VENDOR / "VERSION.txt").read_text(), re.M)
    )
    assert set(said) == {"uPlot.iife.min.js", "uPlot.min.css"}
    for name, digest in said.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest
    assert "MIT License" in (VENDOR / "LICENSE.txt").read_text()


def test_the_policy_allows_what_is_embedded_and_nothing_else(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#x27;", "'")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.pop("default-src") == rules.pop("base-uri") == rules.pop("form-action") == "'none'"
    for kind, tag in (("style-src", "style"), ("script-src", "script")):
        bodies = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
        digests = [base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() for body in bodies]
        assert rules.pop(kind) == " ".join(f"'sha256-{digest}'" for digest in digests) and len(bodies) == 2
    assert rules == {}


def test_nothing_is_fetched_and_no_attribute_holds_code(page: str) -> None:
    own = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.S)
    assert re.findall(r"\b(?:src|srcset|action|poster)=", own) == []
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', own))
    assert re.findall(r"<[^>]*\s(?:on\w+|style)=", own) == []


def test_markup_and_control_codes_in_a_label_are_text(page: str) -> None:
    assert HOSTILE not in page and "<script>alert" not in page and "\x1b" not in page and "\u202e" not in page
    assert "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;b onmouseover=&#x27;x&#x27;&gt;" in page
    data = re.search(r'id="data">(.*?)</script>', page, re.S)[1]
    assert "<" not in data and json.loads(data)["runs"][3]["name"] == "4 <i>groupnl"


def test_no_code_is_put_into_an_attribute() -> None:
    for name in ("onclick", "style", "src", "href"):
        with pytest.raises(ValueError, match="no element of a report"):
            element("p", **{name: "alert(1)"})
    assert element("a", "x", href="#run-1") == '<a href="#run-1">x</a>'
    assert joined("<", [element("b", '"<')], None) == "&lt;<b>&quot;&lt;</b>"
    assert element("p", title='"><script>') == '<p title="&quot;&gt;&lt;script&gt;"></p>'
    assert escaped(escaped("&")) == "&amp;"
    with pytest.raises(TypeError):
        joined(3)


def test_stamps_stand_on_every_chart_and_marks_behind_every_number(page: str) -> None:
    charts = re.findall(r"<figure>(.*?)</figure>", page, re.S)
    of_energy = [one for one in charts if "energy" in one.lower()[:200] or 'data-chart="power"' in one]
    assert len(of_energy) >= 3 and all("EMULATED meter" in one for one in of_energy)
    power = next(one for one in charts if 'data-chart="power"' in one)
    assert "INVALID: 1 of 4" in power
    assert json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])["runs"][3]["marks"] == {
        "time": "",
        "energy": "*!",
    }
    assert page.count("Why this run is invalid") == 1 and "No measurement for 3.0" in page


def test_the_verdict_claims_no_more_than_the_runs_allow(report: Report) -> None:
    said = verdict(report, groups_of(report))
    assert said[0] == "Fastest: resnet18_cifar groupnl, onnxruntime, p50 3.23 ms, 4.63 times as fast as the slowest."
    assert "EMULATED meter: no measurement" in said[1] and "tell none of the 3 networks apart" in said[2]
    assert said[-2:] == (
        "4 runs: 1 invalid.",
        "Each thing was measured once, so nothing is said of the noise between two runs: repeat before you decide.",
    )
    assert verdict(Report(()), ())[0] == "There is no whole run to judge."
    measured = [dataclasses.replace(row, emulated=place == 0) for place, row in enumerate(report.rows)]
    least = verdict(Report(tuple(measured)), groups_of(Report(tuple(measured))))[1]
    assert least.startswith("Least energy") and "EMULATED" not in least  # the first row's joules are made up


def test_what_is_invalid_is_in_no_frontier(report: Report) -> None:
    groups = groups_of(report)
    tags = group_tags(groups)
    named = {plane.title: [point.row.run for point in plane.best()] for plane in planes(groups, tags)}
    assert named["Energy and latency"] == ["groupnl-ort", "standard-pytorch"]
    invalid = dataclasses.replace(report.rows[1], checks=tuple(
        dataclasses.replace(check, verdict="invalid", doubts="time") for check in report.rows[1].checks
    ))  # fmt: skip
    groups = groups_of(Report((report.rows[0], invalid)))
    (first, *_) = planes(groups, group_tags(groups))
    assert [point.row.run for point in first.best()] == ["standard-ort"]


def test_peaks_are_kept_and_joules_are_of_every_sample() -> None:
    run, trace = sample_run(), sample_trace(rate_hz=1000.0)
    curve = power_curve(run, trace, 400)
    assert curve is not None and curve.joules is not None
    assert curve.samples == 25_000 and curve.drawn < 500 and curve.power_w.max() == pytest.approx(12.0)
    assert curve.power_w.min() == trace.power_w.min()
    whole = EnergyIndex(trace).window(float(trace.t_s[0]), float(trace.t_s[-1])).energy_j
    assert curve.joules[-1] == pytest.approx(whole, rel=1e-4) and curve.t_s[0] == pytest.approx(-1.0)
    assert curve.joules_at_steady == pytest.approx(
        EnergyIndex(trace).window(float(trace.t_s[0]), 9.0).energy_j, rel=1e-3
    )


def test_nothing_is_added_across_a_hole() -> None:
    curve = power_curve(make_run(), make_trace(hole=True), 1000)
    assert curve is not None and curve.joules is not None and curve.holes_s == 4.0
    (at,) = np.flatnonzero(np.isnan(curve.power_w))
    assert curve.joules[at - 1] == curve.joules[at + 1] and 9.5 < curve.t_s[at] < 13.5


def test_latencies_keep_their_peaks_and_are_all_counted() -> None:
    latencies_ms = np.concatenate((np.full(9_999, 2.0) + np.arange(9_999) * 1e-5, [50.0]))
    curve = latency_curve(latencies_ms, 100)
    assert len(curve.first) == 100 and curve.per_block == 100 and curve.highest_ms[-1] == 50.0
    bins = histogram(latencies_ms)
    assert sum(bins.counts) + bins.above == 10_000 and bins.above == 1 and bins.slowest_ms == 50.0
    assert sum(histogram(np.full(5, 3.0)).counts) == 5


def test_ticks_are_round() -> None:
    assert ticks(0.0, 1.0) == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    assert ticks(3.23, 15.1) == (2.5, 5.0, 7.5, 10.0, 12.5, 15.0, 17.5)


def test_values_that_are_far_apart_have_a_scale_of_powers() -> None:
    assert wide([1.0, 10.0])[2] is False and wide([0.0, 100.0])[2] is False
    assert wide([0.8, 36.0]) == (0.64, 45.0, True)
    assert powers_of_ten(0.64, 45.0) == (1.0, 2.0, 5.0, 10.0, 20.0)
    scale = Scale(1.0, 100.0, 0.0, 10.0, powers=True)
    assert (scale.at(1.0), scale.at(10.0), scale.at(100.0)) == (0.0, 5.0, 10.0)


def test_runs_without_a_meter_and_of_an_emulated_board_have_a_page(tmp_path: Path) -> None:
    save_run(tmp_path / "bare", make_run(), None)
    page = render(build_report([tmp_path / "bare"], drawn=True), "html")
    assert 'id="power"' not in page and 'data-chart="latency"' in page and "1 run on pi" in page
    run = make_run()
    board = dataclasses.replace(run.result.board_before, emulated=True)
    emulated = dataclasses.replace(run, result=dataclasses.replace(run.result, board_before=board))
    save_run(tmp_path / "emulated", emulated, make_trace())
    page = render(build_report([tmp_path / "emulated"], drawn=True), "html")
    assert page.count("EMULATED board") >= 4 and 'data-chart="latency"' not in page and ">VALID<" not in page


def test_a_page_says_how_each_run_is_made_again(tmp_path: Path) -> None:
    save_run(tmp_path / "a run", sample_run(backend="pytorch"), sample_trace())
    run, trace = load_run(tmp_path / "a run")
    (detail,) = build_report([tmp_path / "a run"], drawn=True).details
    assert trace is not None and run.artifact_sha256.startswith("aaaaaaaaaaaa")
    assert detail.command.startswith("groupnl bench aaaaaaaaaaaa --device pi --backend pytorch --threads 4")
    assert detail.command.endswith("--meter km003c-usb --port emulator")


def test_errors_under_corruptions_are_a_map_of_their_network(tmp_path: Path) -> None:
    runs = [tmp_path / name for name in ("one", "two")]
    for run, conv in zip(runs, ("standard", "groupnl"), strict=True):
        save_run(run, sample_run(conv), sample_trace())
    record = save_evaluation(tmp_path, missing=2)
    page = render(build_report(runs, drawn=True), "html")
    (chapter,) = re.findall(r'<section id="robustness".*?</section>', page, re.S)
    assert chapter.count("<svg") == 1 == chapter.count("<strong>1, 2: &lt;/script&gt;")  # both are of one artifact
    assert chapter.count("<rect") == len(record.corrupted) + 18 and "mean error of 18 corruptions" in chapter
    assert "<title>fog, severity 3: 40.00 % wrong</title>" in chapter and "speckle noise +" in chapter
    without = build_report(runs)
    assert without.rows[0].corrupted_accuracy is not None and not without.details


def test_what_a_row_is_of_is_one_cell_and_each_number_has_its_name(report: Report, page: str) -> None:
    table = re.search(r'<table class="cards">(.*?)</table>', page, re.S)[1]
    headings = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', table)
    assert headings[0] == "What" and not {"Model", "Conv", "Backend", "Run"} & set(headings)
    (first, *_) = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", table, re.S)
    assert f'class="name">{report.rows[0].run}<' in first and "--classes" not in page
    assert re.findall('data-label="([^"]*)"', first) == [one.replace("<wbr>", "") for one in headings[1:]]


def test_threads_are_called_so_and_count_as_no_other_network(report: Report) -> None:
    first, second = report.rows[0], report.rows[1]
    rows = (first, dataclasses.replace(first, run="twice", threads=9), dataclasses.replace(second, accuracy=0.1))
    found = Report(tuple(dataclasses.replace(row, valid=True, checks=(), problems=()) for row in rows))
    said = verdict(found, groups_of(found))
    assert f"threads {first.threads}" in said[0] or "threads 9" in said[0]
    accuracy = next(text for text in said if text.startswith(("Most accurate", "Accuracy")))
    assert "threads" not in accuracy and ("1 other network" in accuracy or "2 networks" in accuracy or "%." in accuracy)


def test_labels_of_dots_that_lie_together_do_not_cover_each_other() -> None:
    places = label_places([(100.0, 100.0), (104.0, 101.0), (98.0, 103.0)], ["3*!", "4*!", "5*!"])
    for place, (x, y) in enumerate(places):
        assert all(abs(x - left) >= 24 or abs(y - low) >= 12 for left, low in places[:place])


def test_a_rule_that_many_runs_break_is_told_once_on_a_terminal(report: Report) -> None:
    checks = [at_most("load", "time", value, 5.0, f"load is {value}", "wait") for value in (7.0, 9.0, 8.0, 6.0, 7.5)]
    rows = [
        dataclasses.replace(report.rows[0], run=f"r{place}", checks=(check,), problems=(check.says,), valid=False)
        for place, check in enumerate(checks)
    ]
    said = [note for note in brief_notes(Report(tuple(rows))) if "load" in note]
    assert said == ["INVALID: load: 5 of 5 runs. The farthest off is r1: load is 9.0."]
    assert sum("load" in note for note in brief_notes(Report(tuple(rows[:2])))) == 2


def test_rows_whose_repeats_disagree_are_told_once(report: Report) -> None:
    def repeats(model: str, p50_ms: float) -> list[ReportRow]:
        row = dataclasses.replace(report.rows[0], model=model, checks=(), problems=(), not_judged=())
        latency = dataclasses.replace(row.latency, p50_ms=p50_ms)
        return [row, dataclasses.replace(row, run=f"{model}-run2", latency=latency)]

    rows = [row for place in range(6) for row in repeats(f"net{place}", 20.0 + place)]
    document = render(Report(tuple(rows)), "markdown")
    assert document.count("the repeats disagree") == 1
    assert "INVALID: repeats disagree: 6 of 6 rows of repeats. The farthest off is" in document
