"""Two things compared by their runs, pair by pair: `compare` makes the whole answer from the rows of a report. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from groupnl_deploy.analysis.metrics import BY_NAME, METRICS, Metric
from groupnl_deploy.analysis.paired import Paired, compare_pairs, holm
from groupnl_deploy.analysis.rule import Judgement, Rule, judge, require_decidable, undecided
from groupnl_deploy.analysis.spread import median_of_all
from groupnl_deploy.analysis.verdict import Standing, standing, verdict_sentence
from groupnl_deploy.bench.validity import doubted
from groupnl_deploy.errors import UsageError
from groupnl_deploy.report.build import Report
from groupnl_deploy.report.differences import Difference, differences, subject_key
from groupnl_deploy.report.repeats import groups_of
from groupnl_deploy.report.robustness import asked_of
from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.report.settings_pairs import Setting, Within, setting_of, shared, within
from groupnl_deploy.words import known_word

SCHEMA_VERSION = 1
NO_METRIC = "No verdict: there is no time and no energy that all these runs have."


@dataclass(frozen=True)
class Side:
    """A or B: what it is called, its runs in the order of the pairs, and its accuracy where it was measured.

    `picked` is true where that is a little too good: the images picked the epoch of the weights.
    """

    name: str
    runs: tuple[str, ...]
    first: str
    last: str
    accuracy: float | None
    picked: bool = False


@dataclass(frozen=True)
class Line:
    """One metric of both sides.

    `a` and `b` are the medians, in `unit`. `p_adjusted` is the verdict's own p-value for the verdict's
    metric, and by Holm's method over all the others for those. `better_in` counts the pairs in which B is better.
    Null is what cannot be compared, and `why` says why. `doubtful`: a run is invalid in it. `emulated`: the emulated
    meter made it up.
    """

    metric: str
    unit: str
    a: float | None
    b: float | None
    found: Paired | None
    better_in: int | None
    p_adjusted: float | None
    standing: Standing | None
    why: str | None
    doubtful: bool
    emulated: bool


@dataclass(frozen=True)
class InvalidRun:
    """A run that must not be believed, the rules that say so, and why."""

    run: str
    rules: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """The whole answer: what is compared, what differs beside it, the verdict, every metric, every rule.

    `metric` is the one that the verdict is of, null where there is none. `within` says how many pairs are of which
    setting, where they are of several. `interleaved`: the two runs of each pair were made one after the other, with no
    other run of their settings between. `disagree` says of repeats of one thing that they are too far apart. `left_out`
    says of runs that have no partner, are damaged or were cut short. `without_digest` are runs of A and B of which
    nothing tells whether their record was altered.
    """

    a: Side
    b: Side
    pairs: int
    interleaved: bool
    within: tuple[Within, ...]
    compared: tuple[Difference, ...]
    beside: tuple[Difference, ...]
    invalid: tuple[InvalidRun, ...]
    disagree: tuple[str, ...]
    metric: str | None
    verdict: tuple[str, ...]
    lines: tuple[Line, ...]
    judgements: tuple[Judgement, ...]
    emulated_board: bool
    left_out: tuple[str, ...] = ()
    without_digest: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def line(self, metric: str) -> Line:
        """The line of a metric; every comparison has all of them."""
        return next(line for line in self.lines if line.metric == metric)


def compare(
    a: Sequence[ReportRow],
    b: Sequence[ReportRow],
    names: tuple[str, str],
    *,
    by: str | None = None,
    meant: frozenset[str] = frozenset(),
    rules: Sequence[Rule] = (),
) -> Comparison:
    """Compare the k-th row of `a` with the k-th of `b`.

    Args:
        a: the runs of one thing, in the order of the pairs.
        b: as many runs of another one.
        names: what A and B are called.
        by: the metric that the verdict is of; left out, the energy that a real meter measured in every run, else p50.
        meant: the conditions that are meant to differ (`differences.CONDITIONS`).
        rules: what B must not break against A.

    Raises `UsageError` for sides that cannot be paired, and for a metric or a rule that these runs cannot decide.
    """
    _require_two_sides(a, b)
    require_decidable(tuple(rules), len(a))
    disagree, interleaved = (*_disagree(a), *_disagree(b)), _interleaved(a, b)
    lines = tuple(_line(metric, a, b, bool(disagree)) for metric in METRICS)
    chosen = _verdict_metric(lines, by)
    judged = _judged(lines, chosen)
    invalid = tuple(_invalid(row) for row in (*a, *b) if not row.valid)
    believed = not invalid and not disagree
    compared, beside = differences(a, b, meant)
    return Comparison(
        a=_side(names[0], a),
        b=_side(names[1], b),
        pairs=len(a),
        interleaved=interleaved,
        within=within(a, b, BY_NAME[chosen].value) if chosen else within(a, b),
        compared=compared,
        beside=beside,
        invalid=invalid,
        disagree=disagree,
        metric=chosen,
        verdict=_verdict(judged, chosen, interleaved),
        lines=judged,
        judgements=tuple(_judgement(rule, judged, interleaved, believed) for rule in rules),
        emulated_board=any(row.emulated_board for row in (*a, *b)),
    )


def _require_two_sides(a: Sequence[ReportRow], b: Sequence[ReportRow]) -> None:
    if not a or len(a) != len(b):
        raise UsageError(
            f"A has {len(a)} whole runs and B {len(b)}, so they are no pairs.", "Name as many runs of each."
        )
    for name, rows in (("A", a), ("B", b)):
        if len({subject_key(row) for row in rows}) > 1:
            what = " and ".join(sorted({f"{row.model} with {row.backend}" for row in rows}))
            raise UsageError(
                f"The runs of {name} are not all of one artifact with one backend: {what}.",
                "Name runs of one thing for A, and of one other for B.",
            )
    twice = {row.run for row in a} & {row.run for row in b}
    if twice:
        raise UsageError(f"The run {min(twice)} is on both sides.", "Name runs of one thing for A, others for B.")


def _side(name: str, rows: Sequence[ReportRow]) -> Side:
    times = [row.created_at for row in rows]
    untrained = " [untrained]" if rows[0].trained is False else ""
    runs, first = tuple(row.run for row in rows), rows[0]
    return Side(f"{name}{untrained}", runs, min(times), max(times), first.accuracy, first.picked)


def _invalid(row: ReportRow) -> InvalidRun:
    rules = tuple(check.rule for check in row.checks if check.verdict == "invalid")
    return InvalidRun(row.run, rules, row.problems)


def _interleaved(a: Sequence[ReportRow], b: Sequence[ReportRow]) -> bool:
    """Whether no other run of their settings was made between the two of a pair; times of day tell, to the second."""
    traits = shared(a, b)
    settings: dict[Setting, list[tuple[str, int]]] = {}
    for rows in (a, b):
        for pair, row in enumerate(rows):
            settings.setdefault(setting_of(row, traits), []).append((row.created_at, pair))
    return all(map(_by_turns, settings.values()))


def _by_turns(runs: Sequence[tuple[str, int]]) -> bool:
    """Whether the two runs of each pair are neighbours in time."""
    order = sorted(runs)
    return all(first[1] == second[1] for first, second in zip(order[::2], order[1::2], strict=True))


def _disagree(rows: Sequence[ReportRow]) -> tuple[str, ...]:
    """Of one side's repeats, where they are too far apart to be of one thing."""
    checks = (check for group in groups_of(Report(tuple(rows))) for check in group.checks)
    return tuple(check.says or check.rule for check in checks if check.verdict == "invalid")


