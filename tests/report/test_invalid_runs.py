"""Runs that noise or a meter spoilt are marked wherever their numbers appear, with exit code 6; sound ones are not."""

import csv
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from device_agent.messages.bench import CpuUse, MemoryUse, PhaseSpan
from device_agent.messages.board import BoardFacts
from device_agent.settings import Settings
from groupnl_deploy.bench.result import BenchResult
from groupnl_deploy.bench.run import BenchRun, load_run, save_run
from groupnl_deploy.bench.validity import RULES
from groupnl_deploy.campaign import run as campaign_run
from groupnl_deploy.campaign.run import CampaignResult
from groupnl_deploy.cli.main import app
from groupnl_deploy.report.build import build_report
from groupnl_deploy.report.render import render
from groupnl_deploy.report.tables import columns, notes
from power.trace import MeterFacts, PowerTrace
from tests.bench.made_runs import DIGEST, made_run

EDGES_S = (0.0, 5.0, 5.5, 6.0, 7.0, 9.0, 19.0, 20.5, 25.5)
PHASES = ("idle_before", "import", "load", "check", "warmup", "steady", "runout", "idle_after")
MEMORY = MemoryUse(70_000_000, 60_000_000, 80_000_000, 0, 0)
BOARD = BoardFacts("Raspberry Pi 4 Model B", "aarch64", "Debian", "6", "3.11", 4, 1, 1, 1, None, None, None, 0)
CORES = 4
QUIET_CORES, LOOPS = 0.02, 4.0
TIMES, ENERGIES = ("Time (s)", "Avg. FPS", "p50/p99 (ms)"), ("Power (W)", "Energy (Wh)", "Gross/net (mJ)")


def latencies(noisy: bool) -> tuple[int, ...]:
    """Ten seconds; noisy ones as the field trial saw them: p99/p50 = 45, the mean six times p50."""
    if not noisy:
        return (10_000_000,) * 1000
    return (300_000, *(300_000,) * 7, 13_500_000) * 600


def make_run(noisy: bool = False, others: float = QUIET_CORES, throttled: int = 0) -> BenchRun:
    spans = []
    for phase, start_s, end_s in zip(PHASES, EDGES_S, EDGES_S[1:], strict=False):
        seconds = end_s - start_s
        own = 0.0 if phase.startswith("idle") else min(CORES - 0.1, CORES - others) * seconds
        cpu = CpuUse(seconds, own, 0.01, CORES, own + others * seconds, 0.0, 0.0, 0.0, 1.5e9, 1.5e9)
        spans.append(PhaseSpan(phase, round(start_s * 1e9), round(end_s * 1e9), cpu, MEMORY))
    result = BenchResult(
        manifest_sha256=DIGEST,
        agent_sha256=DIGEST,
        backend="onnxruntime",
        settings=Settings(CORES),
        versions={},
        phases=tuple(spans),
        first_inference_ns=1,
        latencies_ns=latencies(noisy),
        predictions=(1,),
        memory_start=MEMORY,
        board_before=BOARD,
        board_after=dataclasses.replace(BOARD, throttled=throttled),
    )
    return made_run(result, trained=True, warmup_s=2.0)


