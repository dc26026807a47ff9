"""100 images by both of the paper's conventions: its time has the inferences alone, its energy the start as well. Pure.

The joules are `bench.phase_energy.PaperEnergy`'s. Marks of emulated and of doubtful numbers are part of the cells.
"""

from groupnl_deploy.report.build import Report
from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.report.tables import Column
from power.energy import JOULES_IN_WH

PAPER_CAPTION = (
    "100 images as in the paper's section 4.3.2. Its time is that of the inferences; its energy is more than its mean "
    "power times that time, by what start, import and loading took. “In the window” is 100 inferences alone, “with the "
    "start” has import and load before them. The start of the interpreter is in neither: the agent runs already."
)


def paper_columns(report: Report) -> tuple[Column, ...]:
    """What each row of the report is in the paper's terms; the run's name where there are several."""
    runs = (Column("Run", lambda row: row.run, numeric=False),) if len(report.rows) > 1 else ()
    return (*runs, *_COLUMNS)


def _time(row: ReportRow) -> str:
    return "emulated" if row.time_s is None else f"{row.time_s:.3f}"


def _power(row: ReportRow) -> str:
    return "–" if row.power_w is None else f"{row.power_w:.3f}" + "*" * bool(row.emulated)


def _wh(row: ReportRow, joules: float | None) -> str:
    if row.emulated_board:
        return "emulated"
    if row.energy is None or joules is None:
        return "–" if row.emulated is None else "not known"
    return f"{joules / JOULES_IN_WH:.6f}" + ("*" if row.emulated else "")


def _in_window(row: ReportRow) -> str:
    paper = None if row.energy is None else row.energy.paper
    return _wh(row, None if paper is None else paper.steady_j)


def _with_start(row: ReportRow) -> str:
    paper = None if row.energy is None else row.energy.paper
    return _wh(row, None if paper is None else paper.whole_j)


def _edge(row: ReportRow) -> str:
    paper = None if row.energy is None else row.energy.paper
    return _wh(row, None if paper is None else paper.edge_error_j)


_COLUMNS = (
    Column("Network", lambda row: row.network, numeric=False),
    Column("Conv", lambda row: row.convolution or "–", numeric=False),
    Column("Backend", lambda row: row.backend, numeric=False),
    Column("Time (s)", _time, doubts="time"),
    Column("Power (W)", _power, doubts="energy"),
    Column("In the window (Wh)", _in_window, doubts="energy"),
    Column("With the start (Wh)", _with_start, doubts="energy"),
    Column("Edge error up to (Wh)", _edge),
)
