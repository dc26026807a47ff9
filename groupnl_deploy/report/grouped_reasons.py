"""Why runs are invalid, rule by rule where many are for the same one, so that a terminal is not flooded. Pure."""

from collections.abc import Iterator

from groupnl_deploy.bench.check import Check
from groupnl_deploy.report.build import Report
from groupnl_deploy.report.repeats import disagreements
from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.report.tables import general_notes, notes

_FEW = 4  # notes of runs; so many are told one by one
_MANY = 3  # runs that one rule is broken by, or that one thing could not be judged of
_ALL = "Every reason of every run: --json, or the page of --out report.html."

_Told = tuple[ReportRow, Check]


def brief_notes(report: Report) -> tuple[str, ...]:
    """What has to be said below a table on a terminal: `notes`, with those of many runs put together."""
    general = general_notes(report)
    every = notes(report)
    if len(every) - len(general) <= _FEW:
        return every
    apart = (f"{group.label}: INVALID: {check.says}." for group, check in disagreements(report))
    return (*general, *apart, *_invalid(report), *_not_judged(report), _ALL)


def _invalid(report: Report) -> Iterator[str]:
    """A sentence for each rule that many runs break, with the run that is farthest from its limit; else one a run."""
    found: dict[str, list[_Told]] = {}
    for row in report.rows:
        for check in row.checks:
            if check.verdict == "invalid":
                found.setdefault(check.rule, []).append((row, check))
    for rule, told in found.items():
        if len(told) < _MANY:
            yield from (f"{row.run}: INVALID: {check.says or rule}." for row, check in told)
            continue
        row, worst = max(told, key=_beyond)
        of = f"{len(told)} of {len(report.rows)} runs"
        yield f"INVALID: {rule}: {of}. The farthest off is {row.run}: {worst.says or rule}."


def _beyond(told: _Told) -> float:
    """How far from its limit it is; 0 where nothing was compared."""
    check = told[1]
    return 0.0 if check.value is None or check.limit is None else abs(check.value - check.limit)


def _not_judged(report: Report) -> Iterator[str]:
    """What could not be told of many runs, once; else of each run."""
    found: dict[str, list[str]] = {}
    for row in report.rows:
        for reason in row.not_judged:
            found.setdefault(reason, []).append(row.run)
    for reason, runs in found.items():
        who = f"{len(runs)} of {len(report.rows)} runs" if len(runs) >= _MANY else ", ".join(runs)
        yield f"{who}: not judged: {reason}."