def _line(metric: Metric, a: Sequence[ReportRow], b: Sequence[ReportRow], disagree: bool) -> Line:
    rows = (*a, *b)
    first, second = ([metric.value(row) for row in side] for side in (a, b))
    why = _why_not(metric, rows)
    found = None if why else compare_pairs([v for v in first if v is not None], [v for v in second if v is not None])
    better = None if found is None else found.lower if metric.better == "lower" else found.higher
    return Line(
        metric=metric.name,
        unit=metric.unit,
        a=median_of_all(first),
        b=median_of_all(second),
        found=found,
        better_in=better,
        p_adjusted=None if found is None else found.p,
        standing=None if found is None else standing(metric, found, found.p),
        why=why,
        doubtful=metric.doubts is not None and (disagree or any(doubted(row.checks, metric.doubts) for row in rows)),
        emulated=metric.energy and any(row.emulated for row in rows),
    )


def _why_not(metric: Metric, rows: Sequence[ReportRow]) -> str | None:
    """Why these runs cannot be compared in it; None where they can."""
    lacking = [row for row in rows if metric.value(row) is None]
    if any(row.emulated_board for row in lacking):
        return "an emulated board has none"
    if lacking and metric.energy and all(row.emulated is None for row in lacking):
        return "no meter recorded" if len(lacking) == len(rows) else f"no meter recorded {lacking[0].run}"
    if metric.evaluated and (unlike := _evaluated_otherwise(rows)):
        return unlike
    if lacking:
        return f"{lacking[0].run} has none"
    below = next((row for row in rows if (metric.value(row) or 0.0) <= 0), None)
    return f"it is zero or less in {below.run}" if below else None


