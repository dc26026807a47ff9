"""Rows and tables from hand-made runs: every number is known in advance."""

import csv
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest

from device_agent.manifest import ArtifactManifest, DataRecord, Parity, Preprocessing, Source, TensorInfo
from device_agent.messages.bench import BenchRequest, MemoryUse, PhaseSpan
from device_agent.messages.board import BoardFacts
from device_agent.settings import Settings
from groupnl_deploy.bench.agreement import Agreement
from groupnl_deploy.bench.clock import ClockSync
from groupnl_deploy.bench.result import BenchResult
from groupnl_deploy.bench.run import BenchRun, Images, load_run, save_run
from groupnl_deploy.cli.report import require_valid
from groupnl_deploy.errors import MeasurementInvalid, UsageError, VerificationFailed
from groupnl_deploy.report.build import Report, build_report
from groupnl_deploy.report.render import render
from groupnl_deploy.report.row import build_row
from groupnl_deploy.report.tables import columns, notes
from power.trace import MeterFacts, PowerTrace
from tests.bench.made_runs import rewrite

PHASES = {
    "idle_before": (0.0, 4.0),
    "import": (4.0, 4.5),
    "load": (4.5, 5.0),
    "check": (5.0, 6.0),
    "warmup": (6.0, 8.0),
    "steady": (8.0, 18.0),
    "runout": (18.0, 19.0),
    "idle_after": (19.0, 23.0),
}
OFFSET_S = 1000.0
MEMORY = MemoryUse(70_000_000, 60_000_000, 80_000_000, 0, 0)
BOARD = BoardFacts("Raspberry Pi 4 Model B", "aarch64", "Debian", "6", "3.11", 4, 1, 1, 1, None, None, None, None)
MANIFEST = ArtifactManifest(
    format="onnx",
    label="net x0.25 groupnl (released)",
    model={},
    trained=True,
    data=DataRecord("digits", None, tuple("0123456789"), 0),
    accuracy=0.99,
    source=Source("checkpoint", "c" * 64),
    files=(),
    inputs=(TensorInfo("input", (1, 3, 32, 32)),),
    outputs=(TensorInfo("logits", (1, 10)),),
    preprocessing=Preprocessing((0.5,) * 3, (0.5,) * 3),
    producer={},
    parity=Parity(8, 0.0, 0.0, 1.0, 1e-4, True),
)


def make_run(**changes: object) -> BenchRun:
    result = BenchResult(
        manifest_sha256="a" * 64,
        agent_sha256="b" * 64,
        backend="onnxruntime",
        settings=Settings(4),
        versions={"onnxruntime": "1.31.1", "numpy": "2.4.6"},
        phases=tuple(PhaseSpan(name, round(a * 1e9), round(b * 1e9), None, MEMORY) for name, (a, b) in PHASES.items()),
        first_inference_ns=30_000_000,
        latencies_ns=(10_000_000,) * 1000,
        predictions=(1, 2, 3, 4),
        memory_start=MemoryUse(20_000_000, 15_000_000, 20_000_000, 0),
        board_before=BOARD,
        board_after=BOARD,
    )
    run = BenchRun(
        device="pi",
        artifact_sha256="a" * 64,
        manifest=MANIFEST,
        request=BenchRequest("/x", "a" * 64, "onnxruntime", Settings(), 4, 1.0),
        images=Images("digits, test", (1, 2, 3, 9)),
        clock=ClockSync(OFFSET_S, 0.0, 0.0, 0.001),
        result=result,
        power=None,
        created_at="2026-11-21T00:00:00+00:00",
        host={},
    )
    return dataclasses.replace(run, **changes)