def trace(sign: float = 1.0) -> PowerTrace:
    """2 W idle, 6 W busy, emulated."""
    t_s = np.arange(0.5, 28.5, 0.5)
    power_w = np.where((t_s > 6.0) & (t_s <= 21.5), 6.0, 2.0) * sign
    facts = MeterFacts("km003c", "serial", "/dev/pts/9", True, 1, "vbus/ibus", 0.5, "block", 0.05)
    return PowerTrace(facts, 999.0, None, t_s, np.full_like(t_s, 5.0), power_w / 5.0)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a sound run, a noisy one, and one whose meter was plugged in the wrong way."""
    monkeypatch.chdir(tmp_path)
    save_run(tmp_path / "sound", make_run(), trace())
    save_run(tmp_path / "noisy", make_run(noisy=True, others=LOOPS / 2), trace())
    save_run(tmp_path / "turned", make_run(), trace(-1.0))
    return tmp_path


def groupnl(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def cells(report, run: int) -> dict[str, str]:
    return {column.heading: column.cell(report.rows[run]) for column in columns(report)}


def test_an_emulated_meter_is_no_reason(runs: Path) -> None:
    report = build_report([runs / "sound"])
    assert report.emulated and report.rows[0].valid and report.rows[0].not_judged == ()
    assert "Valid" not in cells(report, 0) and not any("!" in cell for cell in cells(report, 0).values())
    assert not any("INVALID" in note for note in notes(report))
    assert groupnl("report", "sound").exit_code == 0


def test_every_number_that_noise_spoilt_is_marked(runs: Path) -> None:
    report = build_report([runs / "sound", runs / "noisy"])
    sound, noisy = cells(report, 0), cells(report, 1)
    assert (sound["Valid"], noisy["Valid"]) == ("yes", "INVALID")
    for heading in (*TIMES, *ENERGIES):
        assert noisy[heading].endswith("!") and not sound[heading].endswith("!")
    assert not noisy["Mem. (MB)"].endswith("!")
    said = "\n".join(notes(report))
    assert "p99/p50; at most 10" in said and "other programs took 20 s" in said and "no result" in said
    text = render(build_report([runs / "noisy"]), "markdown")
    assert "INVALID" in text and noisy["Time (s)"] in text
    assert "| 1 of 2 |" in render(report, "markdown") and noisy["Time (s)"] not in render(report, "markdown")


def test_a_run_that_a_note_names_is_found_in_the_table(runs: Path) -> None:
    alone, beside = (build_report([runs / name for name in names]) for names in (["noisy"], ["sound", "noisy"]))
    assert [cells(beside, row)["Run"] for row in (0, 1)] == ["sound", "noisy"]
    assert "Run" not in cells(alone, 0)
    assert any(note.startswith("noisy: INVALID") for note in notes(beside))


def test_beside_noise_the_edges_errors_are_not_praised(runs: Path) -> None:
    assert any("less than 0.1 %" in note for note in notes(build_report([runs / "sound"])))
    assert not any("edges" in note for note in notes(build_report([runs / "noisy"])))


def test_a_meter_that_failed_spoils_no_time(runs: Path) -> None:
    turned = cells(build_report([runs / "turned"]), 0)
    assert all(turned[heading].endswith("!") for heading in ENERGIES)
    assert not any(turned[heading].endswith("!") for heading in TIMES)


def test_json_and_csv_keep_the_raw_numbers_and_the_reasons(runs: Path) -> None:
    report = build_report([runs / "noisy"])
    (row,) = json.loads(render(report, "json"))["rows"]
    assert row["valid"] is False and len(row["problems"]) >= 3
    invalid = {check["rule"]: check for check in row["checks"] if check["verdict"] == "invalid"}
    assert invalid["latency tail"]["value"] == pytest.approx(45) and invalid["latency tail"]["limit"] == 10
    assert invalid["mean latency"]["value"] == pytest.approx(6, abs=0.2)
    assert {check["verdict"] for check in row["checks"]} <= {"sound", "invalid", "not judged"}
    (line,) = csv.DictReader(io.StringIO(render(report, "csv")))
    assert line["valid"] == "false" and "p99/p50" in line["problems"]
    assert float(line["time_s"]) == row["time_s"] and float(line["energy_j"]) == row["energy_j"]


@pytest.mark.parametrize("format", ["table", "json", "csv", "markdown"])
def test_report_shows_everything_and_ends_with_exit_code_6(runs: Path, format: str) -> None:
    done = groupnl("report", "sound", "noisy", "turned", "--format", format)
    assert done.exit_code == 6
    assert done.stdout.count("noisy") and "Error: noisy is invalid" in done.stderr
    assert "2 of 3 runs are invalid." in done.stderr
    assert "top" in done.stderr and "bench again" in done.stderr


@pytest.mark.slow
def test_the_picture_says_it_with_the_reasons(runs: Path) -> None:
    for name, invalid in (("noisy", True), ("sound", False)):
        done = groupnl("power", "plot", f"{name}/power.csv", "--out", f"{name}.svg")
        assert done.exit_code == 0, done.output
        text = (runs / f"{name}.svg").read_text()
        assert ("<!-- INVALID" in text) == invalid and ("p99/p50" in text) == invalid
        assert "EMULATED" in text


def test_a_run_of_a_campaign_is_kept_and_told_and_the_exit_code_is_6(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = '[[models]]\nlabel = "a"\nmodel = "resnet18_cifar"\n'
    (runs / "job.toml").write_text(f'schema_version = 1\nout = "job"\n[train]\ndataset = "digits"\n{models}')
    result = CampaignResult("job", (), build_report([runs / "noisy"]))
    monkeypatch.setattr(campaign_run, "run_campaign", lambda *_: result)
    for arguments in ((), ("--json",), ("--to", "bench")):
        done = groupnl("run", "job.toml", *arguments)
        assert done.exit_code == 6 and "noisy is invalid" in done.stderr
        assert "then run groupnl run job.toml --from bench" in done.stderr
    allowed = groupnl("run", "job.toml", "--allow-invalid")
    assert allowed.exit_code == 0 and "INVALID" in allowed.stdout


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (make_run(others=LOOPS), "foreign load, steady"),
        (make_run(throttled=0x4), "throttling"),
        (make_run(noisy=True), "latency tail"),
    ],
)
def test_a_sound_run_needs_every_rule(tmp_path: Path, run: BenchRun, words: str) -> None:
    save_run(tmp_path / "run", run, None)
    row = build_report([tmp_path / "run"]).rows[0]
    assert not row.valid and words in [check.rule for check in row.checks if check.verdict == "invalid"]


def test_what_ran_in_the_idle_phases_spoils_the_net_alone(tmp_path: Path) -> None:
    run = make_run()
    busy = CpuUse(5.0, 0.0, 0.01, CORES, 5.0, 0.0, 0.0, 0.0, None, None)
    first = dataclasses.replace(run.result.phases[0], cpu=busy)
    run = dataclasses.replace(run, result=dataclasses.replace(run.result, phases=(first, *run.result.phases[1:])))
    save_run(tmp_path / "metered", run, trace())
    save_run(tmp_path / "timed", run, None)
    metered, timed = build_report([tmp_path / "metered", tmp_path / "timed"]).rows
    assert [check.doubts for check in metered.checks if check.verdict == "invalid"] == ["energy"]
    assert "the idle phase before" in metered.problems[0] and timed.valid


def test_every_rule_has_its_say_on_a_whole_run(runs: Path) -> None:
    run, recording = load_run(runs / "sound")
    row = build_report([runs / "sound"]).rows[0]
    assert len(RULES) == 6 and recording is not None and run.power is not None
    rules = [check.rule for check in row.checks]
    assert len(rules) == len(set(rules)) and {check.verdict for check in row.checks} == {"sound"}
    assert all(check.limit is not None and check.value is not None for check in row.checks)
