"""From a run's phases on the board's clock to joules and shaded pictures on the recording's."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from device_agent.messages.bench import MemoryUse, PhaseSpan
from device_agent.messages.board import BoardFacts
from device_agent.settings import Settings
from groupnl_deploy.bench.energy import run_energy
from groupnl_deploy.bench.result import BenchResult
from groupnl_deploy.bench.run import BenchRun, save_run
from groupnl_deploy.cli.main import app
from groupnl_deploy.report.phases import run_phases
from groupnl_deploy.report.power_plot import PHASE_COLOURS
from power.errors import SampleGap, WindowNotCovered
from power.trace import MeterFacts, PowerTrace
from tests.bench.made_runs import DIGEST, OFFSET_S, PHASES, made_run

BEGAN_S = -1.0  # the recording, on the board's clock, which `PHASES` are on
IDLE_W, BUSY_W = 2.0, 6.0
POLL_S = 0.05
BOARD = BoardFacts("Raspberry Pi 4 Model B", "aarch64", "Debian", "6", "3.11", 4, 1, 1, 1, None, None, None, None)


def make_run() -> BenchRun:
    result = BenchResult(
        manifest_sha256=DIGEST,
        agent_sha256=DIGEST,
        backend="null",
        settings=Settings(1),
        versions={},
        phases=tuple(PhaseSpan(name, round(a * 1e9), round(b * 1e9)) for name, (a, b) in PHASES.items()),
        first_inference_ns=1,
        latencies_ns=(10_000_000,) * 1000,
        predictions=(1,),
        memory_start=MemoryUse(1, None, 1, 0),
        board_before=BOARD,
        board_after=BOARD,
    )
    return made_run(result, trained=False, warmup_s=1.5)


def block_means(phase_s: float = 0.2, update_period_s: float | None = 0.5) -> PowerTrace:
    """The half-second means of a load that is busy from the import to the run-out, on the recording's clock."""
    ends = np.arange(0.5 + phase_s, 27.5, 0.5)
    busy_s = np.clip(ends, 6.0, 21.5) - np.clip(ends - 0.5, 6.0, 21.5)
    power_w = IDLE_W + (BUSY_W - IDLE_W) * busy_s / 0.5
    facts = MeterFacts("km003c", "serial", "/dev/pts/9", True, 1, "vbus/ibus", update_period_s, "block", POLL_S)
    return PowerTrace(facts, OFFSET_S + BEGAN_S, None, ends, np.full_like(ends, 5.0), power_w / 5.0)


@pytest.mark.parametrize("phase_s", [0.0, 0.1, 0.2, 0.49])
def test_block_means_give_the_steady_window_and_its_net_exactly(phase_s: float) -> None:
    energy = run_energy(make_run(), block_means(phase_s))
    assert energy.steady.energy_j == pytest.approx(BUSY_W * 10.0)
    assert energy.net.idle_power_w == pytest.approx(IDLE_W)
    assert energy.net.net_energy_j == pytest.approx((BUSY_W - IDLE_W) * 10.0)
    assert energy.steady.method == "each value covers the interval before it"
    assert energy.emulated is True


def polled_late(trace: PowerTrace, seed: int) -> PowerTrace:
    """As a recorder that asks twenty times a second sees it."""
    return dataclasses.replace(trace, t_s=trace.t_s + np.random.default_rng(seed).uniform(0.0, POLL_S, len(trace.t_s)))


@pytest.mark.parametrize("phase_s", [0.0, 0.1, 0.2, 0.3, 0.4, 0.49])
def test_no_step_of_the_load_is_in_the_error_of_steady_power(phase_s: float) -> None:
    """Neither of the steady window, which warm-up and run-out keep away from it, nor of the shortest idle windows."""
    for seed in range(20):
        energy = run_energy(make_run(), polled_late(block_means(phase_s), seed))
        assert energy.net.edge_error_j == pytest.approx(0.0, abs=1e-9)
        assert energy.net.net_energy_j == pytest.approx((BUSY_W - IDLE_W) * 10.0)


@pytest.mark.parametrize("update_period_s", [None, 0.5])
def test_idle_windows_lose_three_update_periods_at_either_end(update_period_s: float | None) -> None:
    energy = run_energy(make_run(), block_means(update_period_s=update_period_s))
    assert [window.duration_s for window in (energy.idle_before, energy.idle_after)] == pytest.approx([2.0, 2.0])
    assert energy.net.idle_power_w == pytest.approx(IDLE_W)


def test_a_fast_sensor_of_instants_loses_what_the_slow_meter_does() -> None:
    """It renews every 2 ms and is asked every 50 ms: three of its periods would be less than one poll."""
    t_s = np.arange(0.0, 27.5, 0.05)
    power_w = np.where((t_s > 6.0) & (t_s <= 21.5), BUSY_W, IDLE_W)
    facts = MeterFacts("hwmon", "sysfs", "hwmon3", False, 1, "in1*curr1", 0.002, "instant", POLL_S)
    trace = PowerTrace(facts, OFFSET_S + BEGAN_S, None, t_s, np.full_like(t_s, 5.0), power_w / 5.0)
    energy = run_energy(make_run(), polled_late(trace, seed=1))
    assert energy.idle_before.duration_s == pytest.approx(2.0)
    assert energy.net.edge_error_j == pytest.approx(0.0, abs=1e-9)


def test_a_recording_that_ends_too_early_or_has_a_hole_gives_no_joules() -> None:
    trace = block_means()
    for kept, error in ((trace.t_s < 24.0, WindowNotCovered), ((trace.t_s < 11.0) | (trace.t_s > 14.0), SampleGap)):
        columns = {name: getattr(trace, name)[kept] for name in ("t_s", "voltage_v", "current_a")}
        with pytest.raises(error):
            run_energy(make_run(), dataclasses.replace(trace, **columns))