def make_trace(emulated: bool = True, hole: bool = False) -> PowerTrace:
    """2 W idle, 6 W busy, sampled at 2 Hz on the host's clock from a second before to a second after."""
    t_s = np.arange(0.0, 25.5, 0.5)
    if hole:
        t_s = t_s[(t_s < 11) | (t_s > 14)]
    device_s = t_s - 1.0
    power = np.where((device_s > 4.0) & (device_s <= 19.0), 6.0, 2.0)
    facts = MeterFacts("km003c", "serial", "/dev/pts/9", emulated, 1, "vbus/ibus", 0.5, poll_period_s=0.05)
    return PowerTrace(facts, OFFSET_S - 1.0, "2026-11-21T00:00:00+00:00", t_s, np.full_like(t_s, 5.0), power / 5.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_run(tmp_path / "run", make_run(), make_trace())
    return tmp_path / "run"


def test_every_number_of_a_row() -> None:
    with_power = dataclasses.replace(make_run())
    row = build_row(with_power, make_trace(), "run")
    assert row.time_s == pytest.approx(1.0) and row.fps == pytest.approx(100.0)
    assert row.latency.p50_ms == row.latency.p99_ms == 10.0
    assert row.power_w == pytest.approx(6.0)
    assert row.energy_j == pytest.approx(60.0 / 1000)
    assert row.idle_power_w == pytest.approx(2.0)
    assert row.net_energy_j == pytest.approx(40.0 / 1000)
    assert row.energy_wh == pytest.approx(6.0 / 3600)
    assert row.memory_mb == 80.0 and row.first_inference_ms == 30.0
    assert row.accuracy == 0.75
    assert row.problems == ()
    assert row.board == "Raspberry Pi 4 Model B"


def test_emulated_energy_is_marked_everywhere(folder: Path) -> None:
    report = build_report([folder])
    row = report.rows[0]
    assert report.emulated and row.emulated
    energy = row.energy
    assert energy.emulated and energy.steady.emulated and energy.idle_before.emulated and energy.net.emulated
    data = json.loads(render(report, "json"))
    assert data["emulated"] is True and data["rows"][0]["emulated"] is True and data["schema_version"] == 8
    assert data["rows"][0]["energy"]["steady"]["emulated"] is True
    assert next(csv.DictReader(io.StringIO(render(report, "csv"))))["emulated"] == "true"
    markdown = render(report, "markdown")
    assert "| EMULATED |" in markdown and "6.000*" in markdown and "no measurement of any device" in markdown
    assert any("EMULATED" in note for note in notes(report))
    stored = json.loads((folder / "run.json").read_text())
    assert stored["power"]["meter"]["emulated"] is True
    assert "# emulated: true" in (folder / "power.csv").read_text()


def test_a_real_meter_is_not_marked(tmp_path: Path) -> None:
    save_run(tmp_path / "run", make_run(), make_trace(emulated=False))
    report = build_report([tmp_path / "run"])
    assert not report.emulated and report.rows[0].emulated is False
    assert "EMULATED" not in render(report, "markdown")


def test_without_a_meter_there_are_no_energy_columns(tmp_path: Path) -> None:
    save_run(tmp_path / "run", make_run(), None)
    report = build_report([tmp_path / "run"])
    assert report.rows[0].energy_j is None and report.rows[0].emulated is None
    assert "Power (W)" not in [column.heading for column in columns(report)]
    assert not (tmp_path / "run" / "power.csv").exists()


def test_a_hole_in_the_recording_is_invalid_and_says_so(tmp_path: Path) -> None:
    save_run(tmp_path / "run", make_run(), make_trace(hole=True))
    row = build_report([tmp_path / "run"]).rows[0]
    assert row.energy_j is None and row.power_w is None and row.emulated is True
    assert "measurement for" in row.problems[0]
    assert "invalid" in render(Report((row,)), "markdown")


def test_a_meter_that_outran_its_polls_gives_no_joules_and_says_so_everywhere(tmp_path: Path) -> None:
    """Every poll brings another value: of 6 W, or of 2 W, as the load happens to be just then."""
    trace = make_trace()
    t_s = np.arange(0.0, 25.5, 0.05)
    current_a = np.where(np.arange(len(t_s)) % 5 < 2, 1.2, 0.4) + 1e-6 * np.arange(len(t_s))
    columns = {"t_s": t_s, "voltage_v": np.full_like(t_s, 5.0), "current_a": current_a}
    save_run(tmp_path / "run", make_run(), dataclasses.replace(trace, **columns))
    report = build_report([tmp_path / "run"])
    (row,) = report.rows
    assert row.renews_too_fast and row.energy is None and row.power_w is None and row.fps == pytest.approx(100.0)
    assert "faster than it was asked" in row.problems[0] and not row.valid
    assert any(check.doubts == "energy" and "Unplug the meter" in check.remedy for check in row.checks)
    assert json.loads(render(report, "json"))["rows"][0]["renews_too_fast"] is True
    line = next(csv.DictReader(io.StringIO(render(report, "csv"))))
    assert line["renews_too_fast"] == "true" and line["power_w"] == "" and "faster" in line["problems"]
    assert "| invalid |" in render(report, "markdown") and "EMULATED, too fast" in render(report, "markdown")
    assert any("faster than it was asked" in note for note in notes(report))
    assert json.loads((tmp_path / "run" / "run.json").read_text())["power"]["meter"]["renews_too_fast"] is True
    assert "# renews_too_fast: true" in (tmp_path / "run" / "power.csv").read_text()
    with pytest.raises(MeasurementInvalid, match="faster than it was asked") as caught:
        require_valid(report)
    assert "Unplug the meter" in caught.value.remedy


def test_a_run_with_a_meter_as_it_is_known_says_that_and_one_of_an_older_version_is_judged(folder: Path) -> None:
    (row,) = build_report([folder]).rows
    assert row.renews_too_fast is False and row.problems == ()
    path = folder / "run.json"
    stored = json.loads(path.read_text())
    del stored["power"]["meter"]["renews_too_fast"]
    rewrite(path, json.dumps(stored))
    assert build_report([folder]).rows[0].renews_too_fast is False


def test_a_window_shorter_than_fifty_times_the_clocks_uncertainty_is_invalid(folder: Path) -> None:
    run, trace = load_run(folder)
    row = build_row(dataclasses.replace(run, clock=ClockSync(OFFSET_S, 0.0, 0.0, 0.21)), trace, "run")
    assert "uncertainty" in row.problems[0]


@pytest.mark.parametrize(("drift", "doubted"), [(9e-4, False), (-9e-4, False), (1.1e-3, True), (-1.1e-3, True)])
def test_clocks_that_run_apart_by_more_than_a_thousandth_are_a_problem(folder: Path, drift, doubted: bool) -> None:
    """A host that slept for 30 ms of half a minute; quartz and NTP stay below 6e-4 together."""
    run, trace = load_run(folder)
    run = dataclasses.replace(run, clock=ClockSync(OFFSET_S, 0.0, drift, 0.001))
    problems = build_row(run, trace, "run").problems
    assert len(problems) == doubted and all("0.0011 of the time: one of them slept" in said for said in problems)
    assert build_row(dataclasses.replace(run, power=None), None, "run").problems == ()  # nothing is timed by it


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (0x0, 0x1, "under-voltage"),
        (0x4, 0x4, "throttling"),
        (0x0, 0x50000, "under-voltage"),  # cooled down since, but it happened during the run
        (0x50000, 0x50000, None),  # it happened before
    ],
)
def test_a_throttled_board_is_a_problem(before: int, after: int, expected: str | None) -> None:
    run = make_run()
    boards = {
        "board_before": dataclasses.replace(BOARD, throttled=before),
        "board_after": dataclasses.replace(BOARD, throttled=after),
    }
    run = dataclasses.replace(run, result=dataclasses.replace(run.result, **boards))
    problems = build_row(run, None, "run").problems
    assert problems == () if expected is None else expected in problems[0]


