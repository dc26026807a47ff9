"""Runs made by hand that fill every part of a page: two networks, two backends, noise, holes, hostile names."""

import dataclasses
from pathlib import Path

import numpy as np

from device_agent.messages.bench import MemoryUse, PhaseSpan
from device_agent.messages.board import BoardState
from device_agent.strict import to_dict
from groupnl_deploy.bench.run import BenchRun, save_run
from groupnl_deploy.evaluation.record import (
    CorruptedScore,
    EvaluationRecord,
    ImagesRecord,
    Score,
    SubjectRecord,
    keep,
)
from groupnl_deploy.images.corrupted import CORRUPTIONS, SEVERITIES
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from power.trace import MeterFacts, PowerTrace
from tests.report.test_report import MANIFEST, OFFSET_S, PHASES, make_run

HOSTILE = "</script><script>alert(1)</script><b onmouseover='x'>&amp; \u202e \x1b[31m \"q\" `$policy` ${title}"


def sample_run(
    conv: str = "standard", backend: str = "onnxruntime", p50_ms: float = 10.0, seed: int = 0, label: str | None = None
) -> BenchRun:
    """Latencies with a tail, about as a quiet board has them."""
    random = np.random.default_rng(seed)
    spec = ModelSpec("resnet18_cifar", ConvSpec.preset(conv) if conv == "groupnl" else ConvSpec(conv), width=0.25)
    latencies_ms = p50_ms * (1 + 0.02 * random.standard_normal(2000) ** 2)
    latencies_ms[random.integers(0, 2000, 12)] *= 1.6
    manifest = dataclasses.replace(MANIFEST, label=label or spec.label, model=to_dict(spec))
    run = make_run(manifest=manifest)
    result = dataclasses.replace(
        run.result,
        backend=backend,
        latencies_ns=tuple(map(round, 1e6 * latencies_ms)),
        phases=tuple(_with_memory(span, p50_ms) for span in run.result.phases),
        states=tuple(_state(second) for second in range(23)),
    )
    return dataclasses.replace(run, result=result)


def _with_memory(span: PhaseSpan, p50_ms: float) -> PhaseSpan:
    """More from phase to phase, and the more the slower."""
    place = 20e6 * list(PHASES).index(span.phase) ** 0.5
    size = round(20e6 + place + 1e6 * p50_ms)
    return dataclasses.replace(span, memory=MemoryUse(size, round(0.85 * size), size + 3_000_000, 0, 0))


def _state(second: int) -> BoardState:
    """A board that warms up by 1 degree a second while it computes, and lowers its clock at 60."""
    busy = 4 <= second < 19
    warm_c = 48.0 + (min(second, 19) - 4 if second >= 4 else 0) - (0.7 * (second - 19) if second > 19 else 0)
    clock_hz = 0.6e9 if not busy else 1.5e9 if warm_c < 60 else 1.4e9
    cores = (clock_hz,) * 4
    return BoardState(round(second * 1e9) + 500_000_000, cores, "ondemand", warm_c, 0, False, 5.1, 0.99 * busy, 0.01)


def sample_trace(
    busy_w: float = 6.2, rate_hz: float = 50.0, emulated: bool = True, seconds: float = 25.0
) -> PowerTrace:
    """2.7 W idle, `busy_w` from the import to the run-out, with noise and one peak of 12 W of a single sample."""
    random = np.random.default_rng(1)
    t_s = np.arange(0.0, seconds, 1 / rate_hz)
    device_s = t_s - 1.0
    end_s = PHASES["runout"][1] + seconds - 25.0
    power_w = np.where((device_s > 4.0) & (device_s <= end_s), busy_w, 2.7) + 0.05 * random.standard_normal(len(t_s))
    power_w[np.searchsorted(t_s, 13.0)] = 12.0
    facts = MeterFacts("km003c-usb", "usb", "1-1", emulated, 1, "vbus/ibus", 1 / rate_hz, poll_period_s=1 / rate_hz)
    return PowerTrace(facts, OFFSET_S - 1.0, "2026-11-21T00:00:00+00:00", t_s, np.full_like(t_s, 5.1), power_w / 5.1)


def save_samples(folder: Path) -> list[Path]:
    """Four runs: both networks with both backends; the last is invalid and its name is markup."""
    made = {
        "standard-ort": (sample_run("standard", p50_ms=4.1, seed=1), sample_trace(6.4)),
        "groupnl-ort": (sample_run("groupnl", p50_ms=3.2, seed=2), sample_trace(6.1)),
        "standard-pytorch": (sample_run("standard", "pytorch", 14.8, 3), sample_trace(5.6)),
        "<i>groupnl": (sample_run("groupnl", "pytorch", 11.0, 4, HOSTILE), _with_hole(sample_trace(5.5))),
    }
    for name, (run, trace) in made.items():
        save_run(folder / name, run, trace)
    return [folder / name for name in made]


def save_evaluation(folder: Path, missing: int = 0) -> EvaluationRecord:
    """What the networks of sample runs in `folder` answered to corrupted images; the last parts may be missing."""
    scores = [
        CorruptedScore(name, level, Score(1000, 900 - 40 * level - 20 * place))
        for place, name in enumerate(CORRUPTIONS)
        for level in SEVERITIES
    ]
    images = ImagesRecord("cifar10c", None, "published", 1000, 10_000, 0, tuple(CORRUPTIONS), SEVERITIES)
    subject = SubjectRecord("artifact", HOSTILE, None, make_run().artifact_sha256)
    corrupted = tuple(scores[: len(scores) - missing])
    record = EvaluationRecord(subject, images, Score(1000, 950), corrupted, "2026-11-21T00:00:00+00:00", "1")
    keep(record, folder / "evaluations" / "sample")
    return record


def _with_hole(trace: PowerTrace) -> PowerTrace:
    kept = (trace.t_s < 11.0) | (trace.t_s > 14.0)
    columns = {name: getattr(trace, name)[kept] for name in ("t_s", "voltage_v", "current_a")}
    return dataclasses.replace(trace, **columns)
