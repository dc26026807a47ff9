"""Runs that are repeats of one thing, folded into one row with the median and its range or interval. Pure.

Repeats differ in nothing but their name and when they were made. What is invalid is left out where another run is
valid, so that a disturbed run moves no median; it stays in the report, with its reasons.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from groupnl_deploy.analysis.spread import Spread, median_of_all, spread
from groupnl_deploy.bench.check import Check, at_most
from groupnl_deploy.bench.stats import LatencyStats
from groupnl_deploy.bench.steadiness import RESOLVED_NS
from groupnl_deploy.report.build import Report
from groupnl_deploy.report.flat import flat_values, phase_joules
from groupnl_deploy.report.identity import Identity
from groupnl_deploy.report.row import ReportRow

LARGEST_RATIO = 1.25
"""Between the lowest and the highest p50 of repeats. The same work on a quiet board repeats within a few per cent."""

_OWN = ("run", "created_at")
_IDENTITY = tuple(field.name for field in fields(Identity))
_LATENCIES = tuple(field.name for field in fields(LatencyStats) if field.name != "iterations")
_NUMBERS = tuple(
    field.name for field in fields(ReportRow) if field.type == float | None and field.name not in _IDENTITY
)


@dataclass(frozen=True)
class Group:
    """Repeats of one thing: one run or more.

    Args:
        label: of all runs in one.
        runs: their names, in the report's order.
        used: those that the medians are of.
        places: which rows of the report they are.
        row: their medians; where nothing was repeated the row itself.
        spreads: of each number that all used runs have, by its name in a report.
        checks: what is said of the repeats together; of each run its own row says it.
    """

    label: str
    runs: tuple[str, ...]
    used: tuple[str, ...]
    places: tuple[int, ...]
    row: ReportRow
    spreads: dict[str, Spread]
    checks: tuple[Check, ...]

    @property
    def valid(self) -> bool:
        """Whether its medians may be believed: those of valid runs that agree."""
        return self.row.valid


def groups_of(report: Report) -> tuple[Group, ...]:
    """One for each thing that was measured, in the order of its first run."""
    found: dict[str, list[int]] = {}
    for place, row in enumerate(report.rows):
        found.setdefault(repeat_key(row), []).append(place)
    return tuple(_group([report.rows[place] for place in places], tuple(places)) for places in found.values())


def folded(report: Report) -> Report:
    """The report with one row for each thing; it has nothing to draw."""
    return replace(report, rows=tuple(group.row for group in groups_of(report)), details=())


def group_values(group: Group) -> dict[str, object]:
    """The row's values by their names in CSV. The joules of phases, which are no fields of it, are medians, too."""
    phases = {name: found.median if (found := group.spreads.get(name)) else None for name in phase_joules(group.row)}
    return flat_values(group.row) | phases


def disagreements(report: Report) -> Iterator[tuple[Group, Check]]:
    """The groups whose repeats do not agree, each with the verdict."""
    for group in groups_of(report):
        yield from ((group, check) for check in group.checks if check.verdict == "invalid")


def repeat_key(row: ReportRow) -> str:
    """Equal for repeats. Joules that are made up are no repeats of measured ones."""
    said = {name: getattr(row, name) for name in (*_IDENTITY, "emulated") if name not in _OWN}
    return json.dumps(said, sort_keys=True, default=str)


def _group(rows: Sequence[ReportRow], places: tuple[int, ...]) -> Group:
    used = [row for row in rows if row.valid] or list(rows)
    names = tuple(row.run for row in rows)
    checks = tuple(_agreement(used, names))
    label = (
        names[0] if len(names) == 1 else f"{names[0]}, {names[1]}" if len(names) == 2 else f"{names[0]} … {names[-1]}"
    )
    row = rows[0] if len(rows) == 1 else _median_row(used, label, checks)
    return Group(label, names, tuple(one.run for one in used), places, row, _spreads(used), checks)


def _agreement(used: Sequence[ReportRow], names: tuple[str, ...]) -> Iterator[Check]:
    found = [row.latency.p50_ms for row in used if row.latency is not None]
    if len(found) < 2:
        return
    low, high = min(found), max(found)
    if 1e6 * low < RESOLVED_NS:
        return  # so short a time is mostly that of reading the clock
    says = (
        f"the repeats disagree: p50 is {low:.4g} ms in one and {high:.4g} ms in another of the {len(found)} runs "
        f"{names[0]} to {names[-1]}, {high / low:.2f} times as much; at most {LARGEST_RATIO:g}"
    )
    remedy = "See what differs between the runs (heat, clock, other programs)"
    yield at_most("repeats disagree", "time", high / low, LARGEST_RATIO, says, remedy)


def _spreads(rows: Sequence[ReportRow]) -> dict[str, Spread]:
    """Of what every run has."""
    columns = {name: [getattr(row, name) for row in rows] for name in _NUMBERS}
    columns |= {name: [getattr(row.latency, name, None) for row in rows] for name in _LATENCIES}
    phases = list(map(phase_joules, rows))
    columns |= {name: [joules[name] for joules in phases] for name in phases[0]}
    return {name: spread(values) for name, values in columns.items() if all(value is not None for value in values)}


def _median_row(rows: Sequence[ReportRow], label: str, checks: tuple[Check, ...]) -> ReportRow:
    """Every number its median, every verdict that of all; what is no number is the first run's."""
    numbers: dict[str, Any] = {name: median_of_all([getattr(row, name) for row in rows]) for name in _NUMBERS}
    every = (*(check for row in rows for check in row.checks), *checks)
    problems = tuple(dict.fromkeys(check.says or check.rule for check in every if check.verdict == "invalid"))
    return replace(
        rows[0],
        **numbers,
        run=label,
        iterations=sum(row.iterations for row in rows),
        latency=_median_latency(rows),
        checks=every,
        problems=problems,
        valid=not problems,
        not_judged=tuple(dict.fromkeys(reason for row in rows for reason in row.not_judged)),
        links_lost=sum(row.links_lost for row in rows),
    )


def _median_latency(rows: Sequence[ReportRow]) -> LatencyStats | None:
    found = [row.latency for row in rows if row.latency is not None]
    if not found:
        return None
    medians: dict[str, Any] = {name: median_of_all([getattr(one, name) for one in found]) for name in _LATENCIES}
    return replace(found[0], iterations=sum(one.iterations for one in found), **medians)
