"""Which rows are on the front of latency and energy: no other row is better in both. Pure."""

from collections.abc import Sequence

from groupnl_deploy.analysis.pareto import front
from groupnl_deploy.bench.validity import doubted
from groupnl_deploy.report.row import ReportRow

FRONT_NOTE = "Front: yes where no other row is as good in both, time (p50) and energy per inference, and better in one."
_LEAST = 3  # rows; of two it is seen at a glance


def on_front(rows: Sequence[ReportRow]) -> tuple[bool, ...]:
    """For each row whether it is on the front of p50 and joules per inference; none whose numbers are doubtful is.

    Nor is one with emulated joules where another one's are measured, and it beats none of these.
    """
    measured = only_measured(rows)
    return front([None if measured and row.emulated else _costs(row) for row in rows])


def only_measured(rows: Sequence[ReportRow]) -> bool:
    """Whether some of these rows have joules that a real meter measured, beside which emulated ones do not count."""
    return any(not row.emulated and _costs(row) is not None for row in rows)


def has_front(rows: Sequence[ReportRow]) -> bool:
    """Whether enough rows have both numbers, so that there is something to tell."""
    return sum(_costs(row) is not None for row in rows) >= _LEAST


def front_cells(rows: Sequence[ReportRow]) -> dict[str, str]:
    """For each row, by its run: "yes" on the front, marked where its joules are emulated."""
    return {
        row.run: f"yes{'*' * bool(row.emulated)}" if on else "–" for row, on in zip(rows, on_front(rows), strict=True)
    }


def _costs(row: ReportRow) -> tuple[float, float] | None:
    if row.latency is None or row.energy_j is None or doubted(row.checks, "time") or doubted(row.checks, "energy"):
        return None
    return row.latency.p50_ms, row.energy_j
