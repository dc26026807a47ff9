"""What a page draws of one run: its power, its joules as they add up, its latencies. Pure.

Curves have fewer points than were measured, lowest and highest kept; joules, quantiles and counts are of all that was
measured.
"""

from dataclasses import dataclass

import numpy as np

from groupnl_deploy.bench.phase_energy import phase_s
from groupnl_deploy.bench.run import BenchRun
from groupnl_deploy.report.downsample import KEPT, broken_at_holes, rows_to_draw
from groupnl_deploy.report.phases import PhaseTime, own_phases
from power.energy import EnergyIndex
from power.errors import PowerError
from power.trace import PowerTrace, Samples

MOST_POINTS, LEAST_POINTS = 48_000, 400  # of power, all runs together, and of one where there are many
MOST_BLOCKS, LEAST_BLOCKS = 500, 60  # of latencies, of one run
_BLOCKS_OF_ALL = 20_000
_BINS = 48
_SHOWN_OF_LATENCIES = 99.5  # per cent; the bins would be too wide for the others if the slowest had one


@dataclass(frozen=True)
class PowerCurve:
    """Power over seconds since an instant, and the joules since the first row; NaN within each hole.

    `samples` were recorded, `drawn` of them are left. `steps` says how a value holds: "before" it, "after" it, or
    "line" from one to the next. `joules` is None where nobody knows them, and `joules_at_steady` is theirs
    where the steady window begins. In `holes` nothing was measured; joules of that time are in no sum.
    `voltage_v` is None where nobody measured it, or where it is not to be drawn.
    """

    t_s: Samples
    power_w: Samples
    voltage_v: Samples | None
    joules: Samples | None
    joules_at_steady: float | None
    samples: int
    drawn: int
    steps: str
    holes: tuple[tuple[float, float], ...]

    @property
    def holes_s(self) -> float:
        """For how many seconds nothing was measured."""
        return sum(end - begin for begin, end in self.holes)


@dataclass(frozen=True)
class LatencyCurve:
    """Lowest, median and highest latency of each block of `per_block` inferences; `first` is a block's first one."""

    first: Samples
    lowest_ms: Samples
    median_ms: Samples
    highest_ms: Samples
    per_block: int


@dataclass(frozen=True)
class Histogram:
    """How many latencies lie in each bin; `above` of them are slower than the last bin, up to `slowest_ms`."""

    edges_ms: tuple[float, ...]
    counts: tuple[int, ...]
    above: int
    slowest_ms: float


@dataclass(frozen=True)
class BoardCurve:
    """Temperature, and the clock of the fastest core, over the seconds since the benchmark began; NaN where untold."""

    t_s: Samples
    temperature_c: Samples
    clock_ghz: Samples


@dataclass(frozen=True)
class RunCurves:
    """All curves of one run. Latencies are None where an emulator computed, power without a meter."""

    run: str
    phases: tuple[PhaseTime, ...]
    steady_s: float
    power: PowerCurve | None
    latency: LatencyCurve | None
    histogram: Histogram | None
    board: BoardCurve | None


