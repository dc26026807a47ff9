"""When a run's phases were, and what a phase is called."""

from dataclasses import dataclass

from groupnl_deploy.bench.phase_energy import phase_s
from groupnl_deploy.bench.run import BenchRun
from power.trace import PowerTrace

PHASE_WORDS = {"runout": "run-out", "warmup": "warm-up"}


@dataclass(frozen=True)
class PhaseTime:
    """A phase of a run, in seconds of the recording or since the benchmark began."""

    name: str
    start_s: float
    end_s: float


def run_phases(run: BenchRun, trace: PowerTrace) -> tuple[PhaseTime, ...]:
    """The run's phases on the recording's clock, those that the recording holds at least a part of."""
    phases = (PhaseTime(span.phase, *phase_s(run, trace.t0_s, span.phase)) for span in run.result.phases)
    return tuple(phase for phase in phases if phase.end_s > trace.t_s[0] and phase.start_s < trace.t_s[-1])


def own_phases(run: BenchRun) -> tuple[PhaseTime, ...]:
    """The run's phases on the device's clock, in seconds since the first of them began."""
    began_ns = run.result.phases[0].start_ns
    return tuple(
        PhaseTime(span.phase, (span.start_ns - began_ns) / 1e9, (span.end_ns - began_ns) / 1e9)
        for span in run.result.phases
    )


def phase_words(phase: str) -> str:
    """A phase's name as people read it."""
    return PHASE_WORDS.get(phase, phase.replace("_", " "))