def test_an_untrained_net_has_no_accuracy_and_says_untrained() -> None:
    run = make_run(manifest=dataclasses.replace(MANIFEST, trained=False, accuracy=None))
    report = Report((build_row(run, None, "run"),))
    assert report.rows[0].accuracy is None
    assert "[untrained]" in render(report, "markdown")
    assert json.loads(render(report, "json"))["rows"][0]["accuracy"] is None


def test_unlabelled_images_and_the_null_backend_give_no_accuracy() -> None:
    run = make_run()
    assert build_row(dataclasses.replace(run, images=Images("photos", None)), None, "r").accuracy is None
    null = dataclasses.replace(run, result=dataclasses.replace(run.result, backend="null"))
    assert build_row(null, None, "r").accuracy is None


def test_a_run_survives_its_folder(folder: Path) -> None:
    run, trace = load_run(folder)
    assert dataclasses.replace(run, power=None) == make_run()
    np.testing.assert_allclose(trace.power_w, make_trace().power_w)


def test_an_altered_recording_is_refused(folder: Path) -> None:
    path = folder / "power.csv"
    path.write_text(path.read_text().replace("emulated: true", "emulated: false"))
    with pytest.raises(VerificationFailed, match=r"power\.csv"):
        load_run(folder)


def test_a_word_changed_in_the_run_makes_no_real_meter(folder: Path) -> None:
    path = folder / "run.json"
    rewrite(path, path.read_text().replace('"emulated": true', '"emulated": false'))
    with pytest.raises(VerificationFailed, match="different meters"):
        load_run(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda run: run.update(schema_version=7), "schema_version 7"),
        (lambda run: run["result"]["phases"].pop(), "contradicts itself"),
        (lambda run: run["result"]["predictions"].pop(), "contradicts itself"),
        (lambda run: run.update(artifact_sha256="f" * 64), "contradicts itself"),
    ],
)
def test_a_run_that_contradicts_itself_is_refused(folder: Path, change, words: str) -> None:
    run = json.loads((folder / "run.json").read_text())
    change(run)
    rewrite(folder / "run.json", json.dumps(run))
    with pytest.raises(VerificationFailed, match=words):
        load_run(folder)


