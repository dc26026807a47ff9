"""A window of a recording, integrated, with all that is said about it."""

from pathlib import Path

from groupnl_deploy.report.energy_table import Integrated
from power.energy import Energy, EnergyIndex, net_of_idle
from power.integration import IntegrationMethod
from power.reading.asked import NOTHING, Asked
from power.rows_on_change import may_be_changes
from power.skipped_gaps import outside_gaps
from power.trace import PowerTrace
from power.trace_io import read_csv


def integrate(
    recording: Path,
    window_s: tuple[float | None, float | None],
    idle_s: tuple[float, float] | None,
    rule: IntegrationMethod | None,
    max_gap_s: float | None,
    asked: Asked = NOTHING,
    skip_gaps: bool = False,
) -> Integrated:
    """Joules of a window of a CSV file, and net of an idle one where there is any; see `groupnl power integrate`.

    Raises the `PowerError` of a file that is none, and of a window that is not covered.
    """
    trace = read_csv(recording, asked)
    index = EnergyIndex(trace, method=rule, max_gap_s=max_gap_s)
    gross = outside_gaps(index, *_edges_s(trace, window_s)) if skip_gaps else index.window(*index.widest_s(*window_s))
    idle = None if idle_s is None else index.window(*idle_s)
    net = None if idle is None else net_of_idle(gross, idle)
    left_out_s = float(trace.t_s[-1]) - gross.end_s if window_s[1] is None else 0.0
    held = _if_held(index, gross) if rule is None and not gross.skipped_gaps else None
    return Integrated(trace.facts, gross, idle, net, left_out_s, trace.remarks, held)


def _edges_s(trace: PowerTrace, window_s: tuple[float | None, float | None]) -> tuple[float, float]:
    """Those that were given, and the first and the last row for those that were not."""
    start_s, end_s = window_s
    return (
        float(trace.t_s[0]) if start_s is None else start_s,
        float(trace.t_s[-1]) if end_s is None else end_s,
    )


def _if_held(index: EnergyIndex, gross: Energy) -> Energy | None:
    """The window's joules were its rows changes of a value, None where they are none for certain."""
    if not may_be_changes(index.trace):
        return None
    return EnergyIndex(index.trace, method="hold").window(gross.start_s, gross.end_s)