def run_curves(run: BenchRun, trace: PowerTrace | None, name: str, runs: int) -> RunCurves:
    """The curves of a run that is called `name`, one of so many on a page."""
    has_speed = not run.result.board_before.emulated
    latencies_ms = np.array(run.result.latencies_ns, dtype=float) / 1e6
    blocks = max(LEAST_BLOCKS, min(MOST_BLOCKS, _BLOCKS_OF_ALL // runs))
    phases = own_phases(run)
    return RunCurves(
        run=name,
        phases=phases,
        steady_s=next(phase.start_s for phase in phases if phase.name == "steady"),
        power=None if trace is None else power_curve(run, trace, max(LEAST_POINTS, MOST_POINTS // runs)),
        latency=latency_curve(latencies_ms, blocks) if has_speed else None,
        histogram=histogram(latencies_ms) if has_speed else None,
        board=board_curve(run) if has_speed else None,
    )


def power_curve(run: BenchRun, trace: PowerTrace, points: int) -> PowerCurve | None:
    """A recording as at most about so many points; None for one of fewer than two measurements."""
    if len(trace.t_s) < 2:
        return None
    try:
        index, known = EnergyIndex(trace), True
    except PowerError:  # how its values hold is not known: lines join them, and no joules are told
        index, known = EnergyIndex(trace, method="trapezoid"), False
    began_s, steady_s = phase_s(run, trace.t0_s, run.result.phases[0].phase)[0], phase_s(run, trace.t0_s, "steady")[0]
    return curve_of(index, began_s, points, steady_s if known else None, known=known)


def curve_of(
    index: EnergyIndex,
    zero_s: float,
    points: int,
    steady_s: float | None = None,
    *,
    known: bool = True,
    voltage: bool = False,
) -> PowerCurve:
    """A recording as at most about so many points, twice as many with its `voltage`; its times count from `zero_s`.

    `known` says whether it is known how its values hold, and so whether there are joules. `steady_s` is when the steady
    window of its run began, on the recording's clock.
    """
    trace = index.trace
    rows = rows_to_draw(trace.t_s, trace.power_w, index.holes_s, points // KEPT)
    if voltage:
        rows = np.union1d(rows, rows_to_draw(trace.t_s, trace.voltage_v, index.holes_s, points // KEPT))
    joules = joules_at_rows(index) if known and not index.renews_too_fast else None
    columns = {"w": trace.power_w} | ({} if joules is None else {"j": joules})
    columns |= {"v": trace.voltage_v} if voltage else {}
    drawn = [values[rows] for values in columns.values()]
    times, broken = broken_at_holes(trace.t_s[rows], index.holes_s, *drawn, at=0.5)
    shown = dict(zip(columns, broken, strict=True))
    return PowerCurve(
        t_s=times - zero_s,
        power_w=shown["w"],
        voltage_v=shown.get("v"),
        joules=shown.get("j"),
        joules_at_steady=None if joules is None or steady_s is None else float(np.interp(steady_s, trace.t_s, joules)),
        samples=len(trace.t_s),
        drawn=len(rows),
        steps=steps_of(index),
        holes=tuple((begin - zero_s, end - zero_s) for begin, end in index.holes_s),
    )


def joules_at_rows(index: EnergyIndex) -> Samples:
    """Since the first row, at every row; nothing is added across a hole."""
    t_s = index.trace.t_s
    left_out = np.diff(t_s) <= 0  # rows of one time
    holes = np.searchsorted(t_s, [begin for begin, _ in index.holes_s], side="right") - 1
    left_out[holes] = True
    kept = np.flatnonzero(~left_out)
    added = np.zeros(len(t_s) - 1)
    if len(kept):
        added[kept] = index.energy_j(t_s[kept], t_s[kept + 1])
    return np.concatenate(([0.0], np.cumsum(added)))


def steps_of(index: EnergyIndex) -> str:
    """How a value holds, as `PowerCurve.steps`."""
    if index.method == "hold":
        return "after"
    return "before" if index.trace.facts.averaging != "instant" else "line"


def board_curve(run: BenchRun) -> BoardCurve | None:
    """The board's states; None where fewer than two have a temperature or a clock."""
    began_ns = run.result.phases[0].start_ns
    told = [
        ((state.at_ns - began_ns) / 1e9, state.temperature_c, max(state.clocks_hz, default=None))
        for state in run.result.states
        if state.temperature_c is not None or state.clocks_hz
    ]
    if len(told) < 2:
        return None
    t_s, temperature_c, clock_hz = (np.array(column, dtype=float) for column in zip(*told, strict=True))
    return BoardCurve(t_s, temperature_c, clock_hz / 1e9)


def latency_curve(latencies_ms: Samples, blocks: int) -> LatencyCurve:
    """At least one latency, in at most about so many blocks of equal length; the last may be shorter."""
    per_block = -(-len(latencies_ms) // blocks)
    first = np.arange(0, len(latencies_ms), per_block)
    parts = [latencies_ms[begin : begin + per_block] for begin in first]
    low, middle, high = (np.array([measure(part) for part in parts]) for measure in (np.min, np.median, np.max))
    return LatencyCurve(first.astype(float), low, middle, high, per_block)


def histogram(latencies_ms: Samples) -> Histogram:
    """At least one latency in bins of equal width; the slowest of many are counted above the last."""
    slowest_ms = float(latencies_ms.max())
    top_ms = min(slowest_ms, 1.1 * float(np.percentile(latencies_ms, _SHOWN_OF_LATENCIES)))
    low_ms = float(latencies_ms.min())
    if top_ms <= low_ms:  # all are equal
        low_ms, top_ms = 0.95 * low_ms, 1.05 * low_ms
    counts, edges = np.histogram(latencies_ms, _BINS, (low_ms, top_ms))
    above = int(np.count_nonzero(latencies_ms > top_ms))
    return Histogram(tuple(map(float, edges)), tuple(map(int, counts)), above, slowest_ms)
