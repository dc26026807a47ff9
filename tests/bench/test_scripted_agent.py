"""A scripted agent with known latencies, temperatures, loads and power: what is reported of it is known to the digit.

Every constant here is derived by hand. The road is the real one: the client over the wire, the parts put together, the
clocks compared, the run folder written and read back, the report.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from device_agent.messages.bench import (
    BenchBegun,
    BenchDone,
    BenchRequest,
    BoardStates,
    Checked,
    CpuUse,
    Latencies,
    Loaded,
    MemoryUse,
    Phase,
    PhaseMark,
    PhaseSpan,
)
from device_agent.messages.board import BoardFacts, BoardState
from device_agent.messages.profile import OperatorTime, Profiled
from device_agent.settings import Settings, Workload
from groupnl_deploy.bench.clock import synchronise
from groupnl_deploy.bench.result import BenchMessage, assemble, gather
from groupnl_deploy.bench.run import BenchRun, Images, save_run
from groupnl_deploy.cli.main import app
from groupnl_deploy.remote import client
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.report.build import Report, build_report
from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.report.tables import columns
from power.trace import MeterFacts, PowerTrace
from tests.bench.made_runs import DIGEST, made_manifest
from tests.rigs.scripted_agent import ScriptedClocks, ScriptedProcess

MS = 1_000_000  # nanoseconds
IMAGE = np.arange(3 * 32 * 32, dtype=np.uint8).reshape(1, 3, 32, 32)
BOARD = BoardFacts("Raspberry Pi 4 Model B", "aarch64", "Debian", "6", "3.11", 4, 1, 1, 1, None, None, None, 0)
MEMORY = MemoryUse(50_000_000, 40_000_000, 60_000_000, 0, 0)
# Where the device's clock begins, and how far behind the host's it is.
BEGAN_NS, OFFSET_NS = 500_000 * MS, 1_000_000 * MS
# Seconds since then; each a whole number of half seconds, as the meter counts.
LENGTHS: dict[Phase, float] = {
    "idle_before": 5.0,
    "import": 1.5,
    "load": 1.5,
    "check": 1.5,
    "warmup": 2.5,
    "steady": 10.5,
    "runout": 1.5,
    "idle_after": 5.0,
    "profile": 2.0,
}
# A permutation of 10.000 to 10.999 ms in steps of a microsecond: each occurs once.
LATENCIES = tuple(10 * MS + 1000 * (7 * number % 1000) for number in range(1000))
PROFILE = Profiled(
    (11 * MS, 13 * MS, 15 * MS),
    (
        OperatorTime("/features/features.0/conv1/Conv", "Conv", 3, 21 * MS, ("/features/features.0/conv1/Conv",)),
        OperatorTime("/features/features.0/Sin", "Sin", 3, 9 * MS, ("/features/features.0/Sin",), (0,)),
    ),
)


@dataclass(frozen=True)
class Script:
    """What the agent is to say of its benchmark; what is not given is as on a board at rest."""

    latencies_ns: Sequence[int] = LATENCIES
    steady_s: float = LENGTHS["steady"]
    foreign_s: float = 0.0
    throttled: int = 0
    drift: float = 0.0

    def spans(self) -> dict[Phase, tuple[int, int]]:
        """When each phase begins and ends, on the device's clock."""
        found, at_ns = {}, BEGAN_NS
        for phase, seconds in (LENGTHS | {"steady": self.steady_s}).items():
            found[phase] = (at_ns, at_ns := at_ns + round(1000 * seconds) * MS)
        return found

    def messages(self) -> list[BenchMessage]:
        """All of them, in an agent's order."""
        said: dict[Phase, list[BenchMessage]] = {
            "load": [Loaded({"numpy": "2"})],
            "check": [Checked(12 * MS, (1,), (2 * MS,), (3 * MS,))],
            "runout": [Latencies(tuple(self.latencies_ns[:600])), Latencies(tuple(self.latencies_ns[600:]))],
            "idle_after": [BoardStates(self.states())],
            "profile": [PROFILE],
        }
        messages: list[BenchMessage] = [BenchBegun(DIGEST, Settings(1), BOARD, MEMORY)]
        for phase, (start_ns, end_ns) in self.spans().items():
            busy_s = (end_ns - start_ns) / 1e9 * (phase not in ("idle_before", "idle_after"))
            foreign_s = self.foreign_s if phase == "steady" else 0.0
            cpu = CpuUse((end_ns - start_ns) / 1e9, busy_s, 0.01, 4, busy_s + foreign_s, 0.0, 0.0, None, 1.5e9, 1.5e9)
            # A profiler keeps what it saw; that is no memory of the model.
            memory = replace(MEMORY, peak_rss_bytes=900_000_000) if phase == "profile" else MEMORY
            messages += [PhaseMark(phase, start_ns, 1.0), PhaseSpan(phase, start_ns, end_ns, cpu, memory)]
            messages += said.get(phase, [])
        board = replace(BOARD, throttled=self.throttled)
        return [*messages, BenchDone(len(self.latencies_ns), board)]

    def states(self) -> tuple[BoardState, ...]:
        """One a second, in its middle: 45.0 °C and half a degree more in each; a pulse of load in every fourth."""
        _, end_ns = self.spans()["idle_after"]
        return tuple(
            BoardState(
                BEGAN_NS + 500 * MS + 1000 * MS * second,
                *((1.5e9,) * 4, "performance", 45.0 + 0.5 * second, 0, False, 5.1),
                *(0.25, 0.02 if second % 4 == 0 else 0.0),
            )
            for second in range((end_ns - BEGAN_NS) // (1000 * MS))
        )

    def power(self) -> PowerTrace:
        """Half-second means on the host's clock, from a second before: 2 W at rest, 6 W of load, 8 W in every second
        half second of the steady window.
        """
        spans, blocks = self.spans(), round(2 * (sum(LENGTHS.values()) + self.steady_s - LENGTHS["steady"] + 4))
        ends_ns = [BEGAN_NS - 1000 * MS + 500 * MS * number for number in range(1, blocks + 1)]
        watts = np.array([self._watts(spans, end_ns - 500 * MS) for end_ns in ends_ns])
        t0_s, t_s = (BEGAN_NS - 1000 * MS + OFFSET_NS) / 1e9, 0.5 * np.arange(1, blocks + 1)
        facts = MeterFacts("km003c", "serial", "/dev/pts/9", True, 1, "vbus/ibus", 0.5, "block", 0.05)
        return PowerTrace(facts, t0_s, None, t_s, np.full_like(t_s, 5.0), watts / 5.0)

    def _watts(self, spans: dict[Phase, tuple[int, int]], at_ns: int) -> float:
        steady_ns, _ = spans["steady"]
        if spans["steady"][0] <= at_ns < spans["steady"][1]:
            return 8.0 if (at_ns - steady_ns) // (500 * MS) % 2 else 6.0
        return 6.0 if spans["import"][0] <= at_ns < spans["runout"][1] else 2.0


def benchmark(script: Script, folder: Path, monkeypatch: pytest.MonkeyPatch, metered: bool = True) -> BenchRun:
    """Carry the script out as `run_session` does, at the script's times, and keep the run."""
    ends_ns = max(end for _, end in script.spans().values())
    # The first question for the time is answered in the middle of a millisecond.
    clocks = ScriptedClocks(BEGAN_NS - 50 * MS, OFFSET_NS, script.drift)
    process = ScriptedProcess(clocks, script.messages(), ends_ns)
    monkeypatch.setattr(client, "time", SimpleNamespace(monotonic=clocks.monotonic))
    agent = AgentClient(process, "pi")  # type: ignore[arg-type]
    request = BenchRequest("x", DIGEST, "null", Settings(1, workload=Workload(idle_s=5.0)), 1, 1.5, profile=True)
    before = agent.probe_clock(3)
    messages = list(agent.bench(request, IMAGE, "the frame"))
    clock = synchronise(before, agent.probe_clock(3))
    assert len(process.images) == 1 and process.frames[0].text == "the frame"
    run = BenchRun(
        device="pi",
        artifact_sha256=DIGEST,
        manifest=made_manifest(trained=False),
        request=request,
        images=Images("noise", None),
        created_at="2026-11-27T00:00:00+00:00",
        host={},
        clock=clock,
        result=assemble(request, gather(messages)),
        power=None,
    )
    return save_run(folder, run, script.power() if metered else None)


def exactly(value: float) -> Any:
    return pytest.approx(value, rel=1e-9)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[BenchRun, ReportRow, dict[str, Any]]:
    """The run of a board at rest: as it was made, its row, and what the command prints of it for programs."""
    folder = tmp_path_factory.mktemp("scripted") / "run"
    with pytest.MonkeyPatch.context() as patch:
        run = benchmark(Script(), folder, patch)
    printed = CliRunner().invoke(app, ["report", str(folder), "--json"])
    assert printed.exit_code == 0, printed.output
    return run, build_report([folder]).rows[0], json.loads(printed.stdout)["rows"][0]


def test_the_table_shows_them_to_its_last_digit(sound) -> None:
    report = Report((sound[1],))
    shown = {column.heading: column.cell(report.rows[0]) for column in columns(report)}
    expected = {"Time (s)": "1.050", "Avg. FPS": "95.2", "p50/p99 (ms)": "10.50/10.99", "Mem. (MB)": "60.0"}
    expected |= {"Power (W)": "6.952*", "Energy (Wh)": "0.002028*", "Gross/net (mJ)": "73.00/52.00*"}
    assert {heading: shown[heading] for heading in expected} == expected


def test_the_clocks_of_host_and_device_are_compared_to_half_the_round_trip(sound) -> None:
    clock = sound[0].clock
    assert clock.offset_s == exactly(1000.0)
    assert clock.drift == pytest.approx(0.0, abs=1e-12)
    assert clock.uncertainty_s == exactly(0.0005)


def test_statistics_are_those_of_the_latencies(sound) -> None:
    _, row, printed = sound
    # The numbers 0 to 999 µs above 10 ms: percentiles by nearest rank; the variance of 0 … n-1 is n (n + 1) / 12.
    expected = {
        "iterations": 1000,
        "duration_s": 10.5,
        "fps": 1000 / 10.5,
        "mean_ms": 10.4995,
        "std_ms": math.sqrt(1000 * 1001 / 12) / 1000,
        "p50_ms": 10.499,
        "p90_ms": 10.899,
        "p95_ms": 10.949,
        "p99_ms": 10.989,
        "max_ms": 10.999,
    }
    assert {name: printed["latency"][name] for name in expected} == {k: exactly(v) for k, v in expected.items()}
    assert (row.time_s, row.fps) == (exactly(1.05), exactly(95.23809523809524))
    assert sound[0].result.latencies_ns == LATENCIES


def test_energy_of_every_phase_and_of_an_inference(sound) -> None:
    _, row, printed = sound
    # 21 half seconds of 6 and 8 W by turns are 73 J; at rest 2 W, else 6 W.
    assert row.energy is not None
    joules = {phase.phase: phase.energy.energy_j for phase in row.energy.phases if phase.energy is not None}
    expected = {"idle_before": 10.0, "import": 9.0, "load": 9.0, "check": 9.0, "warmup": 15.0, "steady": 73.0}
    expected |= {"runout": 9.0, "idle_after": 10.0, "profile": 4.0}
    assert joules == {phase: exactly(value) for phase, value in expected.items()}
    assert row.power_w == exactly(73.0 / 10.5) and row.idle_power_w == exactly(2.0)
    assert printed["energy_j"] == exactly(0.073)
    assert printed["net_energy_j"] == exactly((73.0 - 2.0 * 10.5) / 1000)
    assert printed["energy_wh"] == exactly(7.3 / 3600)
    assert row.energy.paper is not None and row.energy.paper.whole_j == exactly(9.0 + 9.0 + 7.3)
    assert row.emulated is True


def test_temperatures_and_loads_of_the_board_are_those_of_each_second(sound) -> None:
    result = sound[0].result
    assert len(result.states) == 29
    # The steady window begins 12 s and ends 22.5 s behind the first phase; states lie at every half second.
    steady = result.states_in("steady")
    assert [state.temperature_c for state in steady] == [45.0 + 0.5 * second for second in range(12, 23)]
    assert [state.foreign_share for state in steady] == [0.02 if second % 4 == 0 else 0.0 for second in range(12, 23)]
    printed = sound[2]
    assert (printed["start_c"], printed["hottest_c"], printed["clock_hz"]) == (45.0, 56.0, 1.5e9)


def test_what_stands_beside_an_inference_and_the_memory(sound) -> None:
    printed = sound[2]
    assert [printed[name] for name in ("preprocess_ms", "postprocess_ms", "end_to_end_ms")] == [
        exactly(value) for value in (2.0, 3.0, 2.0 + 10.499 + 3.0)
    ]
    sizes = {"memory_start_mb": 50.0, "memory_after_load_mb": 50.0, "memory_mb": 60.0, "working_set_mb": 10.0}
    assert {name: printed[name] for name in sizes} == sizes


def test_a_board_at_rest_is_sound_by_every_rule_that_can_judge(sound) -> None:
    _, row, _ = sound
    verdicts = {check.rule: (check.verdict, check.value) for check in row.checks}
    assert row.valid, row.problems
    assert verdicts["latency tail"] == ("sound", exactly(10.989 / 10.499))
    assert verdicts["mean latency"] == ("sound", exactly(10.4995 / 10.499))
    assert verdicts["foreign load, steady"] == ("sound", 0.0)
    assert verdicts["clock"] == ("sound", 1.0)
    assert verdicts["measurements"] == ("sound", 22)  # one every half second, those on both edges too
    assert verdicts["clocks' uncertainty"] == ("sound", exactly(0.0005))


def test_the_profile_shares_the_energy_by_time(sound) -> None:
    profile = sound[1].profile
    assert (profile.runs, profile.wall_ms, profile.covered) == (3, exactly(13.0), exactly(30 / 39))
    assert profile.slowdown == exactly(13.0 / 10.499)
    kinds = {one.kind: (one.ms, one.share, one.energy_estimate_j) for one in profile.kinds}
    assert kinds == {
        "Conv": (exactly(7.0), exactly(0.7), exactly(0.0511)),
        "Sin": (exactly(3.0), exactly(0.3), exactly(0.0219)),
    }


def test_a_clock_that_runs_slow_lengthens_the_windows_by_so_much(tmp_path: Path, monkeypatch) -> None:
    """By 1e-4 of their length: the steady window ends a millisecond later on the meter's clock."""
    run = benchmark(Script(drift=1e-4), tmp_path / "run", monkeypatch)
    assert run.clock is not None and run.clock.drift == pytest.approx(1e-4, rel=1e-4)
    energy = build_report([tmp_path / "run"]).rows[0].energy
    assert energy is not None and energy.steady.duration_s == pytest.approx(10.5 * (1 + 1e-4), rel=1e-7)


def test_a_processor_that_becomes_slower_drifts_by_the_slope(tmp_path: Path, monkeypatch) -> None:
    """Ten blocks of a hundred, each 9/8 as slow as the one before, so between all blocks' middles there is one slope.

    Block b takes L per inference and the next one 9/8 L: their middles are 50 L + 50 · 9/8 L apart. So the slope is
    (1/8) / (50 · 17/8) = 1/850 s a second, or 60000/850 ms a minute. 8^9 ns are a whole number, and so are all others.
    """
    latencies = [8 ** (9 - block) * 9**block for block in range(10) for _ in range(100)]
    steady_s = sum(latencies) / 1e9
    script = Script(latencies, math.ceil(2 * steady_s) / 2, throttled=0x2)
    benchmark(script, tmp_path / "run", monkeypatch, metered=False)
    row = build_report([tmp_path / "run"]).rows[0]
    assert row.latency is not None
    # What the loop took between inferences is spread over all of them, so the slope is less by that.
    assert row.latency.drift_ms_per_min == exactly(60_000 / 850 * steady_s / script.steady_s)
    verdicts = {check.rule: (check.verdict, check.value, check.limit) for check in row.checks}
    assert verdicts["latency drift"] == ("invalid", exactly((9 / 8) ** 9), 1.25)
    assert verdicts["a capped clock"][0] == "invalid" and verdicts["throttling"][0] == "sound"
    assert not row.valid


# 42 s of processor time in all: 2.1 s are the limit of 5 %, and the kernel's ticks leave three hundredths of 10.5 s.
@pytest.mark.parametrize(
    ("foreign_s", "verdict"), [(0.0, "sound"), (2.1, "sound"), (2.21, "sound"), (2.23, "invalid"), (4.2, "invalid")]
)
def test_pulses_of_another_program_are_counted(tmp_path: Path, monkeypatch, foreign_s: float, verdict: str) -> None:
    benchmark(Script(foreign_s=foreign_s), tmp_path / "run", monkeypatch, metered=False)
    checks = {check.rule: check for check in build_report([tmp_path / "run"]).rows[0].checks}
    found = checks["foreign load, steady"]
    assert (found.verdict, found.value) == (verdict, exactly(foreign_s / 42.0) if foreign_s else 0.0)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=700), st.floats(0.5, 100.0))
def test_no_latency_is_lost_or_changed_on_the_way(tmp_path_factory, latencies: list[int], steady_s: float) -> None:
    folder = tmp_path_factory.mktemp("any") / "run"
    with pytest.MonkeyPatch.context() as patch:
        run = benchmark(Script(latencies, round(2 * steady_s) / 2), folder, patch, metered=False)
    assert run.result.latencies_ns == tuple(latencies)
    stats = build_report([folder]).rows[0].latency
    assert stats is not None and stats.max_ms == max(latencies) / 1e6
    assert stats.p50_ms == sorted(latencies)[math.ceil(len(latencies) / 2) - 1] / 1e6
    assert stats.mean_ms == exactly(float(np.mean(np.array(latencies, dtype=object))) / 1e6)
