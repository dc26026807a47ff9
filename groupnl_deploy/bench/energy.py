"""From a run and its recording to joules: the steady window, gross and net of idle. Pure.

A meter reports means over its update period, so a window beside a step of the load would be smeared. The idle
windows therefore lose two update periods at either end (before the first the agent starts). The steady window
is never trimmed: the load is on before it (warm-up) and stays on after it (run-out).
"""

from dataclasses import dataclass

from device_agent.wire import Phase
from groupnl_deploy.bench.run import BenchRun
from power.energy import Energy, NetEnergy, net_of_idle, window_energy
from power.trace import PowerTrace

_TRIM_PERIODS = 2


@dataclass(frozen=True)
class RunEnergy:
    """Joules of a run: idle before, the steady window, idle after, and the steady window net of idle."""

    idle_before: Energy
    steady: Energy
    idle_after: Energy
    net: NetEnergy

    @property
    def emulated(self) -> bool:
        """True unless a real meter measured every part."""
        return any((self.idle_before.emulated, self.steady.emulated, self.idle_after.emulated, self.net.emulated))


def run_energy(run: BenchRun, trace: PowerTrace) -> RunEnergy:
    """Integrate a run's windows. Raises `WindowNotCovered` or `SampleGap` rather than guess."""
    trim_s = _TRIM_PERIODS * trace.facts.update_period_s
    before = _window(run, trace, "idle_before", trim_s)
    steady = _window(run, trace, "steady", 0.0)
    after = _window(run, trace, "idle_after", trim_s)
    return RunEnergy(before, steady, after, net_of_idle(steady, before, after))


def _window(run: BenchRun, trace: PowerTrace, phase: Phase, trim_s: float) -> Energy:
    span = run.result.span(phase)
    start_s, end_s = (run.clock.host_s(edge_ns) - trace.t0_s for edge_ns in (span.start_ns, span.end_ns))
    return window_energy(trace, start_s + trim_s, end_s - trim_s)
