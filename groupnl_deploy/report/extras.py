"""What a report has on request beside its table: a baseline, the paper's tables, a pivot. Pure."""

from dataclasses import dataclass

from groupnl_deploy.report.baseline import baseline_section
from groupnl_deploy.report.beside_paper import paper_sections
from groupnl_deploy.report.build import Report
from groupnl_deploy.report.details import details_section
from groupnl_deploy.report.pivot import Pivot, pivot_section
from groupnl_deploy.report.repeats import groups_of
from groupnl_deploy.report.sections import Section


@dataclass(frozen=True)
class Extras:
    """What is asked for.

    Args:
        baseline: the row that all are held against.
        paper: whether the paper's tables stand beside ours.
        pivot: one number as a table of two traits.
        details: whether the numbers that the table has no room for stand below it.
    """

    baseline: str | None = None
    paper: bool = False
    pivot: Pivot | None = None
    details: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The options that ask for it."""
        flags = (("--paper", self.paper), ("--details", self.details))
        pivot = self.pivot
        rows = "" if pivot is None else ",".join(filter(None, (pivot.rows, pivot.columns)))
        return (
            *(() if self.baseline is None else ("--baseline", self.baseline)),
            *(flag for flag, asked in flags if asked),
            *(() if pivot is None else ("--pivot", rows, "--value", pivot.value)),
        )


NONE = Extras()


def sections(report: Report, extras: Extras) -> tuple[Section, ...]:
    """In the order in which they are shown. Raises `UsageError` for a name that names nothing."""
    if extras == NONE:
        return ()
    groups = groups_of(report)
    found = [pivot_section(groups, extras.pivot)] if extras.pivot else []
    found += [baseline_section(groups, extras.baseline)] if extras.baseline is not None else []
    found += [details_section(groups)] if extras.details else []
    return (*found, *(paper_sections(groups) if extras.paper else ()))


def shown(report: Report, extras: Extras) -> tuple[Section, ...]:
    """Those that people read: without the paper's tables that no row of ours is of, which JSON has as well."""
    return tuple(section for section in sections(report, extras) if not section.empty)