def test_phases_lie_on_the_recordings_clock() -> None:
    phases = run_phases(make_run(), block_means())
    assert [(phase.name, phase.start_s, phase.end_s) for phase in phases] == [
        (name, pytest.approx(start_s - BEGAN_S), pytest.approx(end_s - BEGAN_S))
        for name, (start_s, end_s) in PHASES.items()
    ]


@pytest.mark.slow
def test_a_run_folders_recording_is_drawn_with_its_phases(tmp_path: Path) -> None:
    save_run(tmp_path / "run", make_run(), block_means())
    recording, copy = tmp_path / "run" / "power.csv", tmp_path / "copy.csv"
    copy.write_bytes(recording.read_bytes())
    for number, arguments in enumerate(([tmp_path / "run"], [copy, "--run", tmp_path / "run"], [copy])):
        out = tmp_path / f"{number}.svg"
        done = CliRunner().invoke(app, ["power", "plot", *map(str, arguments), "--out", str(out)])
        assert done.exit_code == 0, done.output
        # Of each phase shaded there is a path in each of three panels, and of each colour one in the legend.
        shades = len(set(PHASE_COLOURS.values())) + 1
        assert out.read_text().count("opacity: 0.22") == (3 * len(PHASES) + shades if number < 2 else 0)


def test_a_folder_without_a_recording_has_nothing_to_draw_or_integrate(tmp_path: Path) -> None:
    save_run(tmp_path / "run", dataclasses.replace(make_run(), power=None), None)
    for command in (("plot", "--out", str(tmp_path / "a.png")), ("integrate",)):
        done = CliRunner().invoke(app, ["power", *command, str(tmp_path / "run")])
        assert done.exit_code == 2 and "a run with a meter" in " ".join(done.stderr.replace("│", "").split())


def test_phases_of_another_time_are_refused(tmp_path: Path) -> None:
    save_run(tmp_path / "run", make_run(), block_means())
    other = tmp_path / "other.csv"
    other.write_text("t_s,voltage_v,current_a\n0,5,1\n0.5,5,1\n1,5,1\n")
    command = ["power", "plot", str(other), "--run", str(tmp_path / "run"), "--out", str(tmp_path / "a.png")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2 and "no moment in common" in done.stderr
    assert not (tmp_path / "a.png").exists()


def test_the_joules_of_all_phases_are_those_of_the_run() -> None:
    """Phases follow one another here, so nothing is left out and nothing counted twice."""
    phases = {one.phase: one for one in run_energy(make_run(), block_means()).phases}
    assert list(phases) == list(PHASES)
    joules = [one.energy.energy_j for one in phases.values() if one.energy is not None]
    assert sum(joules) == pytest.approx(2 * 5.0 * IDLE_W + 15.5 * BUSY_W)
    warmup = phases["warmup"]
    assert warmup.energy is not None and warmup.energy.energy_j == pytest.approx(1.5 * BUSY_W)
    # An import of half a second beside a step: the meter's means divide it, and the bound says by how much.
    short = phases["import"]
    assert short.energy is not None and short.energy.edge_error_j is not None and short.energy.edge_error_j > 0.1


def test_a_phase_that_cannot_be_integrated_is_null_with_its_reason() -> None:
    trace = block_means()
    kept = (trace.t_s < 8.0) | (trace.t_s > 9.5)  # a hole in the warm-up, and none in what the net is made of
    columns = {name: getattr(trace, name)[kept] for name in ("t_s", "voltage_v", "current_a")}
    run = make_run()
    spans = tuple(
        dataclasses.replace(span, end_ns=span.start_ns) if span.phase == "load" else span for span in run.result.phases
    )
    run = dataclasses.replace(run, result=dataclasses.replace(run.result, phases=spans))
    phases = {one.phase: one for one in run_energy(run, dataclasses.replace(trace, **columns)).phases}
    assert [name for name, one in phases.items() if one.energy is None] == ["load", "check", "warmup"]
    assert "no duration" in str(phases["load"].reason) and "No measurement" in str(phases["warmup"].reason)
    assert phases["steady"].energy is not None and phases["steady"].reason is None


def test_the_papers_energy_has_import_and_load_before_its_hundred_images() -> None:
    run = make_run()
    run = dataclasses.replace(run, result=dataclasses.replace(run.result, latencies_ns=(50_000_000,) * 200))
    paper = run_energy(run, block_means(phase_s=0.0)).paper
    assert paper is not None
    assert (paper.start_j, paper.steady_j) == (pytest.approx(BUSY_W), pytest.approx(BUSY_W * 5.0))
    assert paper.whole_j == pytest.approx(6.0 * BUSY_W) and paper.whole_wh == pytest.approx(6.0 * BUSY_W / 3600)
    assert paper.edge_error_j is not None


def test_coverage_and_clocks_stand_with_the_joules() -> None:
    energy = run_energy(make_run(), block_means())
    assert energy.coverage == 1.0
    assert (energy.clock_offset_s, energy.clock_uncertainty_s) == (OFFSET_S, 0.001)
    trace = block_means()
    kept = (trace.t_s < 13.0) | (trace.t_s > 13.9)
    columns = {name: getattr(trace, name)[kept] for name in ("t_s", "voltage_v", "current_a")}
    assert run_energy(make_run(), dataclasses.replace(trace, **columns)).coverage == pytest.approx(0.85, abs=0.051)
