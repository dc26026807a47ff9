"""Runs of two things, made by hand, for the tests of comparisons: every number is known in advance."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groupnl_deploy.bench.run import BenchRun, save_run
from groupnl_deploy.report.row import ReportRow, build_row
from tests.report.test_report import make_run, make_trace

P50_MS = (10.0, 10.1, 9.9, 10.2, 10.0, 10.1, 9.8, 10.0)
"""Eight repeats of A."""


def run_of(p50_ms: float, artifact: str = "a", minute: int = 0, **changes: Any) -> BenchRun:
    """A sound run of the artifact "aaa…" (or another letter) that began at 10:`minute`; its window is the sum."""
    run = make_run(artifact_sha256=artifact * 64, created_at=f"2026-11-21T10:{minute:02}:00+00:00")
    latencies = (round(1e6 * p50_ms),) * 1000
    manifest = dataclasses.replace(run.manifest, label=f"net-{artifact}")
    steady_s = sum(latencies) / 1e9
    phases = tuple(
        dataclasses.replace(span, end_ns=span.start_ns + round(1e9 * steady_s)) if span.phase == "steady" else span
        for span in run.result.phases
    )
    result = dataclasses.replace(
        run.result, **{"latencies_ns": latencies, "phases": phases, "manifest_sha256": artifact * 64} | changes
    )
    return dataclasses.replace(run, manifest=manifest, result=result)


def rows_of(
    p50s_ms: Sequence[float], artifact: str = "a", late: int = 0, metered: bool | None = None
) -> list[ReportRow]:
    """A row a latency; the k-th run began `late` minutes behind 10:2k. `metered`: by a real meter (or not)."""
    trace = None if metered is None else make_trace(emulated=not metered)
    return [
        build_row(run_of(p50_ms, artifact, 2 * number + late), trace, f"net-{artifact}-run{number + 1}")
        for number, p50_ms in enumerate(p50s_ms)
    ]


def save_sides(place: Path, ratio: float, pairs: int = len(P50_MS), **changes: Any) -> None:
    """A set's runs in `place`/runs: A of `P50_MS`, B `ratio` times as slow, in turns."""
    for number in range(pairs):
        for artifact, p50_ms in (("a", P50_MS[number]), ("b", ratio * P50_MS[number])):
            run = run_of(p50_ms, artifact, 2 * number + (artifact == "b"), **(changes if artifact == "b" else {}))
            save_run(place / "runs" / f"net-{artifact}-run{number + 1}", run, None)
