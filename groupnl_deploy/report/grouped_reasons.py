"""Why runs are invalid, rule by rule where many are for the same one, so that no table is buried. Pure."""

from collections.abc import Iterable, Iterator

from groupnl_deploy.bench.check import Check, Verdict
from groupnl_deploy.report.build import Report
from groupnl_deploy.report.repeats import disagreements, groups_of
from groupnl_deploy.report.tables import general_notes, notes

_FEW = 4  # notes of runs; so many are told one by one
_MANY = 3  # runs that one rule is broken by, or that one thing could not be judged of
_ALL = "Every reason of every run: --json, or the page of --out report.html."

_Told = tuple[str, Check]
"""A run, or a row of repeats, and what a rule says of it."""


def brief_notes(report: Report) -> tuple[str, ...]:
    """What has to be said below a table that people read: `notes`, with those of many runs put together."""
    general = general_notes(report)
    every = notes(report)
    if len(every) - len(general) <= _FEW:
        return every
    repeated = [group for group in groups_of(report) if len(group.runs) > 1]
    apart = ((group.label, check) for group, check in disagreements(report))
    reasons = (
        *_by_rule("INVALID", apart, f"{len(repeated)} rows of repeats"),
        *_by_rule("INVALID", _told(report, "invalid"), f"{len(report.rows)} runs"),
        *_by_rule("not judged", _told(report, "not judged"), f"{len(report.rows)} runs"),
    )
    return (*general, *dict.fromkeys(reasons), _ALL)  # what several rules lack is said once


def _told(report: Report, verdict: Verdict) -> Iterator[_Told]:
    return ((row.run, check) for row in report.rows for check in row.checks if check.verdict == verdict)


def _by_rule(word: str, told: Iterable[_Told], of: str) -> Iterator[str]:
    """A sentence for each rule that says it of many, else one for each of them."""
    found: dict[str, list[_Told]] = {}
    for who, check in told:
        found.setdefault(check.rule, []).append((who, check))
    for rule, several in found.items():
        if len(several) < _MANY:
            yield from (f"{who}: {word}: {_says(check)}." for who, check in several)
        elif len({_says(check) for _, check in several}) == 1:
            yield f"{len(several)} of {of}: {word}: {_says(several[0][1])}."
        else:
            who, worst = max(several, key=_beyond)
            yield f"{word}: {rule}: {len(several)} of {of}. The farthest off is {who}: {_says(worst)}."


def _says(check: Check) -> str:
    return (check.says or check.rule).rstrip(".")


def _beyond(told: _Told) -> float:
    """How far from its limit it is; 0 where nothing was compared."""
    check = told[1]
    return 0.0 if check.value is None or check.limit is None else abs(check.value - check.limit)
