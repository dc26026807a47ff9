"""From a run and its recording to joules: the steady window, gross and net of idle. Pure.

A step of power near a window's edge blurs its energy by up to a step times an update period, and is in the bound of
its error. The steady window is never trimmed: the load is on before it (warm-up) and stays on behind it (run-out).
The idle windows have the load beside them, or the agent's start, and lose as much at either end.
"""

from dataclasses import dataclass

from device_agent.messages.bench import Phase
from groupnl_deploy.bench.metered import METERED_RUNOUT_S
from groupnl_deploy.bench.run import BenchRun
from power import renewal
from power.edge_error import CLEAR_PERIODS
from power.energy import Energy, EnergyIndex, NetEnergy, any_emulated, net_of_idle
from power.errors import MeterTooFast
from power.trace import PowerTrace


@dataclass(frozen=True)
class RunEnergy:
    """Joules of a run: idle before, the steady window, idle after, and the steady window net of idle."""

    idle_before: Energy
    steady: Energy
    idle_after: Energy
    net: NetEnergy

    @property
    def emulated(self) -> bool | None:
        """False when a real meter measured every part, None when nobody knows."""
        return any_emulated(self.idle_before, self.steady, self.idle_after, self.net)


def run_energy(run: BenchRun, trace: PowerTrace) -> RunEnergy:
    """Integrate a run's windows. Raises `WindowNotCovered`, `SampleGap` or `MeterTooFast` rather than guess."""
    index = EnergyIndex(trace)
    if index.renews_too_fast:
        raise MeterTooFast(f"{renewal.MEANING[0].upper()}{renewal.MEANING[1:]}.", renewal.remedy(trace.facts))
    # A sensor may be faster than it is asked; what the KM003C needs is enough for it.
    trim_s = max(METERED_RUNOUT_S, CLEAR_PERIODS * (trace.facts.update_period_s or index.update_period_s))
    before = _window(run, index, "idle_before", trim_s)
    steady = _window(run, index, "steady", 0.0)
    after = _window(run, index, "idle_after", trim_s)
    return RunEnergy(before, steady, after, net_of_idle(steady, before, after))


def phase_s(run: BenchRun, trace: PowerTrace, phase: Phase) -> tuple[float, float]:
    """When a phase began and ended, in seconds of the trace."""
    span = run.result.span(phase)
    if run.clock is None:
        raise ValueError("a run with a recording has compared clocks")
    return run.clock.host_s(span.start_ns) - trace.t0_s, run.clock.host_s(span.end_ns) - trace.t0_s


def _window(run: BenchRun, index: EnergyIndex, phase: Phase, trim_s: float) -> Energy:
    start_s, end_s = phase_s(run, index.trace, phase)
    return index.window(start_s + trim_s, end_s - trim_s)
