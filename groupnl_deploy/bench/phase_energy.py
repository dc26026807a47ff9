"""The joules of every phase of a run, and those of 100 images as the paper counts them. Pure.

Here no phase is trimmed, so that the joules of all phases add up to those of the run, but for the moments between two
phases in which the agent sends what it measured: a short phase beside a step of the load has a large edge error, which
stands with it. The paper (arXiv 2506.12335, Tables 11 and 12) gives more joules
than its mean power times its time: its energy has the start of the program, the import and the loading in it, its time
has not.
"""

from dataclasses import dataclass

from device_agent.messages.bench import Phase
from groupnl_deploy.bench.run import BenchRun
from power.energy import JOULES_IN_WH, Energy, EnergyIndex
from power.errors import PowerError

PAPER_IMAGES = 100
"""The paper's Tables 11, 12 and 16 give time and energy for so many."""

_PAPERS_START: tuple[Phase, Phase] = ("import", "load")


@dataclass(frozen=True)
class PhaseEnergy:
    """What one phase cost, whole; or null, with the reason, where that cannot be told."""

    phase: Phase
    duration_s: float
    energy: Energy | None
    reason: str | None = None


@dataclass(frozen=True)
class PaperEnergy:
    """Joules of 100 images by both conventions.

    `steady_j` is of 100 inferences in the steady window. `whole_j` has import and load, `start_j`, before them, as the
    paper's energy has. The start of the interpreter, which the paper's has too, lies before the first phase and is not
    in it. `edge_error_j` bounds what the windows' edges make of `whole_j`; null where that is not known.
    """

    start_j: float
    steady_j: float
    whole_j: float
    edge_error_j: float | None

    @property
    def whole_wh(self) -> float:
        """The same in watt-hours, as in the paper."""
        return self.whole_j / JOULES_IN_WH


def phase_s(run: BenchRun, t0_s: float, phase: Phase) -> tuple[float, float]:
    """When a phase began and ended, in seconds of the recording that began at `t0_s` of the host's clock."""
    span = run.result.span(phase)
    if run.clock is None:
        raise ValueError("a run with a recording has compared clocks")
    return run.clock.host_s(span.start_ns) - t0_s, run.clock.host_s(span.end_ns) - t0_s


def phase_energies(run: BenchRun, index: EnergyIndex) -> tuple[PhaseEnergy, ...]:
    """Of every phase that the run has, in their order. Never raises for a phase that cannot be integrated."""
    return tuple(_phase(run, index, span.phase) for span in run.result.phases)


def paper_energy(run: BenchRun, index: EnergyIndex, steady: Energy) -> PaperEnergy | None:
    """Both conventions; None where import and load cannot be integrated."""
    (start_s, _), (_, end_s) = (phase_s(run, index.trace.t0_s, phase) for phase in _PAPERS_START)
    try:
        # One window: the step of the load between two short ones would be in the errors of both.
        start = index.window(start_s, end_s)
    except PowerError:
        return None
    share = PAPER_IMAGES / len(run.result.latencies_ns)
    steady_j, edge_error_j = share * steady.energy_j, None
    if start.edge_error_j is not None and steady.edge_error_j is not None:
        edge_error_j = start.edge_error_j + share * steady.edge_error_j
    return PaperEnergy(start.energy_j, steady_j, start.energy_j + steady_j, edge_error_j)


def _phase(run: BenchRun, index: EnergyIndex, phase: Phase) -> PhaseEnergy:
    start_s, end_s = phase_s(run, index.trace.t0_s, phase)
    try:
        return PhaseEnergy(phase, end_s - start_s, index.window(start_s, end_s))
    except PowerError as error:
        return PhaseEnergy(phase, end_s - start_s, None, error.message.rstrip("."))
