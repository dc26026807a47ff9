"""From a run and its recording to joules: the steady window, gross and net of idle. Pure.

A step of power near a window's edge blurs its energy by up to a step times an update period, and is in the bound of
its error. The steady window is never trimmed: the load is on before it (warm-up) and stays on behind it (run-out).
The idle windows have the load beside them, or the agent's start, and lose as much at either end.
"""

from dataclasses import dataclass

from device_agent.messages.bench import Phase
from groupnl_deploy.bench.metered import METERED_RUNOUT_S
from groupnl_deploy.bench.phase_energy import PaperEnergy, PhaseEnergy, paper_energy, phase_energies, phase_s
from groupnl_deploy.bench.run import BenchRun
from power import renewal
from power.edge_error import CLEAR_PERIODS
from power.energy import Energy, EnergyIndex, NetEnergy, any_emulated, net_of_idle
from power.errors import MeterTooFast
from power.trace import PowerTrace


@dataclass(frozen=True)
class RunEnergy:
    """Joules of a run: idle before, the steady window, idle after, and the steady window net of idle.

    `phases` has every phase whole, `paper` 100 images by the paper's convention; it is null where import and load
    cannot be integrated. `coverage` is the share of the steady window in which no measurement is missing. The device's
    clock is `clock_offset_s` behind the host's, give or take `clock_uncertainty_s`.
    """

    idle_before: Energy
    steady: Energy
    idle_after: Energy
    net: NetEnergy
    phases: tuple[PhaseEnergy, ...]
    paper: PaperEnergy | None
    coverage: float
    clock_offset_s: float
    clock_uncertainty_s: float

    @property
    def emulated(self) -> bool | None:
        """False when a real meter measured every part, None when nobody knows."""
        return any_emulated(self.idle_before, self.steady, self.idle_after, self.net)


def run_energy(run: BenchRun, trace: PowerTrace) -> RunEnergy:
    """Integrate a run's windows. Raises `WindowNotCovered`, `SampleGap` or `MeterTooFast` rather than guess."""
    index, clock = EnergyIndex(trace), run.clock
    if clock is None:
        raise ValueError("a run with a recording has compared clocks")
    if index.renews_too_fast:
        raise MeterTooFast(f"{renewal.MEANING[0].upper()}{renewal.MEANING[1:]}.", renewal.remedy(trace.facts))
    # A sensor may be faster than it is asked; what the KM003C needs is enough for it.
    trim_s = max(METERED_RUNOUT_S, CLEAR_PERIODS * (trace.facts.update_period_s or index.update_period_s))
    before = _window(run, index, "idle_before", trim_s)
    steady = _window(run, index, "steady", 0.0)
    after = _window(run, index, "idle_after", trim_s)
    return RunEnergy(
        before,
        steady,
        after,
        net_of_idle(steady, before, after),
        phases=phase_energies(run, index),
        paper=paper_energy(run, index, steady),
        coverage=max(0.0, 1.0 - steady.gaps_s / steady.duration_s),
        clock_offset_s=clock.offset_s,
        clock_uncertainty_s=clock.uncertainty_s,
    )


def _window(run: BenchRun, index: EnergyIndex, phase: Phase, trim_s: float) -> Energy:
    start_s, end_s = phase_s(run, index.trace.t0_s, phase)
    return index.window(start_s + trim_s, end_s - trim_s)