def test_the_error_of_the_edges_stands_below_the_table_with_what_it_supposes(folder: Path) -> None:
    report = build_report([folder])
    (note,) = [note for note in notes(report) if "edges" in note]
    assert "less than 0.1 % of the gross" in note and "supposes a load that keeps each level" in note
    assert note in render(report, "markdown")
    energy = json.loads(render(report, "json"))["rows"][0]["energy"]
    assert energy["net"]["edge_error_j"] == 0.0
    assert energy["steady"]["edge_error_assumes"] == "a load that keeps each level for two update periods"
    none = Report((build_row(make_run(), None, "run"),))
    assert not any("edges" in note for note in notes(none))


def test_a_step_at_the_end_of_the_steady_window_is_in_the_error_of_the_edges() -> None:
    """A watt more from then on, and half a second between two rows that are a poll late: 0.55 joules of sixty."""
    trace = make_trace()
    restless = np.where((trace.t_s > 19.0) & (trace.t_s <= 20.0), 7.0 / 5.0, trace.current_a)
    report = Report((build_row(make_run(), dataclasses.replace(trace, current_a=restless), "run"),))
    (note,) = [note for note in notes(report) if "edges" in note]
    assert report.rows[0].energy.steady.edge_error_j == pytest.approx(0.55)
    assert "up to 1.0 % of the gross" in note


def test_an_unknown_error_of_the_edges_is_null_and_said(tmp_path: Path) -> None:
    """The recording ends with the idle phase, a measurement too soon."""
    trace = make_trace()
    kept = trace.t_s <= 23.0
    columns = {name: getattr(trace, name)[kept] for name in ("t_s", "voltage_v", "current_a")}
    report = Report((build_row(make_run(), dataclasses.replace(trace, **columns), "run"),))
    assert report.rows[0].energy.net.edge_error_j is None
    assert any("not known of run" in note for note in notes(report))
    assert json.loads(render(report, "json"))["rows"][0]["energy"]["net"]["edge_error_j"] is None


def test_a_run_of_before_the_polls_were_recorded_is_read(tmp_path: Path) -> None:
    trace = make_trace()
    save_run(
        tmp_path / "run",
        make_run(),
        dataclasses.replace(trace, facts=dataclasses.replace(trace.facts, poll_period_s=None)),
    )
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    del run["power"]["meter"]["poll_period_s"]
    rewrite(tmp_path / "run" / "run.json", json.dumps(run))
    assert load_run(tmp_path / "run")[1].facts.poll_period_s is None