def _evaluated_otherwise(rows: Sequence[ReportRow]) -> str | None:
    """Why no evaluation under corruptions is one of all these networks alike; None where it is."""
    without = [row for row in rows if row.corrupted_accuracy is None]
    if without:
        of = "" if len(without) == len(rows) else f" of {without[0].run}"
        return f"no evaluation under corruptions is kept{of}"
    return None if len(set(map(asked_of, rows))) == 1 else "the networks were asked different corrupted images"


def _verdict_metric(lines: Sequence[Line], by: str | None) -> str | None:
    """The name that the user gave, else the first that can be had of measured energy and p50."""
    of = {line.metric: line for line in lines}
    if by is not None:
        chosen = of[known_word("column to compare", by, BY_NAME)]
        if chosen.why:
            raise UsageError(
                f"These runs cannot be compared by {by}: {chosen.why}.", "Leave --by out, or bench them with it."
            )
        return by
    if of["energy_j"].found is not None and not of["energy_j"].emulated:
        return "energy_j"
    return "p50_ms" if of["p50_ms"].found is not None else None


def _judged(lines: Sequence[Line], chosen: str | None) -> tuple[Line, ...]:
    """The lines with p-values that are honest together: the verdict's alone, all others as one family."""
    others = [line.metric for line in lines if line.metric != chosen and line.found and line.found.p is not None]
    family = dict(zip(others, holm([_p(line) for line in lines if line.metric in others]), strict=True))
    return tuple(
        replace(line, p_adjusted=family[line.metric], standing=_standing(line, family[line.metric]))
        if line.metric in family
        else line
        for line in lines
    )


def _p(line: Line) -> float:
    return 1.0 if line.p_adjusted is None else line.p_adjusted


def _standing(line: Line, p: float) -> Standing | None:
    return None if line.found is None else standing(BY_NAME[line.metric], line.found, p)


def _verdict(lines: Sequence[Line], chosen: str | None, interleaved: bool) -> tuple[str, ...]:
    """The verdict; that of an energy is followed by the time's."""
    if chosen is None:
        return (NO_METRIC,)
    told = (chosen, "p50_ms") if chosen in ("energy_j", "net_energy_j") else (chosen,)
    shown = {line.metric: line for line in lines if line.found is not None}
    return tuple(
        _stamp(line, interleaved) + verdict_sentence(BY_NAME[name], line.found, line.p_adjusted, line.doubtful)
        for name in told
        if (line := shown.get(name)) is not None and line.found is not None
    )


def _stamp(line: Line, interleaved: bool) -> str:
    """What must go with a sentence that somebody copies."""
    stamps = (
        ("NOT INTERLEAVED. ", not interleaved),
        ("EMULATED meter: no measurement of any device. ", line.emulated),
    )
    return "".join(text for text, applies in stamps if applies)


def _judgement(rule: Rule, lines: Sequence[Line], interleaved: bool, believed: bool) -> Judgement:
    line = next(line for line in lines if line.metric == rule.metric)
    if line.found is None:
        raise UsageError(
            f"These runs cannot decide “{rule.text}”: of {rule.metric}, {line.why}.",
            "Leave that rule out, or bench with what it needs.",
        )
    if not believed:
        return undecided(rule)
    judged = judge(rule, line.found)
    return replace(judged, says=f"{_stamp(line, interleaved)}{judged.says}")
