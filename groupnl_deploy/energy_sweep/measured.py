"""From the runs of a sweep to the costs of single layers, and to the record that a fit reads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from device_agent.messages.board import throttled_by
from groupnl_deploy.bench.run import BenchRun, load_run
from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.sweep import Point, Sweep
from groupnl_deploy.energy_sweep.key import EMULATED_BOARD, key_of_run
from groupnl_deploy.energy_sweep.plan import SweepPlan
from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.report.row import ReportRow, build_row
from power.errors import PowerError
from power.trace import PowerTrace


@dataclass(frozen=True)
class Window:
    """One benchmark of one layer with one number of groups.

    Args:
        run: its folder below `runs/`.
        cost: of one layer and frame, in J net of idle or in s; None where the run has none.
        problems: why it is invalid and in no fit; empty for a sound one.
        clock_mhz: median clock of the fastest core in the window; None where the board does not tell.
        hottest_c: highest temperature there, in °C; likewise.
        throttled: what the board's firmware said of its supply and clock there; empty for nothing.
        elsewhere: it was measured on another board or setting than the plan's.
    """

    run: str
    cost: float | None
    problems: tuple[str, ...] = ()
    clock_mhz: float | None = None
    hottest_c: float | None = None
    throttled: tuple[str, ...] = ()
    elsewhere: bool = False


@dataclass(frozen=True)
class Cell:
    """A layer with a number of groups, and all its windows so far."""

    shape: LayerShape
    groups: int
    windows: tuple[Window, ...]

    @property
    def sound(self) -> tuple[float, ...]:
        """The costs that may be believed."""
        return tuple(one.cost for one in self.windows if one.cost is not None and not one.problems)

    @property
    def known(self) -> tuple[float, ...]:
        """The costs that were measured, invalid ones among them."""
        return tuple(one.cost for one in self.windows if one.cost is not None)


def window_of(folder: Path, plan: SweepPlan) -> Window:
    """What the run in a folder says; a damaged one says nothing, which is its problem."""
    try:
        run, trace = load_run(folder)
    except (VerificationFailed, PowerError) as damaged:
        return Window(folder.name, None, (damaged.message.rstrip("."),))
    return window(run, trace, folder.name, plan)


def window(run: BenchRun, trace: PowerTrace | None, name: str, plan: SweepPlan) -> Window:
    """Of one run that lies in a folder of this name. Pure."""
    if (found := key_of_run(run, plan.key.batch)) != plan.key:
        return Window(name, None, (f"it was measured on {found}, and the sweep is of {plan.key}",), elsewhere=True)
    row = build_row(run, trace, name)
    cost = _cost(row, plan)
    lacking = () if cost is not None or row.problems else (_why_no_cost(row, plan),)
    states = run.result.states_in("steady")
    throttled = dict.fromkeys(what for state in states for what in throttled_by(state.throttled or 0))
    return Window(
        name,
        cost,
        (*row.problems, *lacking),
        None if row.clock_hz is None else row.clock_hz / 1e6,
        row.hottest_c,
        tuple(throttled),
    )


def _cost(row: ReportRow, plan: SweepPlan) -> float | None:
    """Of one copy and one image; None where nothing above zero was measured."""
    if plan.quantity == "energy":
        frame = row.net_energy_j
    else:
        frame = None if row.latency is None else row.latency.p50_ms / 1e3
    return None if frame is None or frame <= 0 else frame / plan.copies / plan.key.batch


def _why_no_cost(row: ReportRow, plan: SweepPlan) -> str:
    if row.emulated_board:
        return EMULATED_BOARD
    if plan.quantity == "energy":
        return "its energy net of idle is not above zero"
    return "its median latency is not above zero"


def cells_measured(plan: SweepPlan, windows: Iterable[tuple[str, Window]]) -> tuple[Cell, ...]:
    """All cells of the plan, in its order, with the windows that there are; each comes with its network's label."""
    found: dict[str, list[Window]] = {label: [] for label in plan.labels}
    for label, one in windows:
        found[label].append(one)
    return tuple(Cell(shape, groups, tuple(found[label])) for label, (shape, groups) in plan.labels.items())


def sweep_of(plan: SweepPlan, cells: Sequence[Cell]) -> Sweep:
    """The record that `groupnl energy-model fit` reads: sound windows alone. Cells without one are left out."""
    points = tuple(Point(cell.shape, cell.groups, cell.sound) for cell in cells if cell.sound)
    return Sweep(plan.key, plan.quantity, plan.meter, plan.emulated, points)