def without_rows(trace: PowerTrace, *device_s: float) -> PowerTrace:
    lost = np.isin(trace.t_s - 1.0, device_s)
    columns = {name: getattr(trace, name)[~lost] for name in ("t_s", "voltage_v", "current_a")}
    return dataclasses.replace(trace, **columns)


def test_lost_measurements_stand_below_the_table_with_what_is_supposed_of_them() -> None:
    """Two in turn, whose neighbours are 1.5 s apart and a poll late: up to 6 W of which nothing is known."""
    row = build_row(make_run(), without_rows(make_trace(), 12.0, 12.5), "run")
    said = notes(Report((row,)))
    assert any("missing in 1.5 s of the steady window's 10 s, in 1 places" in note for note in said)
    assert any("largest power of the recording" in note and "up to 15.5 %" in note for note in said)
    whole = notes(Report((build_row(make_run(), make_trace(), "run"),)))
    assert not any("missing" in note for note in whole)


def test_a_run_with_more_than_a_hundredth_of_its_measurements_missing_is_invalid() -> None:
    problems = build_row(make_run(), without_rows(make_trace(), 12.0), "run").problems
    assert len(problems) == 1 and "1 s of the steady window's 10 s, more than 1% of it" in problems[0]
    beside = build_row(make_run(), without_rows(make_trace(), 1.5), "run")
    assert beside.energy is not None and beside.problems == ()


def test_current_that_flows_the_wrong_way_is_invalid() -> None:
    trace = make_trace()
    reverse = dataclasses.replace(trace, current_a=-trace.current_a)
    row = build_row(make_run(), reverse, "run")
    assert row.energy_j < 0 and "--sign -1" in row.problems[0]


def test_the_agents_own_start_is_not_counted_as_idle() -> None:
    """On a board the agent's start and imports lie just before the first idle phase."""
    trace = make_trace()
    device_s = trace.t_s - 1.0
    current = np.where(device_s <= 0.5, 5.0 / 5.0, trace.current_a)  # the meter's mean lags by up to a period
    row = build_row(make_run(), dataclasses.replace(trace, current_a=current), "run")
    assert row.idle_power_w == pytest.approx(2.0)


def test_a_damaged_run_and_a_folder_that_is_none(folder: Path, tmp_path: Path) -> None:
    rewrite(folder / "run.json", (folder / "run.json").read_text()[:-10])
    with pytest.raises(VerificationFailed, match=r"run\.json"):
        load_run(folder)
    with pytest.raises(UsageError, match="is no run"):
        load_run(tmp_path)


def test_the_paper_columns_are_all_there(folder: Path) -> None:
    headings = [column.heading for column in columns(build_report([folder]))]
    for heading in ("Model", "Time (s)", "Avg. FPS", "Mem. (MB)", "Power (W)", "Energy (Wh)", "Acc. (%)"):
        assert heading in headings


def test_answers_are_held_against_the_right_ones_in_every_form() -> None:
    agreement = Agreement(images=8, output="logits", error=2e-6, allowed=1e-4, measure="max", same_answers=8)
    report = Report((build_row(make_run(agreement=agreement), None, "run"), build_row(make_run(), None, "old")))
    known, unknown = csv.DictReader(io.StringIO(render(report, "csv")))
    assert (known["agreement_error"], known["agreement_same_answers"]) == ("2e-06", "8")
    assert unknown["agreement_images"] == ""
    assert json.loads(render(report, "json"))["rows"][0]["agreement"]["allowed"] == 1e-4


def test_a_set_is_named_where_all_of_its_runs_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [Path("some/runs/a"), Path("some/runs/b"), Path("runs/c")]
    for run in runs:
        save_run(run, make_run(), None)
    assert build_report(runs).places == ("some", "runs/c")
    assert build_report(runs[1:]).places == ("some/runs/b", "runs/c")
